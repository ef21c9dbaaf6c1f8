"""Puts the pages beside the API without loading them: Jinja2 and the rest come with the first page asked for."""

import gc
from functools import cached_property

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from pipeline.web.context import Context

ROOT = "/ops"
"""Where the pages stand on the server."""


class Pages:
    """The pages as an ASGI application, made when it is first used."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @cached_property
    def _app(self) -> Starlette:
        from pipeline.web.pages.app import create_pages

        pages = create_pages(self._context)
        # What is loaded by now stays: a full collection that walks through all of it takes a tenth of a second.
        gc.collect()
        gc.freeze()
        return pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if "_app" not in self.__dict__:
            await run_in_threadpool(lambda: self._app)
        await self._app(scope, receive, send)
