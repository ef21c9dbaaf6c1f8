"""A small board and a small feed on loopback, and the orders to crawl them: what the preload rehearses."""

import dataclasses
import socket
import sys
import tempfile
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

from OpenSSL import SSL
from protego import Protego
from w3lib.html import get_meta_refresh

from pipeline.crawling.order import CrawlOrder
from spiders.child import run
from spiders.child.parent_link import Channel
from spiders.params import FeedParams, JSONParams, ListingParams, PostPageParams
from spiders.pipelines import found_post
from spiders.reading.feed_document import parse_feed
from spiders.reading.json_page import parse_json
from spiders.reading.listing_page import parse_listing
from spiders.reading.post_page import read_post_page
from storage import sites
from storage.models import metadata
from storage.posts import store
from storage.session import Database

_BOARD: Final = (
    "<!doctype html><meta charset=utf-8><title>board</title><table>"
    "<tr class=row><td><a href='/post?id=1'>First 첫 글</a><td class=date>2026-01-02 03:04"
    "<tr class=row><td><a href='/post?id=2'>Second</a><td class=date>2 Jan 2026</table>"
)
_FEED: Final = (
    '<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>feed</title>'
    "<item><title>First 첫 글</title><link>http://127.0.0.1/1</link><guid>1</guid>"
    "<pubDate>Fri, 02 Jan 2026 03:04:05 GMT</pubDate><description>&lt;p&gt;text&lt;/p&gt;</description></item>"
    "</channel></rss>"
)
PAGES: Final = {
    "/robots.txt": ("text/plain", "User-agent: *\nDisallow: /private\n"),
    "/board": ("text/html; charset=utf-8", _BOARD),
    "/feed": ("application/rss+xml", _FEED),
}
_PARAMS: Final[dict[str, dict[str, str]]] = {
    "listing": {"url": "/board", "row": "tr.row", "title": "a", "date": ".date::text"},
    "feed": {"url": "/feed"},
}


def orders(spiders: list[str]) -> list[CrawlOrder]:
    """One order for each of our general spiders; its address is completed by `perform`."""
    return [
        CrawlOrder(
            run_id=1,
            site_id=1,
            site_name="rehearsal",
            spider=name,
            params=params,
            timezone="Asia/Seoul",
            database_url="",
            user_agent="crawlpush rehearsal",
            obey_robots=True,
            allow_private=True,
            soft_limit_s=20,
            hard_limit_s=25,
            memory_mb=1024,
            download_max_bytes=1_000_000,
            max_pages=5,
            download_delay_s=0,
        )
        for name, params in _PARAMS.items()
        if name in spiders
    ]


class _RehearsalChannel(Channel):
    """Sends with the report which modules the crawl needed."""

    def send(self, kind: str, message: dict[str, Any]) -> None:
        if kind == "report":
            message = {**message, "modules": list(sys.modules)}
        super().send(kind, message)


def perform(order: CrawlOrder, folder: Path, connection: socket.socket) -> NoReturn:
    """Crawl the page that an order is for, store its posts in a database in `folder`, and end this process."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_serve, args=(listener,), daemon=True).start()
    url = f"sqlite:///{folder}/posts.db"
    run_id = _prepare(url)
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    params = {**order.params, "url": origin + order.params["url"]}
    run.crawl(
        dataclasses.replace(order, params=params, database_url=url, run_id=run_id),
        _RehearsalChannel(connection),
    )


def _prepare(url: str) -> int:
    database = Database(url)
    metadata.create_all(database.engine)
    now = datetime.now(UTC)
    with database.writing() as session:
        site = sites.add(session, name="rehearsal", spider="listing", now=now)
        run_id = sites.queue_run(session, site.id, trigger="manual", now=now)
    database.close()
    assert run_id is not None
    return run_id


def warm_up() -> None:
    """Do in this process what crawls do apart from the network, so that what is computed once is computed here:
    mapped classes, compiled statements' parts, patterns, selectors. Each child would do it again, in memory of its own.
    """
    now = datetime.now(UTC)
    board, feed = PAGES["/board"][1].encode(), PAGES["/feed"][1].encode()
    base = "http://127.0.0.1/"
    posts = parse_listing(board, base, ListingParams.from_mapping(_PARAMS["listing"] | {"url": base}), now, "").posts
    parse_feed(feed, base, FeedParams.from_mapping({"url": base}), now, "")
    answer = JSONParams.from_mapping({"url": base, "rows": "@", "title": "title", "id": "id", "date": "at"})
    parse_json('[{"id": 1, "title": "First 첫 글", "at": "2026-01-02"}]', base, answer, now)
    read_post_page(board, base, PostPageParams(post_page=True), content_type="text/html; charset=utf-8")
    get_meta_refresh(board.decode(), base)
    Protego.parse(PAGES["/robots.txt"][1]).can_fetch(base, "crawlpush")
    _greet_over_tls()
    with tempfile.TemporaryDirectory(prefix="crawlpush-rehearsal-") as folder:
        url = f"sqlite:///{folder}/posts.db"
        run_id = _prepare(url)
        database = Database(url)
        for title in ("new", "new", "edited"):
            found = [dataclasses.replace(found_post(post), title=title) for post in posts]
            with database.writing() as session:
                store(session, site_id=1, run_id=run_id, found=found, now=now)
        database.close()


def _greet_over_tls() -> None:
    """Make a client's first message, to nobody: most of what OpenSSL sets up once is set up by that."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_default_verify_paths()
    connection = SSL.Connection(context)
    connection.set_connect_state()
    connection.set_tlsext_host_name(b"localhost")
    with suppress(SSL.WantReadError):
        connection.do_handshake()


def _serve(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_answer, args=(connection,), daemon=True).start()


def _answer(connection: socket.socket) -> None:
    with suppress(OSError), connection, connection.makefile("rb") as lines:
        while request := lines.readline():
            while lines.readline().strip():
                pass
            kind, text = PAGES.get(request.split()[1].decode(), ("text/plain", ""))
            body = text.encode()
            head = f'HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nETag: "1"\r\n\r\n'
            connection.sendall(head.encode() + body)
