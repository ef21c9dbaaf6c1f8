"""The spider for HTML boards: fetches the pages that `listing_page` reads, and reports what they held."""

import logging
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any, Self

import scrapy
from scrapy.crawler import Crawler
from scrapy.http import Response

import spiders.without_http2  # noqa: F401 - before Scrapy
from spiders.items import PostItem
from spiders.middlewares import kind_of
from spiders.params import ListingParams, ParamsError
from spiders.reading.addresses import Scheme
from spiders.reading.bounds import left_out
from spiders.reading.date_doubts import without_doubtful_dates
from spiders.reading.listing_page import ListingPage, parse_listing

__all__ = ["ListingPage", "ListingSpider", "parse_listing"]

logger = logging.getLogger(__name__)


class ListingSpider(scrapy.Spider):
    """Crawls one board; the parameters are the spider's arguments (see ListingParams)."""

    name = "listing"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(self.name)
        if args:
            raise ParamsError(f"the spider {self.name} takes named arguments only")
        self.params = ListingParams.from_mapping(self.preset() | kwargs)
        self._seen: set[str] = set()
        self._pages = 0
        self._scheme: Scheme | None = None

    @classmethod
    def preset(cls) -> dict[str, Any]:
        """Parameters that a subclass in spiders/sites/ brings with it; arguments override them."""
        return {}

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> Self:
        """Scrapy's way in."""
        spider = cls(*args, **kwargs)
        spider._set_crawler(crawler)
        return spider

    async def start(self) -> AsyncIterator[scrapy.Request]:
        """The first page."""
        yield scrapy.Request(self.params.url, dont_filter=True)

    def parse(self, response: Response) -> Iterator[PostItem | scrapy.Request]:
        """The posts of a page, then the next page while it brings posts that the earlier ones did not."""
        page = self.parse_page(response, datetime.now(UTC))
        self._pages += 1
        self._scheme = page.scheme
        self._report(page, response)
        posts = without_doubtful_dates(page.posts)
        fresh = [post for post in posts if post.external_id not in self._seen]
        self._seen.update(post.external_id for post in fresh)
        yield from fresh
        following = self._following(page)
        if fresh and following and self._pages < self.params.max_pages:
            yield response.follow(following, callback=self.parse)

    def parse_page(self, response: Response, now: datetime) -> ListingPage:
        """What a page holds; a spider in spiders/sites/ may replace this."""
        content_type = (response.headers.get("Content-Type") or b"").decode("latin-1")
        return parse_listing(response.body, response.url, self.params, now, content_type, self._scheme)

    def _following(self, page: ListingPage) -> str | None:
        if self.params.page_template:
            return self.params.page_template.replace("{page}", str(self._pages + 1))
        return page.next_url

    def _report(self, page: ListingPage, response: Response) -> None:
        stats = self.crawler.stats
        if stats is not None:
            stats.inc_value("crawlpush/rows", page.rows)
            stats.inc_value("crawlpush/posts", len(page.posts))
            for reason, count in page.skipped:
                stats.inc_value(f"crawlpush/skipped/{reason}", count)
        if page.is_ambiguous or (page.problem and self._pages == 1):
            self._say_why(page, response)
        elif stats is not None and (words := left_out(page.rows)):
            stats.set_value("crawlpush/problem", words)

    def _say_why(self, page: ListingPage, response: Response) -> None:
        """Say why a page did not give its posts; one that cannot be the one that was meant makes the crawl fail."""
        kind = None if page.rows else kind_of(response)
        problem = f"{page.problem}; {kind.sentence}" if kind else page.problem
        if self.crawler.stats is not None:
            self.crawler.stats.set_value("crawlpush/problem", problem)
            self.crawler.stats.set_value("crawlpush/ambiguous", page.is_ambiguous)
            self.crawler.stats.set_value("crawlpush/empty", page.is_empty and kind is None)
        is_other = kind is not None and kind.is_other
        logger.log(logging.ERROR if is_other else logging.WARNING, "no posts on %s: %s", response.url, problem)
