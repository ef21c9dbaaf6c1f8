"""A post's own page to its text, its attachments and its picture. Pure: bytes and parameters in, what it holds out."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from lxml import etree
from w3lib.html import get_base_url

from spiders.params import PostPageParams
from spiders.reading.encoding import decode
from spiders.reading.identity import resolve
from spiders.reading.listing_page import parse_html
from spiders.reading.page_kind import page_kind
from spiders.reading.post_text import TITLE_SHOWN, find_text, text_of
from spiders.reading.rows import opened_addresses
from spiders.reading.selectors import SelectorError, compile_selector
from spiders.reading.text import clean, element_text, shorten

TEXT_LENGTH: Final = 20_000
"""Characters of a post's text that are kept."""
ATTACHMENTS: Final = 50
NAME_LENGTH: Final = 200
ADDRESS_LENGTH: Final = 2_000

_FILE: Final = re.compile(
    r"[^\s/\\?=&][^/\\?=&\n]*\.(?:hwpx?|hwt|pdf|docx?|xlsx?|pptx?|odt|ods|odp|rtf|csv|txt|zip|7z|rar|egg|alz|tar|gz|"
    r"jpe?g|png|gif|mp3|mp4|ics|epub)(?![\w.])",
    re.IGNORECASE,
)
"""A file's name, as boards write it, perhaps with its size behind it."""
_NAME_LOOKED_AT: Final = 400
"""So much of a link's text may be a file's name; the pattern takes the square of it."""
_TOO_SMALL: Final = 80
"""Pixels: a smaller picture is an icon or counts visitors."""
_NO_PICTURE: Final = re.compile(r"icon|emoticon|emoji|smil|blank|spacer|pixel|btn_|button|loading|logo|avatar", re.I)
_SOURCES: Final = ("data-src", "data-original", "data-lazy-src", "src", "href", "content")


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    """A file that belongs to a post."""

    # As the page shows it.
    name: str
    # Absolute; "" where only a script knows it.
    url: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PostPage:
    """What a post's own page holds."""

    # One line of plain text, at most TEXT_LENGTH characters.
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    # The https address of a picture, or "": phones fetch pictures from no other.
    image: str = ""
    # Why it gives nothing, in words for the site's owner; "" when it gives something.
    problem: str = ""


def read_post_page(
    body: bytes, url: str, params: PostPageParams, *, title: str = "", content_type: str = "", encoding: str = ""
) -> PostPage:
    """Read a post's page by the parameters of its site; what has none is found by itself.

    `url` is where it came from, after redirects; `title` is the post's, from the list; `encoding` the site's parameter,
    which a page of another encoding overrides by being valid UTF-8.
    """
    text = decode(body, content_type=content_type, override="" if _is_utf8(body) else encoding).text
    root, base = parse_html(text), get_base_url(text, url)
    try:
        places, problem = _places(root, params, title)
        parts = (text_of(each) if isinstance(each, etree._Element) else clean(each) for each in places)
        page = PostPage(
            text=shorten(" ".join(filter(None, parts)), TEXT_LENGTH),
            attachments=tuple(_attachments(root, base, params)),
            image=_image(root, base, params, places),
        )
    except SelectorError as error:
        return PostPage(problem=str(error))
    # What was found by itself may be another page's text, but for one that shows the post's title.
    if not page.text or not (params.post_body or (title and clean(title)[:TITLE_SHOWN] in element_text(root))):
        kind = page_kind(body, url, content_type=content_type)
        if kind is not None and kind.is_other:
            return PostPage(problem=kind.sentence)
    return page if page.text or page.attachments or page.image else PostPage(problem=problem)


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not body.isascii()


def _places(root: etree._Element, params: PostPageParams, title: str) -> tuple[list[etree._Element | str], str]:
    """What holds the text, nothing of it twice, and what to say when that is nothing."""
    if not params.post_body:
        found = find_text(root, title)
        return ([], "no text was found on it: give post_body") if found is None else ([found], "")
    chosen = compile_selector(params.post_body).find(root)
    if not chosen:
        return [], f"post_body, {params.post_body!r}, matches nothing on it"
    elements = {each for each in chosen if isinstance(each, etree._Element)}
    return [
        each
        for each in chosen
        if isinstance(each, str) or not any(around in elements for around in each.iterancestors())
    ], f"post_body, {params.post_body!r}, holds no text"


def _attachments(root: etree._Element, base: str, params: PostPageParams) -> Iterator[Attachment]:
    seen: set[tuple[str, str]] = set()
    for anchor in _anchors(root, params.post_attachments):
        attachment = _attachment(anchor, base, is_chosen=bool(params.post_attachments))
        if attachment is None or (attachment.name, attachment.url) in seen:
            continue
        seen.add((attachment.name, attachment.url))
        yield attachment
        if len(seen) == ATTACHMENTS:
            return


def _anchors(root: etree._Element, selector: str) -> Iterator[etree._Element]:
    if not selector:
        yield from root.iter("a")
        return
    for found in compile_selector(selector).elements(root):
        inside = [found] if found.tag == "a" else list(found.iter("a"))
        yield from inside or [found]


def _attachment(anchor: etree._Element, base: str, *, is_chosen: bool) -> Attachment | None:
    address = resolve(base, anchor.get("href") or "") or next(
        (each for opened in opened_addresses(anchor) if (each := resolve(base, opened))), ""
    )
    path = unquote(urlsplit(address).path.rpartition("/")[2])
    shown = (element_text(anchor), clean(anchor.get("download") or ""), clean(anchor.get("title") or ""))
    named = next((match[0] for each in (*shown, path) if (match := _FILE.search(each[:_NAME_LOOKED_AT]))), "")
    name = named or (next(filter(None, (*shown, path)), "") if is_chosen else "")
    if not name:
        return None
    return Attachment(name=shorten(name, NAME_LENGTH), url=address if len(address) <= ADDRESS_LENGTH else "")


def _image(root: etree._Element, base: str, params: PostPageParams, places: Sequence[etree._Element | str]) -> str:
    if params.post_image:
        found = compile_selector(params.post_image).find(root)
    else:
        found = [each for place in places if isinstance(place, etree._Element) for each in place.iter("img")]
    for each in found:
        for source in [each] if isinstance(each, str) else _sources(each, is_chosen=bool(params.post_image)):
            address = resolve(base, source)
            if address and address.startswith("https://") and len(address) <= ADDRESS_LENGTH:
                return address
    return ""


def _sources(element: etree._Element, *, is_chosen: bool) -> list[str]:
    picture = element if element.tag == "img" or element.get("content") else next(element.iter("img"), element)
    sources = [source for name in _SOURCES if (source := picture.get(name))]
    if is_chosen:
        return sources
    sizes = [
        int(size) for name in ("width", "height") if (size := (picture.get(name) or "").removesuffix("px")).isdigit()
    ]
    return [] if min(sizes, default=_TOO_SMALL) < _TOO_SMALL else [s for s in sources if not _NO_PICTURE.search(s)]
