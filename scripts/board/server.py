"""The demo board as a loopback HTTP server that gains a post every few seconds."""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from scripts.board.pages import ID_STEP, feed, listing_page, post_page, with_new_ids
from scripts.board.posts import DEFAULT_SEED, Board, BoardPost, PostError
from scripts.local.serving import LOOPBACK, ServingError, listen, loopback_only, port_of, read_json, start_site

PREFERRED_PORT = 8900
# Last-Modified counts whole seconds, so within this many a page may have changed without it (RFC 9110, 8.8.2.2).
_FRESH_S = 2


class BoardServer:
    """A loopback notice board. `start` it inside an event loop; `url` is known then.

    `every` is the number of seconds between posts, 0 for none but those that are added.
    """

    def __init__(
        self,
        *,
        port: int | None = 0,
        every: float = 5.0,
        seed: int = DEFAULT_SEED,
        file: Path | None = None,
        on_post: Callable[[BoardPost], None] | None = None,
    ) -> None:
        self._port = port
        self._every = every
        self._seed = seed
        self._file = file
        self._on_post = on_post
        self._runner: web.BaseRunner | None = None
        self._growing: asyncio.Task[None] | None = None
        # Whether posts have other ids at each look at the first page or the feed, and how many looks there were.
        self._new_ids = False
        self._looks = 0
        self.base_url = ""

    @property
    def url(self) -> str:
        """The board's first page."""
        return f"{self.base_url}/notice"

    async def start(self) -> None:
        """Listen, and begin to grow. Raises ServingError when it cannot."""
        try:
            self.board = Board(seed=self._seed, file=self._file)
        except (PostError, OSError) as error:
            raise ServingError(f"The board cannot start: {error}") from error
        sock = listen(self._port, PREFERRED_PORT)
        self.base_url = f"http://{LOOPBACK}:{port_of(sock)}"
        self._runner = await start_site(self._application(), sock)
        if self._every > 0:
            self._growing = asyncio.create_task(self._grow())

    async def stop(self) -> None:
        """Stop growing and listening. Does nothing when not started."""
        if self._growing is not None:
            self._growing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._growing
        if self._runner is not None:
            await self._runner.cleanup()

    def addresses(self) -> dict[str, object]:
        """Return what a parent process must know."""
        return {"base_url": self.base_url}

    async def _grow(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            self._tell(self.board.add_next())

    def _tell(self, post: BoardPost) -> None:
        if self._on_post is not None:
            self._on_post(post)

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[loopback_only])
        application.add_routes(
            [
                web.get("/", self._root),
                web.get("/robots.txt", self._robots),
                web.get("/notice", self._listing),
                web.get(r"/notice/{number:\d{1,9}}", self._post),
                web.get("/feed.xml", self._feed),
                web.get("/admin/posts", self._all_posts),
                web.post("/admin/posts", self._add_post),
                web.post(r"/admin/posts/{number:\d{1,9}}", self._edit_post),
                web.post("/admin/new-ids", self._set_new_ids),
            ]
        )
        return application

    async def _root(self, _request: web.Request) -> web.Response:
        raise web.HTTPFound("/notice")

    async def _robots(self, _request: web.Request) -> web.Response:
        return web.Response(text="User-agent: *\nDisallow: /admin/\n")

    async def _listing(self, request: web.Request) -> web.Response:
        page = request.query.get("page", "1")
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 7 else 0
        content = listing_page(self.board.posts(), self.board.pinned(), number)
        if content is None:
            raise web.HTTPNotFound(text="There is no such page.\n")
        content = self._identified(content, first=number == 1)
        return _conditional(request, content, "text/html", self.board.changed_at)

    async def _post(self, request: web.Request) -> web.Response:
        post = self.board.find(int(request.match_info["number"]) % ID_STEP)
        if post is None:
            raise web.HTTPNotFound(text="There is no such post.\n")
        return _conditional(request, post_page(post), "text/html", post.published)

    async def _feed(self, request: web.Request) -> web.Response:
        content = self._identified(feed(self.board.posts(), self.base_url), first=True)
        return _conditional(request, content, "application/rss+xml", self.board.changed_at)

    def _identified(self, content: str, *, first: bool) -> str:
        if not self._new_ids:
            return content
        self._looks += first
        return with_new_ids(content, max(1, self._looks))

    async def _set_new_ids(self, request: web.Request) -> web.Response:
        values = await read_json(request)
        if not isinstance(values, bool):
            raise web.HTTPBadRequest(text="Say true or false.\n")
        self._new_ids = values
        return web.json_response(values)

    async def _all_posts(self, _request: web.Request) -> web.Response:
        return web.json_response([asdict(post) for post in self.board.posts()])

    async def _add_post(self, request: web.Request) -> web.Response:
        values = await _texts(request, author=str, pinned=bool)
        with _refusing():
            post = self.board.add(values.pop("title", ""), **values)
        self._tell(post)
        return web.json_response(asdict(post))

    async def _edit_post(self, request: web.Request) -> web.Response:
        values = await _texts(request)
        with _refusing():
            post = self.board.edit(int(request.match_info["number"]), values.get("title", ""), values.get("body", ""))
        return web.json_response(asdict(post))


async def _texts(request: web.Request, **others: type) -> dict[str, Any]:
    values, kinds = await read_json(request), {"title": str, "body": str, **others}
    if not (isinstance(values, dict) and all(type(v) is kinds.get(name) for name, v in values.items())):
        raise web.HTTPBadRequest(text="A post has title, body and author (texts) and pinned (true or false).\n")
    return values


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except PostError as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from error


def _conditional(request: web.Request, content: str, kind: str, changed: datetime) -> web.Response:
    """Return the page with its validators, or 304 when the client has it (RFC 9110, 13.1)."""
    body = content.encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    changed = changed.astimezone(UTC)
    headers = {"ETag": etag, "Last-Modified": format_datetime(changed, usegmt=True), "Cache-Control": "no-cache"}
    if _is_known(request, etag, changed):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)


def _is_known(request: web.Request, etag: str, changed: datetime) -> bool:
    given = request.headers.get("If-None-Match")
    if given is not None:
        return given.strip() == "*" or etag in [each.strip().removeprefix("W/") for each in given.split(",")]
    since = request.headers.get("If-Modified-Since")
    if since is None or (datetime.now(UTC) - changed).total_seconds() < _FRESH_S:
        return False
    try:
        return changed.replace(microsecond=0) <= parsedate_to_datetime(since).astimezone(UTC)
    except ValueError:
        return False
