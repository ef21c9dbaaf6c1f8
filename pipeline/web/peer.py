"""Who is at the other end of a connection: noted before X-Forwarded-For is believed.

A proxy whose header names an operator is trusted by its own address, not by what it says of others.
"""

import os
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

_KEY: Final = "crawlpush.peer"


class Peer:
    """Notes the peer's address of each request, then does what uvicorn does with X-Forwarded-For and -Proto."""

    def __init__(self, app: ASGIApp) -> None:
        # The same variable and default as uvicorn's own.
        trusted = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")
        self._app: Any = ProxyHeadersMiddleware(app, trusted_hosts=trusted)  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        if scope["type"] == "http":
            client = scope.get("client")
            scope[_KEY] = client[0] if client else ""
        await self._app(scope, receive, send)


def peer_of(scope: Scope) -> str:
    """The peer's address; empty, and so trusted by nobody, where it was not noted."""
    return str(scope.get(_KEY, ""))
