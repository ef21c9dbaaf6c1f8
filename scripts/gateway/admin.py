"""The gateway's admin listener: plain HTTP on loopback, JSON for programs and the page of the phones for people."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from scripts.gateway.faults import Faults, FaultsError
from scripts.gateway.page import page_routes
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
            web.get("/admin/shown", _showing(state.record.shown)),
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
