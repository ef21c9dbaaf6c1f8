"""A feed to the posts it holds: RSS 0.9 to 2.0 and Atom by feedparser, JSON Feed by hand. Pure."""

import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

import feedparser

from spiders.errors import SpiderError
from spiders.items import PostItem
from spiders.params import FeedParams
from spiders.reading.date_order import day_first
from spiders.reading.dates import parse_date
from spiders.reading.encoding import decode
from spiders.reading.expressions import text_of
from spiders.reading.feed_entries import Entry, posts_of
from spiders.reading.feed_text import NotAFeedError, prepare
from spiders.reading.identity import canonical_link, resolve
from spiders.reading.json_feed import JSONFeed, looks_like_json, read_json_feed

_TAG: Final = re.compile(
    r"<!\[CDATA\[.*?\]\]>|<!--.*?-->|<(?P<end>/?)(?P<name>[\w:.-]+)[^<>]*?(?P<empty>/?)>", re.DOTALL
)
_DATES: Final = ("published", "created", "issued", "updated", "date")


@dataclass(frozen=True, kw_only=True)
class FeedDocument:
    """What a feed holds."""

    # Each post once, in the feed's order.
    posts: tuple[PostItem, ...]
    # Entries of the feed, also those that yield no post.
    rows: int
    # Why entries yielded no post of their own, and how many of each kind.
    skipped: tuple[tuple[str, int], ...]
    # "rss20", "atom10", "json" and so on.
    version: str
    # What the bytes were read as.
    encoding: str
    # The next page of a paged feed (RFC 5005, JSON Feed), or None.
    next_url: str | None


class BrokenFeedError(SpiderError):
    """A feed that broke off in the middle: the run must fail, or the missing posts would seem gone.

    `document` holds the entries that arrived complete.
    """

    def __init__(self, document: FeedDocument) -> None:
        self.document = document
        super().__init__(
            f"the feed broke off after {document.rows} complete entries: its end is missing, so the rest is unknown"
        )

    @property
    def posts(self) -> tuple[PostItem, ...]:
        """The posts that arrived complete; they may be stored."""
        return self.document.posts


def parse_feed(body: bytes, url: str, params: FeedParams, now: datetime, content_type: str = "") -> FeedDocument:
    """Read a feed. `url` is where it came from, after redirects; `now` is aware.

    Raises NotAFeedError when the answer is something else (a page, an error in JSON, nothing), and BrokenFeedError
    with the posts that arrived when it ends in the middle.
    """
    decoded = decode(body, content_type=content_type, override=params.encoding)
    if looks_like_json(decoded.text):
        feed = read_json_feed(decoded.text)
        entries, broken_off, version = _json_entries(feed, url, params, now), feed.broken_off, "json"
        home, next_url, rows = feed.home, feed.next_url, len(feed.items)
    else:
        prepared = prepare(decoded.text)
        broken_off = prepared.broken_off
        parsed = _parsed(prepared.xml)
        version = parsed.version or "unknown"
        if not parsed.entries and not parsed.version and not prepared.entries and not broken_off:
            raise NotAFeedError("the address answered with XML that looks like a feed but cannot be read as one")
        home, next_url = _home(parsed), _next_of(parsed)
        entries, rows = _xml_entries(parsed, url, params, now), len(parsed.entries)
    page = resolve(url, home) if is_address(home) else None
    own = {canonical_link(each) for each in (home, url) if each}
    posts, skipped = posts_of(entries, params, home=own, page=page or params.url)
    document = FeedDocument(
        posts=posts,
        rows=rows,
        skipped=skipped,
        version=version,
        encoding=decoded.encoding,
        next_url=resolve(url, next_url) if next_url else None,
    )
    if broken_off:
        raise BrokenFeedError(document)
    return document


def _parsed(xml: str) -> Any:
    """feedparser's result, with addresses as they stand but for xml:base.

    It gets a stream, because bytes it would first try to open as a file's name; and it is not told where the feed
    came from, because it would take a guid such as "g17" for a relative address and make it depend on that.
    """
    parse = partial(
        feedparser.parse,
        response_headers={"content-type": "application/xml; charset=utf-8"},
        sanitize_html=False,
        resolve_relative_uris=False,
    )
    # It breaks, with one error or another, on the end of an element that never began.
    for text in (xml, _without_stray_ends(xml)):
        with suppress(LookupError, AttributeError, TypeError, ValueError):
            return parse(io.BytesIO(text.encode("utf-8", "ignore")))
    raise NotAFeedError("the feed is too damaged to be read")


def _without_stray_ends(xml: str) -> str:
    """The text without the ends of elements that are not open; what CDATA and comments hold stays as it is."""
    opened: Counter[str] = Counter()

    def kept(found: re.Match[str]) -> str:
        name = found["name"]
        if name is None or found["empty"]:
            return found[0]
        if not found["end"]:
            opened[name] += 1
            return found[0]
        if not opened[name]:
            return ""
        opened[name] -= 1
        return found[0]

    return _TAG.sub(kept, xml)


