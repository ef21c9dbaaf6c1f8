"""Plain text out of what the web calls text: white space, entities, markup, invisible characters."""

import html
import re
import unicodedata
from collections.abc import Collection
from typing import Final

from lxml import etree

TITLE_LENGTH: Final = 500
BODY_LENGTH: Final = 2_000
_TITLE_SOURCE_LENGTH: Final = 5_000
_HTML_LENGTH: Final = 50_000
"""Of a feed entry's HTML only this much is read: an excerpt needs no more, and some entries hold megabytes."""

_UNREAD: Final = frozenset({"script", "style", "template", "noscript", "svg", "head", "select", "textarea"})
_BLOCK_NAMES: Final = (
    "address article aside blockquote br dd div dl dt figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr li "
    "main nav ol option p pre section table tbody td tfoot th thead tr ul"
)
_BLOCKS: Final = frozenset(_BLOCK_NAMES.split())

# Numeric references and mislabelled pages put windows-1252's characters into the C1 range; browsers show those.
_C1: Final = {code: bytes([code]).decode("cp1252", "ignore") or None for code in range(0x80, 0xA0)}
_CONTROLS: Final = (*range(0x09), *range(0x0E, 0x20), 0x7F, 0xAD, 0xFFFE, 0xFFFF)
_ZERO_WIDTH: Final = (0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_INVISIBLE: Final = dict.fromkeys((*_CONTROLS, *_ZERO_WIDTH))
_TRANSLATION: Final = {**_C1, **_INVISIBLE, 0x0B: " ", 0x0C: " "}
_SURROGATES: Final = re.compile("[\ud800-\udfff]")

_INLINE_MARKUP: Final = re.compile(
    r"</?(?:a|abbr|acronym|b|bdi|bdo|big|br|cite|code|del|div|dfn|em|font|h[1-6]|i|img|ins|kbd|mark|nobr|p|q|s|"
    r"samp|small|span|strike|strong|sub|sup|tt|u|var|wbr)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_BREAKS: Final = re.compile(r"<(?:br|p|div|h[1-6])\b", re.IGNORECASE)


def clean(text: str) -> str:
    """One line of text: white space made single blanks, invisible and broken characters dropped, in NFC."""
    text = _SURROGATES.sub("", text.translate(_TRANSLATION))
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return " ".join(text.split())


def shorten(text: str, length: int) -> str:
    """At most `length` characters, cut at a word where one ends nearby, and marked by an ellipsis."""
    if len(text) <= length:
        return text
    cut = text[: length - 1]
    blank = cut.rfind(" ", max(0, length - 40))
    return (cut[:blank] if blank > 0 else cut).rstrip() + "…"


def title_text(text: str, *, markup: bool = True) -> str:
    """A title as plain text.

    With `markup` the text may hold tags and entities, also ones escaped twice; what merely looks like a tag
    (`std::vector<int>`, `a < b`) is kept. Without, the text is taken as it stands (Atom's type="text").
    """
    text = text[:_TITLE_SOURCE_LENGTH]
    if markup and ("&" in text or "<" in text):
        # Twice: "&amp;amp;" is common, and an entity often hides a tag ("&lt;sup&gt;").
        for _ in range(2):
            text = html.unescape(_without_markup(text))
        text = _without_markup(text)
    return shorten(clean(text), TITLE_LENGTH)


def _without_markup(text: str) -> str:
    return _INLINE_MARKUP.sub(lambda tag: " " if _BREAKS.match(tag[0]) else "", text)


def element_text(root: etree._Element, leave_out: Collection[etree._Element] = ()) -> str:
    """The text a reader sees in an element: blanks between blocks, no scripts, nothing of `leave_out`.

    Walks without recursion: hostile pages nest thousands of elements deep.
    """
    parts: list[str] = []
    if not isinstance(root.tag, str):
        return ""
    walk = etree.iterwalk(root, events=("start", "end", "comment", "pi"))
    for event, element in walk:
        if event == "start":
            if element.tag in _UNREAD or element in leave_out:
                walk.skip_subtree()
                continue
            if element.tag in _BLOCKS:
                parts.append(" ")
            parts.append(element.text or "")
            continue
        if element.tag in _BLOCKS:
            parts.append(" ")
        if element is not root:
            parts.append(element.tail or "")
    return clean("".join(parts))


def html_text(source: str, length: int = BODY_LENGTH) -> str:
    """The text of a piece of HTML (or of plain text), shortened to `length` characters."""
    source = source[:_HTML_LENGTH]
    if "<" in source:
        source = source.translate(_TRANSLATION)
        try:
            root = etree.fromstring(
                f"<div>{_SURROGATES.sub('', source)}</div>".encode(),
                parser=etree.HTMLParser(encoding="utf-8", recover=True, no_network=True),
            )
        except (etree.LxmlError, ValueError):
            root = None
        return shorten(element_text(root), length) if root is not None else ""
    return shorten(clean(html.unescape(source)), length)
