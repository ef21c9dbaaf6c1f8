"""What `crawlpush sites try URL` proposes: a feed, or rows guessed on a page, and the posts they would give. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from w3lib.html import get_base_url

from spiders.guessing.row_guess import guess_rows
from spiders.items import PostItem
from spiders.params import FeedParams, ListingParams
from spiders.reading.encoding import decode
from spiders.reading.feed_document import BrokenFeedError, FeedDocument, parse_feed
from spiders.reading.feed_links import announced_feeds
from spiders.reading.feed_text import NotAFeedError
from spiders.reading.listing_page import parse_html, parse_listing


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A site definition's beginnings, and what they would store."""

    # "feed", "listing", or "" when the answer is neither.
    spider: str
    # The spider's parameters, as `crawlpush sites add` takes them.
    params: Mapping[str, Any] = field(default_factory=dict)
    posts: tuple[PostItem, ...] = ()
    # Feeds that the page announces: mostly the better choice, because a feed says ids and dates itself.
    feeds: tuple[str, ...] = ()
    # Sentences for the user: doubts, and what to do about them.
    notes: tuple[str, ...] = ()


def propose(
    body: bytes, url: str, content_type: str = "", *, now: datetime, timezone: str = "UTC", encoding: str = ""
) -> Proposal:
    """Recognise a feed, or guess a board's rows. Stores nothing, fetches nothing."""
    common: dict[str, Any] = {"url": url}
    if timezone != "UTC":
        common["timezone"] = timezone
    if encoding:
        common["encoding"] = encoding
    try:
        document, notes = _feed(body, url, FeedParams.from_mapping(common), now, content_type)
    except NotAFeedError as error:
        reason = str(error)
    else:
        return Proposal(spider="feed", params=common, posts=document.posts, notes=notes)
    decoded = decode(body, content_type=content_type, override=encoding)
    root = parse_html(decoded.text)
    base = get_base_url(decoded.text, url)
    feeds = tuple(announced_feeds(root, base))
    announced = tuple(f"the page announces a feed: {feed}" for feed in feeds)
    guess = guess_rows(root, base, now)
    if guess is None:
        notes = ("nothing on the page repeats like the rows of a board; give row and title yourself",)
        return Proposal(spider="", feeds=feeds, notes=(*announced, reason, *notes))
    params = common | guess.params
    page = parse_listing(body, url, ListingParams.from_mapping(params), now, content_type)
    notes = tuple(f"{count} of {page.rows} rows: {why}" for why, count in page.skipped)
    if "id" in params:
        notes += (f"the links are scripts: set link_template, with fields such as {{{_attribute(params['id'])}}}",)
    if "date" not in params:
        notes += ("no dates were found in the rows",)
    return Proposal(spider="listing", params=params, posts=page.posts, feeds=feeds, notes=(*announced, *notes))


def _feed(
    body: bytes, url: str, params: FeedParams, now: datetime, content_type: str
) -> tuple[FeedDocument, tuple[str, ...]]:
    try:
        return parse_feed(body, url, params, now, content_type), ()
    except BrokenFeedError as error:
        return error.document, (str(error),)


def _attribute(selector: str) -> str:
    return selector.rpartition("::attr(")[2].removesuffix(")")
