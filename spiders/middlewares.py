"""Politeness towards the server, and bookkeeping about what it answered.

What they learn goes into the crawler's stats, under `crawl/...`: spiders.child.run makes the report from there.
"""

import asyncio
import base64
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Self

import spiders.without_http2  # noqa: F401 - before Scrapy
from pipeline.basics.retry_after import retry_after_s

# isort: split

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest, NotConfigured
from scrapy.http import Response
from scrapy.spidermiddlewares.base import BaseSpiderMiddleware
from scrapy.spidermiddlewares.httperror import HttpError
from twisted.python.failure import Failure

from pipeline.basics.access import Login, origin
from spiders.reading.page_kind import PageKind, page_kind
from spiders.robots import UNREACHABLE

logger = logging.getLogger(__name__)

VALIDATORS: Final = "crawlpush/validators"
NOT_MODIFIED: Final = "crawlpush/not_modified"
RETRY_AFTER: Final = "crawlpush/retry_after_s"
POST: Final = "crawlpush_post"
"""Key in the meta of a request for a post's own page, with the post (storage.post_pages.OwedPage)."""

MAX_WAIT_S: Final = 5.0
"""A server that asks for more patience than this is left alone until later; its process does not wait for it."""

MAX_WAITS: Final = 2
"""How often one crawl waits for one page."""

_URL_LENGTH: Final = 2048
_VALIDATOR_LENGTH: Final = 1024


class NotModified(IgnoreRequest):
    """The page has not changed since the last crawl: there is nothing to parse."""


class ConditionalGetMiddleware:
    """Sends ETag and Last-Modified of the last crawl with the start pages, and notes those that came back.

    `CRAWL_VALIDATORS` maps a page's address to its ETag and its Last-Modified, either of which may be None.
    """

    def __init__(self, crawler: Crawler, known: Mapping[str, tuple[str | None, str | None]]) -> None:
        self._crawler = crawler
        self._known = known

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's constructor; without validators to begin with there are still some to note."""
        return cls(crawler, crawler.settings.getdict("CRAWL_VALIDATORS"))

    def process_request(self, request: Request) -> None:
        """Make the request for a start page conditional."""
        if not _is_start_page(request):
            return
        etag, last_modified = self._known.get(request.url, (None, None))
        # A redirect takes the headers of the page before along.
        for name, value in (("If-None-Match", etag), ("If-Modified-Since", last_modified)):
            if value:
                request.headers[name] = value
            else:
                request.headers.pop(name, None)

    def process_response(self, request: Request, response: Response) -> Response:
        """End here when nothing changed; else note the validators of a whole page."""
        if not _is_start_page(request):
            return response
        if response.status == 304 and _is_conditional(request):
            self._crawler.stats.inc_value(NOT_MODIFIED)
            raise NotModified(request.url)
        if response.status == 200 and len(request.url) <= _URL_LENGTH:
            etag, last_modified = _header(response, "ETag"), _header(response, "Last-Modified")
            if etag or last_modified:
                noted = self._crawler.stats.get_value(VALIDATORS) or {}
                self._crawler.stats.set_value(VALIDATORS, {**noted, request.url: (etag, last_modified)})
        return response


def _is_start_page(request: Request) -> bool:
    return request.method == "GET" and bool(request.meta.get("is_start_request"))


def _is_conditional(request: Request) -> bool:
    return "If-None-Match" in request.headers or "If-Modified-Since" in request.headers


def _header(response: Response, name: str) -> str | None:
    """A validator that can be stored and sent back as it came; None for anything odd."""
    value = (response.headers.get(name) or b"").decode("latin-1")
    return value if value.isprintable() and 0 < len(value) <= _VALIDATOR_LENGTH else None


