"""A page of an HTML board to the posts it holds. Pure: bytes and parameters in, posts out."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Final

from lxml import etree
from w3lib.html import get_base_url

from spiders.items import PostItem
from spiders.params import ListingParams
from spiders.reading.addresses import PLAIN, Scheme, numbered_form, same_title, telling_noise
from spiders.reading.bounds import ROWS, bounded
from spiders.reading.date_order import day_first
from spiders.reading.empty_board import empty_words
from spiders.reading.encoding import decode
from spiders.reading.identity import without_sessions
from spiders.reading.page_scripts import telling_calls
from spiders.reading.rows import RowReader, RowSkippedError, scripts_of
from spiders.reading.selectors import compile_selector, without_tbody
from spiders.reading.text import with_whole_signs

REPEATED: Final = "repeats an earlier row"
_ATTRIBUTE: Final = re.compile(r"data-[\w-]+|onclick|href|value|id", re.IGNORECASE)
SHARED: Final = "has the id of rows with other titles"


@dataclass(frozen=True, kw_only=True)
class ListingPage:
    """What one page of a board holds."""

    # Each post once, in the page's order; a pinned post that stands again below is one post.
    posts: tuple[PostItem, ...]
    # Address of the next page, or None.
    next_url: str | None
    # Elements that the row selector matched. Zero means that the selector or the page is wrong.
    rows: int
    # Why rows yielded no post, and how many of each kind.
    skipped: tuple[tuple[str, int], ...]
    # What the bytes were read as.
    encoding: str = ""
    # A sentence for the site's owner when the page yields nothing, or rows that cannot be told apart, naming the
    # parameter to look at; else "".
    problem: str = ""
    # How the page's addresses name posts; the next pages of the same crawl are read alike.
    scheme: Scheme = PLAIN
    # Whether most rows cannot be told apart, so that new posts would not be seen.
    is_ambiguous: bool = False
    # Whether there are no posts because the board has none, and not because the definition finds none.
    is_empty: bool = False


def parse_html(text: str) -> etree._Element:
    """A page's tree, whatever the page: the parser repairs, and an empty page is an empty tree."""
    parser = etree.HTMLParser(encoding="utf-8", recover=True, huge_tree=True, no_network=True)
    source = with_whole_signs(bounded(text).replace("\x00", "")).encode("utf-8", "ignore")
    try:
        root = etree.fromstring(source or b"<html/>", parser=parser)
    except (etree.LxmlError, ValueError):
        root = None
    return root if root is not None else etree.fromstring("<html><body/></html>")


def parse_listing(
    body: bytes | str,
    url: str,
    params: ListingParams,
    now: datetime,
    content_type: str = "",
    scheme: Scheme | None = None,
) -> ListingPage:
    """Read a page of a board. `url` is where the page came from, after redirects; `now` is aware.

    `scheme` is what an earlier page of the same crawl was read by.
    """
    encoding = ""
    if isinstance(body, bytes):
        decoded = decode(body, content_type=content_type, override=params.encoding)
        body, encoding = decoded.text, decoded.encoding
    root = parse_html(body)
    base = get_base_url(body, url)
    rows = compile_selector(params.row).elements(root)[:ROWS]
    reader = RowReader(params=params, base=base, now=now, encoding=encoding or "utf-8", scheme=scheme or PLAIN)
    if params.date and params.date_order == "auto":
        texts = (text for row in rows for text in reader.dates_of(row))
        reader = replace(reader, day_first=day_first(texts, root.get("lang") or ""))
    if params.link_template:
        reader = replace(reader, telling_calls=telling_calls([each for row in rows for each in scripts_of(row)]))
    found = _read_apart(reader, rows)
    shared = found.shared
    is_ambiguous = found.is_ambiguous
    posts: dict[str, PostItem] = {}
    skipped = found.skipped
    for post in found.posts:
        if is_ambiguous and post.external_id in shared:
            skipped[SHARED] += 1
        elif post.external_id in posts:
            skipped[REPEATED] += 1
            posts[post.external_id] = _completed(posts[post.external_id], post)
        else:
            posts[post.external_id] = post
    problem = "" if posts else _problem(params, root, rows, skipped)
    if is_ambiguous:
        problem = _ambiguous(params, rows, skipped[SHARED])
    nothing = "" if posts or is_ambiguous else empty_words(root)
    if nothing:
        problem = f"the page says {nothing!r}"
    opened = without_sessions([post.url for post in posts.values()])
    return ListingPage(
        posts=tuple(replace(post, url=each) for post, each in zip(posts.values(), opened, strict=True)),
        next_url=_next_url(root, reader, url),
        rows=len(rows),
        skipped=tuple(skipped.most_common()),
        encoding=encoding,
        problem=problem,
        scheme=found.reader.scheme,
        is_ambiguous=is_ambiguous,
        is_empty=bool(nothing),
    )


