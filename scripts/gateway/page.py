"""The page of the phones: what those behind the tokens show, drawn and kept up to date."""

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
from scripts.gateway.faults import Faults
from scripts.gateway.screens import screens
from scripts.gateway.state import GatewayState

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
