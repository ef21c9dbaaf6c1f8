"""The spider for feeds: fetches what `feed_document` reads, and reports what it held."""

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
from spiders.params import FeedParams, ParamsError
from spiders.reading.bounds import left_out
from spiders.reading.date_doubts import without_doubtful_dates
from spiders.reading.feed_document import BrokenFeedError, FeedDocument, NotAFeedError, parse_feed

__all__ = ["BrokenFeedError", "FeedDocument", "FeedSpider", "NotAFeedError", "parse_feed"]

logger = logging.getLogger(__name__)


class FeedSpider(scrapy.Spider):
    """Crawls one feed; the parameters are the spider's arguments (see FeedParams)."""

    name = "feed"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(self.name)
        if args:
            raise ParamsError(f"the spider {self.name} takes named arguments only")
        self.params = FeedParams.from_mapping(self.preset() | kwargs)
        self._pages = 0

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
        """The feed."""
        yield scrapy.Request(self.params.url, dont_filter=True)

    def parse(self, response: Response) -> Iterator[PostItem | scrapy.Request]:
        """The feed's posts.

        A feed that broke off gives the posts that arrived and then raises BrokenFeedError, so that the run fails
        and keeps them. What is no feed raises NotAFeedError.
        """
        content_type = (response.headers.get("Content-Type") or b"").decode("latin-1")
        broken: BrokenFeedError | None = None
        try:
            document = parse_feed(response.body, response.url, self.params, datetime.now(UTC), content_type)
        except BrokenFeedError as error:
            document, broken = error.document, error
        except NotAFeedError as error:
            kind = kind_of(response)
            # What cannot be a feed's page says all there is to say; what is a hint comes after.
            parts = [] if kind and kind.is_other else [str(error)]
            sentence = "; ".join([*parts, *([kind.sentence] if kind else [])])
            self._problem(sentence, response)
            raise NotAFeedError(sentence) from error
        self._pages += 1
        self._count(document)
        yield from without_doubtful_dates(document.posts)
        if broken is not None:
            self._problem(str(broken), response)
            raise broken
        if document.posts and document.next_url and self._pages < self.params.max_pages:
            yield response.follow(document.next_url, callback=self.parse)

    def _count(self, document: FeedDocument) -> None:
        if (stats := self.crawler.stats) is not None:
            stats.inc_value("crawlpush/rows", document.rows)
            stats.inc_value("crawlpush/posts", len(document.posts))
            for reason, count in document.skipped:
                stats.inc_value(f"crawlpush/skipped/{reason}", count)
            if words := left_out(document.rows):
                stats.set_value("crawlpush/problem", words)
            if not document.posts and self._pages == 1:
                stats.set_value("crawlpush/empty", True)
                stats.set_value("crawlpush/problem", "it is a good feed that has no entries yet")

    def _problem(self, sentence: str, response: Response) -> None:
        if (stats := self.crawler.stats) is not None:
            stats.set_value("crawlpush/problem", sentence)
        fields = {"url": response.url, "status": response.status, "bytes": len(response.body)}
        logger.warning("the feed cannot be read: %s", sentence, extra={"fields": fields})
