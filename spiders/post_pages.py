"""Fetching new posts' own pages, once the spider has read its lists: one after another, within the same crawl.

What went wrong with a page is said in the run, and costs nothing but that page's text: the post is stored by then.
"""

import logging
import time
from datetime import UTC, datetime
from typing import Final, Self
from urllib.parse import urlsplit

import spiders.without_http2  # noqa: F401 - before Scrapy
from pipeline.basics.retry_after import retry_after_s

# isort: split

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import DontCloseSpider, IgnoreRequest, NotConfigured
from scrapy.http import Response
from scrapy.spidermiddlewares.httperror import HttpError
from twisted.python.failure import Failure

from spiders.middlewares import NOT_MODIFIED, POST, RETRY_AFTER, advice_on
from spiders.params import PostPageParams
from spiders.pipelines import SEEN, StorePostPipeline
from spiders.reading.post_page import PostPage, read_post_page
from storage import post_pages
from storage.post_pages import OwedPage

logger = logging.getLogger(__name__)

READ: Final = "crawlpush/post_pages"
PROBLEM: Final = "crawlpush/page_problem"

PROBLEM_LENGTH: Final = 2_000

PAGE_TIMEOUT_S: Final = 15
"""For one page; it has later crawls to come in."""


class PostPages:
    """Asks for the pages that are owed whenever the spider has nothing left to do; `CRAWL_POST_PAGES` says how.

    Nothing is asked for when the lists could not be read, when little time is left, or after the server asked to slow
    down: what is owed stays owed.
    """

    def __init__(self, crawler: Crawler, params: PostPageParams) -> None:
        self._crawler = crawler
        self._params = params
        seconds = crawler.settings.getfloat("CRAWL_POST_PAGES_S")
        self._end = time.monotonic() + seconds
        # So that one that is begun at the last moment does not make the crawl too long either.
        self._timeout_s = min(PAGE_TIMEOUT_S, seconds / 2)
        self._owed: list[OwedPage] | None = None
        self._problems: dict[str, list[str]] = {}

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Scrapy's constructor; switched off where a site wants no posts' pages, or nothing is stored."""
        params = crawler.settings["CRAWL_POST_PAGES"]
        if params is None or not crawler.settings.get("CRAWL_DATABASE_URL"):
            raise NotConfigured
        pages = cls(crawler, params)
        crawler.signals.connect(pages.spider_idle, signals.spider_idle)
        return pages

    def spider_idle(self) -> None:
        """Ask for the next page, if there is one."""
        if self._owed is None:
            self._owed = self._take()
        if not self._owed:
            return
        if time.monotonic() > self._end:
            self._note(f"no time was left for {len(self._owed)} posts' pages")
            self._owed = []
            return
        post = self._owed.pop(0)
        self._crawler.engine.crawl(
            Request(
                post.url,
                callback=self._answered,
                errback=self._failed,
                dont_filter=True,
                meta={POST: post, "dont_retry": True, "download_timeout": self._timeout_s},
            )
        )
        raise DontCloseSpider

    def _take(self) -> list[OwedPage]:
        pipeline, stats = self._pipeline, self._crawler.stats
        pipeline.flush()
        if not (stats.get_value(SEEN) or stats.get_value(NOT_MODIFIED)) or stats.get_value("crawlpush/store_failed"):
            return []
        with pipeline.database().writing() as session:
            owed = post_pages.take(
                session,
                site_id=pipeline.site_id,
                run_id=pipeline.run_id,
                limit=self._params.max_posts,
                now=datetime.now(UTC),
            )
        # A post whose link is a script has the list's address.
        return [post for post in owed if post.url != self._crawler.settings["CRAWL_URL"]]

    @property
    def _pipeline(self) -> StorePostPipeline:
        pipeline = self._crawler.get_item_pipeline(StorePostPipeline)
        assert pipeline is not None
        return pipeline

    def _answered(self, response: Response) -> None:
        post: OwedPage = response.meta[POST]
        page = read_post_page(
            response.body,
            response.url,
            self._params,
            title=post.title,
            content_type=(response.headers.get("Content-Type") or b"").decode("latin-1"),
            encoding=self._crawler.settings["CRAWL_ENCODING"] or "",
        )
        if page.problem:
            self._note(page.problem, response.url)
        else:
            self._keep(post, page)

    def _keep(self, post: OwedPage, page: PostPage) -> None:
        with self._pipeline.database().writing() as session:
            post_pages.keep(
                session,
                post.post_id,
                text=page.text,
                attachments=[{"name": each.name, "url": each.url} for each in page.attachments],
                image=page.image,
            )
        self._crawler.stats.inc_value(READ)

    def _failed(self, failure: Failure) -> None:
        error, url = failure.value, failure.request.url  # type: ignore[attr-defined]
        if isinstance(error, HttpError):
            response = error.response
            self._note(f"the server answered {response.status}{advice_on(response)}", url)
            if response.status in (429, 503):
                self._slow_down(response)
        else:
            self._note(str(error) or type(error).__name__, url)

    def _slow_down(self, response: Response) -> None:
        """Ask for no more in this crawl, and let the next one wait for as long as the server wishes."""
        value = response.headers.get("Retry-After")
        if value is not None:
            wish = retry_after_s(value.decode("latin-1"), now=datetime.now(UTC))
            self._crawler.stats.set_value(RETRY_AFTER, wish)
        if self._owed:
            self._note(f"so {len(self._owed)} more posts' pages were not asked for")
        self._owed = []

    def _note(self, problem: str, url: str = "") -> None:
        """Say about each page why it was not read; of those with one reason the first address is named."""
        self._problems.setdefault(problem, []).append(url)
        words = [
            ": ".join(filter(None, (problem, urls[0]))) + (f" (and {len(urls) - 1} more)" if len(urls) > 1 else "")
            for problem, urls in self._problems.items()
        ]
        self._crawler.stats.set_value(PROBLEM, "; ".join(words)[:PROBLEM_LENGTH])


class SameHostMiddleware:
    """Lets a post's page send on within its own host, and to no other: to a login elsewhere, or inside the network."""

    def process_request(self, request: Request) -> None:
        """Refuse another host than the post's."""
        post: OwedPage | None = request.meta.get(POST)
        if post is None:
            return
        host = urlsplit(request.url).hostname or ""
        if not is_of_one_site(host, urlsplit(post.url).hostname or ""):
            raise IgnoreRequest(f"it sends on to another host, {host}")


def is_of_one_site(one: str, other: str) -> bool:
    """Whether two hosts are the same, or one is a part of the other, as www.board.example is of board.example."""
    one, other = one.lower().removeprefix("www."), other.lower().removeprefix("www.")
    return one == other or any(
        a.endswith(f".{b}") and "." in b and not b.rpartition(".")[2].isdigit() for a, b in ((one, other), (other, one))
    )
