"""robots.txt as RFC 9309 wants it: kept for a day, and what becomes of a site whose server does not give it out."""

from collections.abc import Mapping
from typing import Final, Self

import spiders.without_http2  # noqa: F401 - before Scrapy

# isort: split

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import CannotResolveHostError, DownloadConnectionRefusedError, NotConfigured
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK

from spiders.errors import SpiderError
from spiders.reading.encoding import decode

ROBOTS: Final = "crawlpush/robots"
"""Stat: origin -> text of each robots.txt that was fetched."""
_HOST_IS_AWAY: Final = (CannotResolveHostError, DownloadConnectionRefusedError, SpiderError)
"""The host itself is not asked: there is none, nothing listens, or it is in a network that the site may not reach."""
UNREACHABLE: Final = "crawlpush/robots_unreachable"
"""Stat: why a robots.txt could not be read, and nobody knows an older one."""

ROBOTS_BYTES: Final = 512 * 1024
"""RFC 9309, section 2.5, wants at least 500 KiB of a robots.txt to be read; the rest is left out."""
_ORIGIN_LENGTH: Final = 512

_FORBID_ALL: Final = b"User-agent: *\nDisallow: /"


class KeptRobotsMiddleware:
    """Answers requests for a robots.txt that is known already, and notes those that were fetched.

    `CRAWL_ROBOTS` maps an origin, such as https://example.org, to the text of its robots.txt; `CRAWL_OLD_ROBOTS` has
    those that are to be fetched anew, and serve where the server is unreachable (RFC 9309, 2.3.1.4). Without such a
    copy nothing of that server may be crawled then.
    """

    def __init__(self, crawler: Crawler, fresh: Mapping[str, str], old: Mapping[str, str]) -> None:
        self._crawler = crawler
        self._fresh = fresh
        self._old = old

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's constructor."""
        settings = crawler.settings
        if not settings.getbool("ROBOTSTXT_OBEY"):
            raise NotConfigured
        return cls(crawler, settings.getdict("CRAWL_ROBOTS"), settings.getdict("CRAWL_OLD_ROBOTS"))

    def process_request(self, request: Request) -> Response | None:
        """Answer from what is kept."""
        origin = robots_origin(request)
        if origin is None or origin not in self._fresh:
            return None
        return _kept(request, self._fresh[origin].encode())

    def process_response(self, request: Request, response: Response) -> Response:
        """Note a robots.txt, or that there is none."""
        origin = robots_origin(request)
        if origin is None or "kept" in response.flags or response.status == 429:
            return response
        if response.status >= 500:
            return self._instead(request, origin, f"the server answered {response.status}")
        # Without one, everything is allowed, whatever the error page says.
        text = "" if response.status >= 400 else decode(response.body[:ROBOTS_BYTES]).text.replace("\x00", "")
        if len(origin) <= _ORIGIN_LENGTH:
            noted = self._crawler.stats.get_value(ROBOTS) or {}
            self._crawler.stats.set_value(ROBOTS, {**noted, origin: text})
        return response.replace(body=text.encode("utf-8", "ignore"))

    def process_exception(self, request: Request, exception: Exception) -> Response | None:
        """Do without a robots.txt that did not come."""
        origin = robots_origin(request)
        if origin is None:
            return None
        why = str(exception) or type(exception).__name__
        return self._instead(request, origin, why, is_host_away=isinstance(exception, _HOST_IS_AWAY))

    def _instead(self, request: Request, origin: str, why: str, *, is_host_away: bool = False) -> Response:
        if origin in self._old:
            return _kept(request, self._old[origin].encode())
        sentence = (
            f"{origin}/robots.txt cannot be read ({why}), and until it can, nothing there may be crawled, but by "
            "--robots-exempt"
        )
        self._crawler.stats.set_value(UNREACHABLE, why if is_host_away else sentence)
        return _kept(request, _FORBID_ALL)


def _kept(request: Request, body: bytes) -> Response:
    return Response(request.url, body=body, flags=["kept"])


def robots_origin(request: Request) -> str | None:
    """The origin whose robots.txt this request of RobotsTxtMiddleware is for, also after redirects; else None."""
    if request.callback is not NO_CALLBACK:
        return None
    asked: str = request.meta.get("redirect_urls", [request.url])[0]
    origin, slash, path = asked.rpartition("/")
    return origin if slash and path == "robots.txt" else None