@dataclass(frozen=True, kw_only=True)
class _Found:
    """The posts of a page's rows, which may share an id still."""

    reader: RowReader
    posts: Sequence[PostItem]
    skipped: Counter[str]

    @cached_property
    def shared(self) -> dict[str, list[PostItem]]:
        """The posts of each id that rows with different titles have."""
        groups: dict[str, list[PostItem]] = {}
        for post in self.posts:
            groups.setdefault(post.external_id, []).append(post)
        return {
            key: group
            for key, group in groups.items()
            if len(group) > 1 and not all(same_title(group[0].title, post.title) for post in group)
        }

    @property
    def is_ambiguous(self) -> bool:
        """Whether most rows have the id of rows with other titles."""
        return _are_most([post for group in self.shared.values() for post in group], self.posts)

    def identified_by(self, scheme: Scheme) -> "_Found":
        """The same posts under the ids that a scheme gives them."""
        ignored = self.reader.params.ignore_query
        posts = [replace(post, external_id=scheme.identity(post.url, ignored)) for post in self.posts]
        return _Found(reader=replace(self.reader, scheme=scheme), posts=posts, skipped=self.skipped)


def _are_most(some: Sequence[PostItem], posts: Sequence[PostItem]) -> bool:
    return 2 * len(some) > len(posts)


def _read(reader: RowReader, rows: Sequence[etree._Element]) -> _Found:
    posts: list[PostItem] = []
    skipped: Counter[str] = Counter()
    for row in rows:
        try:
            posts.append(reader.read(row))
        except RowSkippedError as reason:
            skipped[str(reason)] += 1
    return _Found(reader=reader, posts=posts, skipped=skipped)


def _read_apart(reader: RowReader, rows: Sequence[etree._Element]) -> _Found:
    """Read the rows so that those with different titles and different addresses are different posts."""
    found = _read(reader, rows)
    if reader.params.id:
        return found
    if form := numbered_form([post.url for post in found.posts]):
        found = found.identified_by(replace(reader.scheme, numbered=form))
    if not found.shared:
        return found
    ignored = reader.params.ignore_query
    groups = [[post.url for post in group] for group in found.shared.values()]
    if kept := telling_noise(groups, found.reader.scheme, ignored):
        scheme = found.reader.scheme
        found = found.identified_by(replace(scheme, kept=scheme.kept | kept))
    if not found.is_ambiguous:
        return found
    # An address that rows with different titles share is none of theirs: perhaps their scripts open another.
    again = _read(replace(found.reader, shared=frozenset(group[0].url for group in found.shared.values())), rows)
    return again if _are_most(again.posts, found.posts) and not again.is_ambiguous else found


def _completed(first: PostItem, again: PostItem) -> PostItem:
    """The first sighting, with what only the second one says."""
    return replace(
        first,
        body=first.body or again.body,
        author=first.author or again.author,
        published_at=first.published_at or again.published_at,
    )


def _problem(params: ListingParams, root: etree._Element, rows: Sequence[etree._Element], skipped: Counter[str]) -> str:
    if not rows:
        return f"the row selector {params.row!r} matches nothing on the page{_tbody_hint(params.row, root)}"
    reason = skipped.most_common(1)[0][0]
    title = f"the title selector {params.title!r}" if params.title else "the first link of the row (title is not given)"
    if "title" in reason and "skip" not in reason:
        advice = f"{title} finds nothing in them{_tbody_hint(params.title, rows[0], in_row=True)}"
    elif "link" in reason and "skip" not in reason:
        link = f"the link selector {params.link!r}" if params.link else "the title's anchor (link is not given)"
        advice = f"{link} gives no address: {reason}"
        if telling := telling_attribute(rows):
            advice += f" ({telling!r} differs from row to row)"
    else:
        advice = reason
    return f"the row selector {params.row!r} matches {len(rows)} rows, but none is a post: {advice}"


def _tbody_hint(source: str, element: etree._Element, *, in_row: bool = False) -> str:
    """What to write instead of a selector that stumbles over a tbody which only browsers have."""
    instead = without_tbody(source)
    if not instead or not compile_selector(instead, in_row=in_row).find(element):
        return ""
    return f": its tbody is not in the page, since browsers add it by themselves; write {instead!r}"


def _ambiguous(params: ListingParams, rows: Sequence[etree._Element], count: int) -> str:
    """That most rows have one id, whose fault it is, and what to give instead."""
    what = "id" if params.id else "link_template" if params.link_template else "link"
    beginning = (
        f"{count} of {len(rows)} rows have the same {what} though their titles differ, so new posts would not be seen"
    )
    if telling := telling_attribute(rows):
        return f"{beginning}: set id to {telling!r}, which differs from row to row"
    return f"{beginning}: set {what if what == 'id' else f'{what} or id'} to something that differs from row to row"


def telling_attribute(rows: Sequence[etree._Element]) -> str:
    """A selector for an attribute in the rows that is another one in each of them, for the parameter `id`; or ""."""
    values: dict[str, set[str]] = {}
    for row in rows:
        seen: set[str] = set()
        for element in row.iter(etree.Element):
            for name, value in element.items():
                selector = f"./@{name}" if element is row else f"{element.tag}::attr({name})"
                if selector not in seen and _ATTRIBUTE.fullmatch(name) and value.strip():
                    seen.add(selector)
                    values.setdefault(selector, set()).add(value)
    most = max((len(found) for found in values.values()), default=0)
    if most < 2 or most <= 0.8 * len(rows):
        return ""
    return min((each for each, found in values.items() if len(found) == most), key=lambda each: "attr(on" in each)


def _next_url(root: etree._Element, reader: RowReader, url: str) -> str | None:
    if not reader.params.next:
        return None
    found = compile_selector(reader.params.next).first(root)
    if isinstance(found, etree._Element):
        anchor = found if found.get("href") else next(found.iter("a"), found)
        found = anchor.get("href")
    following = reader.resolve(found)
    return following if following and following != url else None
