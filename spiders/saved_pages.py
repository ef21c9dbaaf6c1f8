"""What a site's definition makes of a page that was saved: what a crawl would store of it. Fetches nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from spiders.definitions import SiteDefinition
from spiders.errors import SpiderError
from spiders.items import PostItem
from spiders.params import FeedParams, JSONParams, ListingParams
from spiders.reading.date_doubts import without_doubtful_dates
from spiders.reading.expressions import ExpressionError
from spiders.reading.feed_document import BrokenFeedError, parse_feed
from spiders.reading.feed_text import NotAFeedError
from spiders.reading.json_page import parse_json
from spiders.reading.json_text import NotJSONError
from spiders.reading.listing_page import parse_listing


class UnreadablePageError(SpiderError):
    """A saved page that its definition cannot read."""


@dataclass(frozen=True, kw_only=True)
class SavedPage:
    """A page as it came."""

    body: bytes = field(repr=False)
    # Where it came from, after redirects.
    url: str
    content_type: str = ""


@dataclass(frozen=True, kw_only=True)
class PageReading:
    """What a page holds."""

    posts: tuple[PostItem, ...]
    next_url: str | None
    # Why there are no posts, or some are missing; else "".
    problem: str = ""


def read_page(definition: SiteDefinition, page: SavedPage, now: datetime) -> PageReading:
    """Read a saved page as at a moment, which is aware. Raises UnreadablePageError, and ParamsError."""
    values = {"timezone": definition.timezone, **definition.params}
    try:
        found = _read(definition.spider, values, page, now)
    except (NotAFeedError, BrokenFeedError, NotJSONError, ExpressionError) as error:
        raise UnreadablePageError(str(error)) from error
    problem = getattr(found, "problem", "") or ("" if found.posts else "it holds no posts")
    return PageReading(posts=without_doubtful_dates(found.posts), next_url=found.next_url, problem=problem)


def _read(spider: str, values: Mapping[str, Any], page: SavedPage, now: datetime) -> Any:
    match spider:
        case "feed":
            return parse_feed(page.body, page.url, FeedParams.from_mapping(values), now, page.content_type)
        case "listing":
            return parse_listing(page.body, page.url, ListingParams.from_mapping(values), now, page.content_type)
        case "json":
            return parse_json(page.body, page.url, JSONParams.from_mapping(values), now, page.content_type)
    own = _own_spider(spider, values)
    if not hasattr(own, "parse_page"):
        raise UnreadablePageError(f"the spider {spider!r} has no parse_page, so no saved page can be read by it")
    # Here: the general spiders' pages need no Scrapy.
    from scrapy.http import HtmlResponse

    headers = {"Content-Type": page.content_type} if page.content_type else {}
    return own.parse_page(HtmlResponse(page.url, body=page.body, headers=headers), now)


def _own_spider(name: str, values: Mapping[str, Any]) -> Any:
    from spiders.child.project import load_project

    try:
        return load_project().spiders.load(name)(**values)
    except KeyError:
        raise UnreadablePageError(f"there is no spider named {name!r}: `scrapy list` shows their names") from None


def url_of(definition: SiteDefinition) -> str:
    """The address that is crawled, be it given or the spider's own."""
    if definition.url:
        return definition.url
    own = _own_spider(definition.spider, {"timezone": definition.timezone, **definition.params})
    return str(getattr(getattr(own, "params", None), "url", ""))
