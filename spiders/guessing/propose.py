"""What `crawlpush sites try URL` proposes: a feed, or rows guessed on a page, and the posts they would give. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from lxml import etree
from w3lib.html import get_base_url

from spiders.guessing.addresses import id_from_address, ignored_parameters
from spiders.guessing.confidence import FEWEST_DATED, doubts
from spiders.guessing.json_proposal import JSONProposal, propose_answer, propose_embedded
from spiders.guessing.page_facts import next_of, timezone_of
from spiders.guessing.row_guess import RowGuess, guess_rows
from spiders.guessing.software import Recognised, known_listing
from spiders.items import PostItem
from spiders.params import FeedParams, ListingParams
from spiders.reading.encoding import decode
from spiders.reading.feed_document import BrokenFeedError, FeedDocument, parse_feed
from spiders.reading.feed_links import announced_feeds
from spiders.reading.feed_text import NotAFeedError
from spiders.reading.json_page import JSONPage
from spiders.reading.json_text import NotJSONError
from spiders.reading.listing_page import parse_html, parse_listing
from spiders.reading.page_kind import page_kind
from spiders.reading.page_posts import ListingPage

_TOO_FEW = "hardly any of them is a post"


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A site definition's beginnings, and what they would store."""

    # "feed", "listing", "json", or "" when the answer is neither, or not surely.
    spider: str
    # The spider's parameters, as `crawlpush sites add` takes them.
    params: Mapping[str, Any] = field(default_factory=dict)
    posts: tuple[PostItem, ...] = ()
    # Feeds that the page announces: mostly the better choice, because a feed says ids and dates itself.
    feeds: tuple[str, ...] = ()
    # Sentences for the user: doubts, and what to do about them.
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Page:
    """The page, and how it is to be read."""

    body: bytes
    url: str
    content_type: str
    now: datetime
    text: str
    root: etree._Element
    common: dict[str, Any]

    @classmethod
    def of(cls, body: bytes, url: str, content_type: str, common: dict[str, Any], now: datetime) -> "Page":
        """A page as it came; `common` are the parameters that hold whatever is found on it."""
        text = decode(body, content_type=content_type, override=str(common.get("encoding") or "")).text
        return cls(
            body=body, url=url, content_type=content_type, now=now, text=text, root=parse_html(text), common=common
        )

    @cached_property
    def base(self) -> str:
        """What its links are relative to."""
        return get_base_url(self.text, self.url)

    def read(self, params: Mapping[str, Any]) -> ListingPage:
        """What the listing spider makes of it. Raises ParamsError."""
        return parse_listing(self.body, self.url, ListingParams.from_mapping(params), self.now, self.content_type)


def propose(
    body: bytes, url: str, content_type: str = "", *, now: datetime, timezone: str = "", encoding: str = ""
) -> Proposal:
    """Recognise a feed, or guess a board's rows; nothing where that is not sure. Stores nothing, fetches nothing.

    `timezone` is the user's; without it, the page's language may say one.
    """
    common: dict[str, Any] = {"url": url}
    if timezone:
        common["timezone"] = timezone
    if encoding:
        common["encoding"] = encoding
    try:
        document, notes = _feed(body, url, FeedParams.from_mapping(common), now, content_type)
    except NotAFeedError as error:
        reason = str(error)
    else:
        return Proposal(spider="feed", params=common, posts=document.posts, notes=notes)
    page = Page.of(body, url, content_type, common, now)
    found = _answer(page, reason) or _listing(page, reason)
    if not found.spider:
        found = _embedded(page) or found
    feeds = announced_feeds(page.root, page.base, url)
    announced = tuple(f"the page announces a feed: {feed}" for feed in feeds)
    return Proposal(
        spider=found.spider,
        params=found.params,
        posts=found.posts,
        feeds=tuple(feeds),
        notes=(*announced, *found.notes),
    )


def _answer(page: Page, reason: str) -> Proposal | None:
    """A proposal for what is JSON; None for what is none."""
    if page.text.lstrip("\ufeff \t\r\n")[:1] in {"<", ""}:
        return None
    try:
        found = propose_answer(page.text, page.url, page.common, page.now)
    except NotJSONError:
        return None
    if found and found.page:
        return _json(found, found.page)
    notes = tuple(_refusal(page, None, (), reason))
    return Proposal(spider="", notes=(*notes, found.refusal) if found else notes)