class RetryAfterMiddleware:
    """Honours Retry-After: a short pause is waited for, a long one ends the crawl with the reason `retry_after`.

    A 429 without that header ends the crawl as well: asking again would be what the server complains about.
    """

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        # What the server said, once it sent us away.
        self._sent_away: str | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's constructor."""
        return cls(crawler)

    def process_request(self, request: Request) -> None:  # noqa: ARG002
        """Ask for nothing more while the spider is being closed, the page that waited for robots.txt for one."""
        if self._sent_away:
            raise IgnoreRequest(self._sent_away)

    async def process_response(self, request: Request, response: Response) -> Response | Request:
        """Wait and ask again, or close the spider."""
        # One post's page is not worth waiting for: it is asked for again in a later crawl (spiders.post_pages).
        if response.status not in (429, 503) or POST in request.meta:
            return response
        value = response.headers.get("Retry-After")
        delay = None if value is None else retry_after_s(value.decode("latin-1"), now=datetime.now(UTC))
        if delay is None and response.status == 503:
            return response
        waits = request.meta.get("retry_after_waits", 0)
        engine = self._crawler.engine
        if delay is not None and delay <= MAX_WAIT_S and waits < MAX_WAITS:
            engine.pause()
            try:
                await asyncio.sleep(delay)
            finally:
                engine.unpause()
            return request.replace(dont_filter=True, meta={**request.meta, "retry_after_waits": waits + 1})
        self._crawler.stats.set_value(RETRY_AFTER, delay)
        self._closing = asyncio.ensure_future(engine.close_spider_async(reason="retry_after"))
        wish = "to slow down" if delay is None else f"to come back in {delay:.0f} s"
        self._sent_away = f"the server answered {response.status} and asks {wish}"
        raise IgnoreRequest(self._sent_away)


class LoginMiddleware:
    """Shows the name and password of the site's address to the server that they are for, and to no other.

    `CRAWL_LOGIN` is a pipeline.basics.access.Login, or None. What a redirect leads to has its own origin.
    """

    def __init__(self, login: Login) -> None:
        self._login = login
        pair = f"{login.name}:{login.password}".encode()
        self._header = b"Basic " + base64.b64encode(pair)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's constructor."""
        login = crawler.settings["CRAWL_LOGIN"]
        if login is None:
            raise NotConfigured
        return cls(login)

    def process_request(self, request: Request) -> None:
        """Add or take away the header."""
        if origin(request.url) == self._login.origin:
            request.headers["Authorization"] = self._header
        elif request.headers.get("Authorization") == self._header:
            del request.headers["Authorization"]


class FailedRequestsMiddleware(BaseSpiderMiddleware):
    """Logs, as an error, each request that ended without a page in a way that Scrapy itself keeps quiet about:
    an HTTP error, too many redirects, a refusal by robots.txt. Otherwise such a crawl looks like an empty board.
    """

    def get_processed_request(self, request: Request, response: Response | None) -> Request:  # noqa: ARG002
        """Attach the errback, unless the spider looks at failures itself."""
        if request.errback is None:
            request.errback = self.note
        return request

    def note(self, failure: Failure) -> Any:
        """Log the failure and hand it on."""
        error = failure.value
        url = failure.request.url  # type: ignore[attr-defined]
        if isinstance(error, HttpError):
            logger.error("the server answered %d for %s%s", error.response.status, url, advice_on(error.response))
        elif isinstance(error, IgnoreRequest) and not isinstance(error, NotModified):
            logger.error("%s: %s", self.crawler.stats.get_value(UNREACHABLE) or error, url)
        return failure


_ADVICE: Final = {
    304: "it says that nothing changed, though nobody asked on that condition: it, or a cache before it, is at fault",
    403: "it refuses crawlers, or this address to everybody",
    404: "the page is not there: look for its new address",
    410: "the page is gone for good: look for its new address",
    451: "the page may not be shown, for legal reasons",
}
"""What a status means for a page that is watched (RFC 9110, section 15; RFC 7725)."""


def advice_on(response: Response) -> str:
    """What an answer's status, or its page, means for who watches it, after a colon; "" where nothing is known."""
    kind = kind_of(response)
    if kind is not None and kind.name in {"challenge", "login"}:
        return f": {kind.sentence}"
    advice = _ADVICE.get(response.status)
    return f": {advice}" if advice else ""


def kind_of(response: Response) -> PageKind | None:
    """What a page is on which no posts were found."""
    headers = {
        name.decode("latin-1"): b", ".join(values).decode("latin-1") for name, values in response.headers.items()
    }
    content_type = (response.headers.get("Content-Type") or b"").decode("latin-1")
    return page_kind(response.body, response.url, content_type=content_type, status=response.status, headers=headers)
