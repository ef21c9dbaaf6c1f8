"""What the spiders that read sites by parameters have in common: their arguments, their requests, their figures."""

import logging
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, Self, TypeVar

import spiders.without_http2  # noqa: F401 - before Scrapy

# isort: split

import scrapy
from scrapy.crawler import Crawler
from scrapy.http import Response

from spiders.items import PostItem
from spiders.middlewares import kind_of
from spiders.param_values import ParamsError
from spiders.params import RowParams, SiteParams
from spiders.reading.addresses import Scheme
from spiders.reading.bounds import left_out
from spiders.reading.date_doubts import without_doubtful_dates
from spiders.reading.page_posts import ListingPage
from spiders.reading.places import Place
from spiders.request_params import RequestParams

Params = TypeVar("Params", bound=SiteParams)
Rows = TypeVar("Rows", bound=RowParams)

logger = logging.getLogger(__name__)


def content_type_of(response: Response) -> str:
    """What the server says that its answer is."""
    return (response.headers.get("Content-Type") or b"").decode("latin-1")


def asked(
    params: RequestParams, url: str, place: Place, *, encoding: str = "", dont_filter: bool = False
) -> scrapy.Request:
    """The request for a page, as the parameters say it; secrets are not in it yet (spiders.child.outgoing)."""
    encoding = encoding or "utf-8"
    body, media_type = params.sent(place, encoding)
    return scrapy.Request(
        url,
        method=params.verb,
        body=body,
        headers={"Content-Type": media_type} if body else {},
        encoding=encoding,
        dont_filter=dont_filter,
    )


class GeneralSpider(scrapy.Spider, Generic[Params]):
    """A spider whose arguments are parameters; `Kind` checks them."""

    Kind: ClassVar[type[SiteParams]]
    # The media types to ask for, where not those that all spiders ask for.
    accepts: str = ""
    params: Params

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(self.name)
        if args:
            raise ParamsError(f"the spider {self.name} takes named arguments only")
        self.params = self.Kind.from_mapping(self.preset() | kwargs)  # type: ignore[assignment]
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
        """The first page."""
        yield self.asked(self.params.url, Place(), dont_filter=True)

    def asked(self, url: str, place: Place, *, dont_filter: bool = False) -> scrapy.Request:
        """The request for a page."""
        encoding = self.params.encoding
        request = asked(self.params, url, place, encoding=encoding, dont_filter=dont_filter)
        if self.accepts:
            request.headers["Accept"] = self.accepts
        return request.replace(callback=self.parse)

    def count(self, rows: int, posts: int, skipped: tuple[tuple[str, int], ...]) -> None:
        """Note what a page held."""
        if (stats := self.crawler.stats) is not None:
            stats.inc_value("crawlpush/rows", rows)
            stats.inc_value("crawlpush/posts", posts)
            for reason, count in skipped:
                stats.inc_value(f"crawlpush/skipped/{reason}", count)

    def note(self, **said: object) -> None:
        """Note what the run's report is to say: `problem`, `empty`, `ambiguous`."""
        if (stats := self.crawler.stats) is not None:
            for name, value in said.items():
                stats.set_value(f"crawlpush/{name}", value)


class PagedSpider(GeneralSpider[Rows]):
    """A spider that reads rows of pages that follow each other."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seen: set[str] = set()
        self._rows = 0
        self._scheme: Scheme | None = None

    def parse(self, response: Response) -> Iterator[PostItem | scrapy.Request]:
        """The posts of a page, then the next page while it brings posts that the earlier ones did not."""
        page = self.parse_page(response, datetime.now(UTC))
        self._pages += 1
        self._rows += page.rows
        self._scheme = page.scheme
        self._report(page, response)
        posts = without_doubtful_dates(page.posts)
        fresh = [post for post in posts if post.external_id not in self._seen]
        self._seen.update(post.external_id for post in fresh)
        yield from fresh
        if fresh and self._pages < self.params.max_pages and (following := self.following(page, response)):
            yield following

    @abstractmethod
    def parse_page(self, response: Response, now: datetime) -> ListingPage:
        """What a page holds; a spider in spiders/sites/ may replace this."""

    def following(self, page: ListingPage, response: Response) -> scrapy.Request | None:
        """The request for the next page, if there is one."""
        place = Place(page=self._pages + 1, offset=self._rows, cursor=self.cursor(page))
        if self.params.page_template:
            return self.asked(response.urljoin(place.in_address(self.params.page_template)), place)
        if self.params.has_place:
            return self.asked(self.params.url, place)
        return response.follow(page.next_url, callback=self.parse) if page.next_url else None

    def cursor(self, page: ListingPage) -> str:  # noqa: ARG002
        """What the page says of where the next one begins."""
        return ""

    def _report(self, page: ListingPage, response: Response) -> None:
        self.count(page.rows, len(page.posts), page.skipped)
        if page.is_ambiguous or (page.problem and self._pages == 1):
            self._say_why(page, response)
        elif words := left_out(page.rows):
            self.note(problem=words)

    def _say_why(self, page: ListingPage, response: Response) -> None:
        """Say why a page did not give its posts; one that cannot be the one that was meant makes the crawl fail."""
        kind = None if page.rows else kind_of(response)
        problem = f"{page.problem}; {kind.sentence}" if kind else page.problem
        self.note(problem=problem, ambiguous=page.is_ambiguous, empty=page.is_empty and kind is None)
        is_other = kind is not None and kind.is_other
        logger.log(logging.ERROR if is_other else logging.WARNING, "no posts on %s: %s", response.url, problem)
