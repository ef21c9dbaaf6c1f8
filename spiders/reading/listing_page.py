"""A page of an HTML board to the posts it holds. Pure: bytes and parameters in, posts out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from lxml import etree
from w3lib.html import get_base_url

from spiders.items import PostItem
from spiders.params import ListingParams
from spiders.reading.encoding import decode
from spiders.reading.identity import resolve
from spiders.reading.rows import RowReader, RowSkippedError
from spiders.reading.selectors import compile_selector, without_tbody

REPEATED: Final = "repeats an earlier row"


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
    # A sentence for the site's owner when the page yields nothing, naming the parameter to look at; else "".
    problem: str = ""


def parse_html(text: str) -> etree._Element:
    """A page's tree, whatever the page: the parser repairs, and an empty page is an empty tree."""
    parser = etree.HTMLParser(encoding="utf-8", recover=True, huge_tree=True, no_network=True)
    source = text.replace("\x00", "").encode("utf-8", "ignore")
    try:
        root = etree.fromstring(source or b"<html/>", parser=parser)
    except (etree.LxmlError, ValueError):
        root = None
    return root if root is not None else etree.fromstring("<html><body/></html>")


def parse_listing(
    body: bytes | str, url: str, params: ListingParams, now: datetime, content_type: str = ""
) -> ListingPage:
    """Read a page of a board. `url` is where the page came from, after redirects; `now` is aware."""
    encoding = ""
    if isinstance(body, bytes):
        decoded = decode(body, content_type=content_type, override=params.encoding)
        body, encoding = decoded.text, decoded.encoding
    root = parse_html(body)
    base = get_base_url(body, url)
    reader = RowReader(params=params, base=base, now=now)
    posts: dict[str, PostItem] = {}
    skipped: Counter[str] = Counter()
    rows = compile_selector(params.row).elements(root)
    for row in rows:
        try:
            post = reader.read(row)
        except RowSkippedError as reason:
            skipped[str(reason)] += 1
            continue
        if post.external_id in posts:
            skipped[REPEATED] += 1
            posts[post.external_id] = _completed(posts[post.external_id], post)
        else:
            posts[post.external_id] = post
    return ListingPage(
        posts=tuple(posts.values()),
        next_url=_next_url(root, base, url, params),
        rows=len(rows),
        skipped=tuple(skipped.most_common()),
        encoding=encoding,
        problem="" if posts else _problem(params, root, rows, skipped),
    )


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
    else:
        advice = reason
    return f"the row selector {params.row!r} matches {len(rows)} rows, but none is a post: {advice}"


def _tbody_hint(source: str, element: etree._Element, *, in_row: bool = False) -> str:
    """What to write instead of a selector that stumbles over a tbody which only browsers have."""
    instead = without_tbody(source)
    if not instead or not compile_selector(instead, in_row=in_row).find(element):
        return ""
    return f": its tbody is not in the page, since browsers add it by themselves; write {instead!r}"


def _next_url(root: etree._Element, base: str, url: str, params: ListingParams) -> str | None:
    if not params.next:
        return None
    found = compile_selector(params.next).first(root)
    if isinstance(found, etree._Element):
        anchor = found if found.get("href") else next(found.iter("a"), found)
        found = anchor.get("href")
    following = resolve(base, found) if found else None
    return following if following and following != url else None
