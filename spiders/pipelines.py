"""Storing what a spider yields, in batches, while the crawl runs: what is stored stays, however the crawl ends."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Final, Self

import spiders.without_http2  # noqa: F401 - before Scrapy

# isort: split

from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured

from spiders.items import PostItem
from storage.posts import WAITING_MOST, FoundPost, Stored, store_batch
from storage.run_figures import STORE_FAILED, UNSTORABLE
from storage.session import PASSING_ERRORS, Database
from storage.showings import SHOWN_MOST

logger = logging.getLogger(__name__)

SEEN: Final = "crawlpush/items_seen"
NEW: Final = "crawlpush/new_posts"
FAILED: Final = "crawlpush/store_failed"
"""Stat with the reason for which posts could not be stored."""
SHOWN: Final = "crawlpush/shown"
"""Stat with the rows of the posts that the crawl saw, up to showings.SHOWN_MOST."""

BATCH: Final = 100
"""Posts of one transaction; SQLite has one writer at a time, so transactions are short."""

FLUSH_AFTER_S: Final = 0.5
"""A slow crawl stores what it has after this time, so that being killed costs little."""


class StorePostPipeline:
    """Stores posts for the run and the site that `CRAWL_RUN_ID` and `CRAWL_SITE_ID` name, in `CRAWL_DATABASE_URL`.

    Without these settings (`scrapy crawl` by hand) it is switched off. The database is opened with the first batch.
    A batch is stored within the reactor's thread: this process has nothing better to do than to wait for it.
    """

    def __init__(self, crawler: Crawler, *, database_url: str, site_id: int, run_id: int) -> None:
        self._crawler = crawler
        self._database_url = database_url
        self.site_id = site_id
        self.run_id = run_id
        self._database: Database | None = None
        self._batch: list[FoundPost] = []
        self._shown: list[int] = []
        # How many more new posts this run may store, once that is known.
        self._room: int | None = None
        self._is_full = False
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's constructor."""
        url = crawler.settings.get("CRAWL_DATABASE_URL")
        if not url:
            raise NotConfigured
        return cls(
            crawler,
            database_url=url,
            site_id=crawler.settings.getint("CRAWL_SITE_ID"),
            run_id=crawler.settings.getint("CRAWL_RUN_ID"),
        )

    def process_item(self, item: object) -> object:
        """Take a post into the batch."""
        if not isinstance(item, PostItem):
            return item
        self._crawler.stats.inc_value(SEEN)
        self._batch.append(found_post(item))
        if len(self._batch) >= BATCH:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_AFTER_S, self.flush)
        return item

    def close_spider(self) -> None:
        """Store the rest."""
        self.flush()
        if self._database is not None:
            self._database.close()

    def flush(self) -> None:
        """Store what is waiting. When that fails the crawl ends: it is noted as failed, and nothing is forgotten."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._batch:
            return
        batch, self._batch = self._batch, []
        try:
            with self.database().writing() as session:
                stored = store_batch(
                    session,
                    site_id=self.site_id,
                    run_id=self.run_id,
                    found=batch,
                    now=datetime.now(UTC),
                    room=self._room,
                )
        except Exception as error:
            logger.exception("the posts could not be stored")
            # What passes by itself is our trouble; what the database will always refuse is the page's.
            reason = STORE_FAILED if isinstance(error, PASSING_ERRORS) else UNSTORABLE
            self._crawler.stats.set_value(FAILED, reason)
            self._closing = asyncio.ensure_future(self._crawler.engine.close_spider_async(reason=reason))
        else:
            self._note(stored)

    def database(self) -> Database:
        """The database that the posts go to, opened when it is first needed."""
        if self._database is None:
            self._database = Database(self._database_url, pool_size=1)
        return self._database

    def _note(self, stored: Stored) -> None:
        self._room = stored.room
        self._crawler.stats.inc_value(NEW, stored.new)
        self._shown += stored.ids[: SHOWN_MOST - len(self._shown)]
        self._crawler.stats.set_value(SHOWN, self._shown)
        if stored.left_out and not self._is_full:
            self._is_full = True
            # An error, so that the page's validators are not kept: a 304 would hide what was left out.
            logger.error(
                "the page shows more new posts than the %s that one crawl may store or that may be held: the others "
                "were left out, until `crawlpush sites release` or `drop` makes room",
                f"{WAITING_MOST:,}",
            )


def found_post(item: PostItem) -> FoundPost:
    """A spider's item as the storage takes it."""
    return FoundPost(
        external_id=item.external_id,
        url=item.url,
        title=item.title,
        body=item.body,
        author=item.author,
        published_at=item.published_at,
    )
