"""The spider for feeds: fetches what `feed_document` reads, and reports what it held."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import spiders.without_http2  # noqa: F401 - before Scrapy

# isort: split

import scrapy
from scrapy.http import Response

from spiders.general import GeneralSpider, content_type_of
from spiders.items import PostItem
from spiders.middlewares import kind_of
from spiders.params import FeedParams
from spiders.reading.bounds import left_out
from spiders.reading.date_doubts import without_doubtful_dates
from spiders.reading.feed_document import BrokenFeedError, FeedDocument, parse_feed
from spiders.reading.feed_text import NotAFeedError

logger = logging.getLogger(__name__)


class FeedSpider(GeneralSpider[FeedParams]):
    """Crawls one feed; the parameters are the spider's arguments (see FeedParams)."""

    name = "feed"
    Kind = FeedParams

    def parse(self, response: Response) -> Iterator[PostItem | scrapy.Request]:
        """The feed's posts.

        A feed that broke off gives the posts that arrived and then raises BrokenFeedError, so that the run fails
        and keeps them. What is no feed raises NotAFeedError.
        """
        broken: BrokenFeedError | None = None
        try:
            document = parse_feed(
                response.body, response.url, self.params, datetime.now(UTC), content_type_of(response)
            )
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
        self.count(document.rows, len(document.posts), document.skipped)
        if words := left_out(document.rows):
            self.note(problem=words)
        if not document.posts and self._pages == 1:
            self.note(empty=True, problem="it is a good feed that has no entries yet")

    def _problem(self, sentence: str, response: Response) -> None:
        self.note(problem=sentence)
        fields = {"url": response.url, "status": response.status, "bytes": len(response.body)}
        logger.warning("the feed cannot be read: %s", sentence, extra={"fields": fields})