def _home(parsed: Any) -> str:
    """The address of the site that the feed is of."""
    return page_link(parsed.feed.get("links") or [], str(parsed.feed.get("language") or "")) or _text(
        parsed.feed, "link"
    )


def _next_of(parsed: Any) -> str:
    links = parsed.feed.get("links") or []
    return next((str(link.get("href") or "") for link in links if link.get("rel") == "next"), "")


def _xml_entries(parsed: Any, url: str, params: FeedParams, now: datetime) -> Iterable[Entry]:
    plain = str(parsed.version).startswith("atom")
    language = str(parsed.feed.get("language") or "")
    is_day_first = day_first((_text(entry, name) for entry in parsed.entries for name in _DATES), language)
    for entry in parsed.entries:
        title_type = (entry.get("title_detail") or {}).get("type")
        content = entry.get("content") or [{}]
        original = entry.get("feedburner_origlink")
        yield Entry(
            guid=_text(entry, "id"),
            link=resolve(url, _link(entry, language)),
            original_link=resolve(url, original) if isinstance(original, str) else None,
            comments=resolve(url, _text(entry, "comments")),
            title=_text(entry, "title"),
            # Atom says what is markup; everyone else writes HTML whatever the standard says.
            title_is_markup=not (plain and title_type == "text/plain"),
            body=_text(entry, "summary") or str(content[0].get("value") or ""),
            author=_text(entry, "author"),
            published_at=_moment(entry, params, now, is_day_first),
        )


def _link(entry: Any, language: str) -> str:
    link, links = _text(entry, "link"), dict.get(entry, "links") or []
    # Without a link feedparser gives the guid, whatever it is.
    if link and link == _text(entry, "id") and not any(each.get("href") == link for each in links):
        return link if is_address(link) else ""
    return page_link(links, language) or link


def _text(entry: Any, name: str) -> str:
    # Not through feedparser's own get(), which answers "published" for a missing "updated" and warns.
    value = dict.get(entry, name)
    return value.strip() if isinstance(value, str) else ""


def _moment(entry: Any, params: FeedParams, now: datetime, is_day_first: bool | None) -> datetime | None:
    for name in _DATES:
        if text := _text(entry, name):
            if moment := parse_date(text, now=now, zone=params.zone, day_first=is_day_first):
                return moment
            # Without a time feedparser takes a year alone for the first of January.
            if ":" in text and (parsed := dict.get(entry, f"{name}_parsed")):
                return parse_date("{}-{:02}-{:02} {:02}:{:02}:{:02} UTC".format(*parsed[:6]), now=now)
    return None


def _json_entries(feed: JSONFeed, url: str, params: FeedParams, now: datetime) -> Iterable[Entry]:
    for item in feed.items:
        authors = item.get("authors") if isinstance(item.get("authors"), list) else [item.get("author")]
        names = [text_of(each.get("name")) for each in authors or [] if isinstance(each, dict)]
        dates = (text_of(item.get(name)) for name in ("date_published", "date_modified"))
        moments = (parse_date(text, now=now, zone=params.zone) for text in dates if text)
        yield Entry(
            guid=text_of(item.get("id")).strip(),
            link=resolve(url, text_of(item.get("url")) or text_of(item.get("external_url"))),
            title=text_of(item.get("title")),
            body=text_of(item.get("summary")) or text_of(item.get("content_text")) or text_of(item.get("content_html")),
            author=", ".join(name for name in names if name),
            published_at=next((moment for moment in moments if moment), None),
        )


_PAGES: Final = frozenset({"", "text/html", "application/xhtml+xml"})


def page_link(links: Sequence[Mapping[str, Any]], language: str = "") -> str:
    """The address of the alternate that is a web page, in the feed's language before others; "" if there is none.

    `links` are as feedparser has them. Links to itself, to comments, to files and to editors are no page of the entry.
    """
    alternates = [link for link in links if link.get("rel", "alternate") == "alternate" and link.get("href")]
    return (
        min((_rank(link, language), place, str(link["href"])) for place, link in enumerate(alternates))[2]
        if alternates
        else ""
    )


def _rank(link: Mapping[str, Any], language: str) -> tuple[bool, bool]:
    written = _main(str(link.get("hreflang") or language))
    return str(link.get("type") or "").partition(";")[0].strip().lower() not in _PAGES, written != _main(language)


def _main(language: str) -> str:
    """The language without its region: "ko" of "ko-KR"."""
    return language.replace("_", "-").partition("-")[0].lower()


def is_address(guid: str) -> bool:
    """Whether a guid is an address that can be opened; RSS says that it is one unless isPermaLink is false."""
    return guid.lower().startswith(("http://", "https://", "/"))
