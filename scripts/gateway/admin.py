"""The gateway's admin listener: plain HTTP on loopback, JSON for programs and one page for people."""

from collections.abc import Awaitable, Callable
from html import escape
from typing import Any

from aiohttp import web

from scripts.gateway.faults import Faults, FaultsError
from scripts.gateway.state import GatewayState
from scripts.local.serving import loopback_only, read_json

# The page shows this many phones and notifications; the JSON shows all.
_PHONES_SHOWN = 50
_NOTIFICATIONS_SHOWN = 20

_PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="3">
<title>crawlpush gateway</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem; max-width: 70rem }}
section {{ border: 1px solid #ccc; border-radius: 8px; padding: .5rem 1rem; margin: 1rem 0 }}
td, th {{ text-align: left; padding: .1rem .8rem .1rem 0; vertical-align: top }}
</style>
<h1>Loopback push gateway</h1>
<p>{summary}</p>
<p>FCM: {fcm}<br>APNs: {apns}<br>Failures: {faults}</p>
{phones}
</html>
"""


def admin_application(state: GatewayState, set_faults: Callable[[Faults], None]) -> web.Application:
    """Return the admin application of a running gateway; `set_faults` follows a new failure plan."""

    async def received(request: web.Request) -> web.Response:
        since = request.query.get("since", "0")
        if not (since.isascii() and since.isdigit()):
            raise web.HTTPBadRequest(text="since is the number of a message, such as 0.\n")
        return web.json_response(state.record.received(int(since)))

    async def change_faults(request: web.Request) -> web.Response:
        try:
            faults = Faults.from_json(await read_json(request))
        except FaultsError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from error
        set_faults(faults)
        return web.json_response(faults.to_json())

    async def reset(_request: web.Request) -> web.Response:
        state.record.reset()
        set_faults(Faults())
        return web.json_response(gateway_stats(state))

    async def page(_request: web.Request) -> web.Response:
        # A message may hold lone surrogates, which JSON can write and UTF-8 cannot.
        content = _render(state).encode("utf-8", "replace")
        return web.Response(body=content, content_type="text/html", charset="utf-8")

    application = web.Application(middlewares=[loopback_only])
    application.add_routes(
        [
            web.get("/", page),
            web.get("/admin/received", received),
            web.get("/admin/phones", _showing(state.record.phones)),
            web.get("/admin/shown", _showing(state.record.shown)),
            web.get("/admin/stats", _showing(lambda: gateway_stats(state))),
            web.get("/admin/faults", _showing(lambda: state.plan.faults.to_json())),
            web.post("/admin/faults", change_faults),
            web.post("/admin/reset", reset),
        ]
    )
    return application


def _showing(value: Callable[[], Any]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return a handler that answers with the value of the moment."""

    async def handler(_request: web.Request) -> web.Response:
        return web.json_response(value())

    return handler


def gateway_stats(state: GatewayState) -> dict[str, Any]:
    """Return all counters of the gateway."""
    return {
        **state.record.stats(),
        "faults": state.plan.dealt,
        "connections": state.connections,
        "refused_connections": state.refused_connections,
        "access_tokens": state.access_tokens.issued,
        "provider_tokens": state.provider_tokens.seen,
    }


def _render(state: GatewayState) -> str:
    stats = state.record.stats()
    summary = (
        f"{stats['sends']} messages for {stats['phones']} phones; "
        f"{stats['shown']} notifications shown, {stats['replaced']} replaced one that was there."
    )
    faults = state.plan.faults.to_json()
    set_ones = {name: value for name, value in faults.items() if value != Faults().to_json()[name]}
    phones = state.record.phones(newest=_PHONES_SHOWN)
    return _PAGE.format(
        summary=escape(summary),
        fcm=escape(_counts(stats["fcm"])),
        apns=escape(_counts(stats["apns"])),
        faults=escape(_counts(set_ones)),
        phones="\n".join(_phone(phone) for phone in phones),
    )


def _counts(counts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(counts.items())) or "none"


def _phone(phone: dict[str, Any]) -> str:
    kind = "Android or web" if phone["platform"] == "fcm" else f"iPhone ({phone['environment']})"
    rows = [
        f"<tr><td>{escape(shown['title'])}</td><td>{escape(shown['body'])}</td><td>{shown['sends']}</td></tr>"
        for shown in reversed(phone["shown"][-_NOTIFICATIONS_SHOWN:])
    ]
    # The beginning of a token tells phones apart and sends nothing.
    head = f"<h2>{escape(kind)}, token {escape(phone['token'][:6])}…, {phone['sends']} messages</h2>"
    return f"<section>{head}<table><tr><th>Title<th>Body<th>Sent</tr>{''.join(rows)}</table></section>"
