"""The gateway's admin listener: plain HTTP on loopback, JSON for programs and the page of the phones for people."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

from aiohttp import web

from pipeline.web.pages.rendering import (
    LANGUAGE_COOKIE,
    LANGUAGES,
    SECURITY_HEADERS,
    language_of,
    render,
    static_files,
)
from scripts.gateway.faults import Faults, FaultsError
from scripts.gateway.screens import screens
from scripts.gateway.state import GatewayState
from scripts.local.serving import loopback_only, read_json


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

    async def set_owners(request: web.Request) -> web.Response:
        try:
            rows = await read_json(request)
            owners = {(str(row["platform"]), str(row["token"])): str(row["owner"]) for row in rows}
        except (TypeError, KeyError) as error:
            raise web.HTTPBadRequest(text="Send a list of objects with platform, token and owner.\n") from error
        state.owners = owners
        return web.json_response({"owners": len(owners)})

    application = web.Application(middlewares=[loopback_only])
    application.add_routes(
        [
            *page_routes(state),
            web.get("/admin/received", received),
            web.get("/admin/phones", _showing(state.record.phones)),
            web.get("/admin/messages", _showing(state.record.messages)),
            web.get("/admin/stats", _showing(lambda: gateway_stats(state))),
            web.get("/admin/faults", _showing(lambda: state.plan.faults.to_json())),
            web.post("/admin/faults", change_faults),
            web.post("/admin/owners", set_owners),
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


_A_DAY_S: Final = 86_400


def page_routes(state: GatewayState) -> list[web.RouteDef]:
    """The page, the part of it that changes, and what it is drawn with."""

    async def page(request: web.Request) -> web.Response:
        answer = _html(request, "phones.html", **_facts(state, since=0))
        if request.query.get("lang") in LANGUAGES:
            answer.set_cookie(LANGUAGE_COOKIE, request.query["lang"], httponly=True, samesite="Strict")
        return answer

    async def changed(request: web.Request) -> web.Response:
        """What the phones show now; nothing while that is what the page has."""
        start, _, since = request.query.get("version", "").partition("-")
        if f"{start}-{since}" == _version(state):
            return web.Response(status=204)
        is_same_run = start == _start(state) and since.isascii() and since.isdigit()
        return _html(request, "phones_shown.html", **_facts(state, since=int(since) if is_same_run else 0))

    async def static(request: web.Request) -> web.Response:
        file = static_files().get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound(text="There is no such file.\n")
        headers = {"Content-Type": file.media_type, "Cache-Control": f"max-age={_A_DAY_S}"}
        return web.Response(body=file.content, headers=headers)

    return [web.get("/", page), web.get("/screens", changed), web.get("/static/{name}", static)]


def _facts(state: GatewayState, *, since: int) -> dict[str, Any]:
    """since: what the page showed already; what is newer rings."""
    stats, usual = state.record.stats(), Faults().to_json()
    return {
        "root": "",
        "version": _version(state),
        "since": since,
        "now": datetime.now().astimezone(),
        "screens": screens(state.record, state.owners),
        "stats": stats,
        "answers": {name: stats[key] for name, key in (("FCM", "fcm"), ("APNs", "apns"))},
        "faults": {name: value for name, value in state.plan.faults.to_json().items() if value != usual[name]},
    }


def _html(request: web.Request, template: str, **values: Any) -> web.Response:
    language = language_of(
        request.query.get("lang"), request.cookies.get(LANGUAGE_COOKIE), request.headers.get("Accept-Language")
    )
    content = render(template, language, **values)
    return web.Response(body=content, content_type="text/html", charset="utf-8", headers=SECURITY_HEADERS)


def _start(state: GatewayState) -> str:
    """Tells this count of messages from those before a reset or another start."""
    return f"{state.record.started_at:.3f}"


def _version(state: GatewayState) -> str:
    return f"{_start(state)}-{state.record.sends}"