def _embedded(page: Page) -> Proposal | None:
    """A proposal for the JSON that a page holds, where it surely is its posts."""
    found = propose_embedded(page.text, page.root, page.url, page.common, page.now)
    return _json(found, found.page) if found and found.page else None


def _json(found: JSONProposal, read: JSONPage) -> Proposal:
    zone = str(found.params.get("timezone") or "")
    notes = (
        _notes(read, found.params, zone)
        if "id" not in found.params
        else _notes(read, {**found.params, "id": "re:"}, zone)
    )
    return Proposal(spider="json", params=found.params, posts=read.posts, notes=(*notes, *read.notes))


def _listing(page: Page, reason: str) -> Proposal:
    known = known_listing(page.text, page.root, lambda params: page.read({**page.common, **params}))
    found: Recognised | RowGuess | None = known
    if known is None:
        found = guess = guess_rows(page.root, page.base, page.now)
        unsure = doubts(guess.facts) if guess else ()
        if guess is None or unsure:
            return Proposal(spider="", notes=tuple(_refusal(page, guess, unsure, reason)))
    assert found is not None
    params = {**page.common, **found.params}
    zone = "" if "timezone" in params else timezone_of(page.root, page.text, page.url)
    if zone:
        params["timezone"] = zone
    params = with_next(page, params)
    read = page.read(params)
    if read.is_ambiguous or len(read.posts) < FEWEST_DATED:
        return Proposal(spider="", notes=tuple(_refusal(page, guess, (read.problem or _TOO_FEW,), reason)))
    if more := identity_of(read.posts, params, page.url):
        params |= more
        read = page.read(params)
    notes = (*(known.notes if known else ()), *_notes(read, params, zone))
    return Proposal(spider="listing", params=params, posts=read.posts, notes=notes)


def with_next(page: Page, params: dict[str, Any]) -> dict[str, Any]:
    """The parameters with the link to the next page, where there is one and they do not say it."""
    following = {"next", "page_template"}.isdisjoint(params) and next_of(page.root, page.base, page.url)
    return {**params, "next": following} if following else params


def identity_of(posts: tuple[PostItem, ...], params: Mapping[str, Any], url: str) -> dict[str, Any]:
    """What else says which post is which: a number in the addresses, and what in them is none of it."""
    if "id" in params or "link_template" in params:
        return {}
    ignored = ignored_parameters(posts, url)
    return id_from_address(posts) | ({"ignore_query": ignored} if ignored else {})


def _refusal(page: Page, guess: RowGuess | None, unsure: tuple[str, ...], reason: str) -> Iterator[str]:
    """What the page is instead, or the likeliest rows with what speaks against them."""
    kind = page_kind(page.body, page.url, content_type=page.content_type)
    if kind and kind.name != "feed":
        yield kind.sentence
    if kind and kind.is_other:
        return
    if guess is None:
        if not kind:
            yield reason
        yield "nothing on the page repeats like the rows of a board; give row and title yourself"
        return
    row, title = guess.params["row"], guess.params["title"]
    yield (
        f"the likeliest rows are not proposed, because {', and '.join(unsure)}: "
        f"if they are the posts, give --row {row!r} and --title {title!r}"
    )


def _notes(read: ListingPage, params: Mapping[str, Any], zone: str) -> Iterator[str]:
    for why, count in read.skipped:
        yield f"{count} of {read.rows} rows: {why}"
    if "id" in params and not params["id"].startswith("re:"):
        attribute = params["id"].rpartition("attr(")[2].removesuffix(")")
        place = "" if attribute.startswith("data-") else ".0"
        yield f"the links are scripts: set link_template, with fields such as {{{attribute}{place}}}"
    if "date" not in params:
        yield "no dates were found in the rows"
    if zone:
        yield f"the page's language says that its times are those of {zone}; --timezone gives another zone"


def _feed(
    body: bytes, url: str, params: FeedParams, now: datetime, content_type: str
) -> tuple[FeedDocument, tuple[str, ...]]:
    try:
        return parse_feed(body, url, params, now, content_type), ()
    except BrokenFeedError as error:
        return error.document, (str(error),)
