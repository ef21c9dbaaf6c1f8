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

UNREAD: Final = frozenset({"script", "style", "template", "noscript", "svg", "head", "select", "textarea"})
_BLOCK_NAMES: Final = (
    "address article aside blockquote br dd div dl dt figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr li "
    "main nav ol option p pre section table tbody td tfoot th thead tr ul"
)
BLOCKS: Final = frozenset(_BLOCK_NAMES.split())

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

_REFERENCE: Final = re.compile(r"&(?:#\d{1,8}|#[xX][0-9a-fA-F]{1,7}|[A-Za-z][A-Za-z0-9]{1,31});")
_HALVES: Final = re.compile(
    r"(?:&(?:amp;)*#(?:0*5[567]\d{3}|[xX]0*[dD][89a-fA-F][0-9a-fA-F]{2})(?:;|(?![0-9a-fA-F])))+"
)
_HALF: Final = re.compile(r"(?P<start>&(?:amp;)*)#(?:[xX](?P<hex>[0-9a-fA-F]+)|(?P<number>\d+));?")


def with_whole_signs(source: str) -> str:
    """A page's or feed's source in which a sign that is written as two references is that sign.

    Java and JavaScript count an emoji as two halves ("surrogates"), and what escapes them one by one writes
    `&#55357;&#56960;`. A half without its other half means nothing and is dropped.
    """
    if "&" not in source:
        return source
    return _HALVES.sub(_whole_signs, source)


def _whole_signs(run: re.Match[str]) -> str:
    parts: list[str] = []
    for half in _HALF.finditer(run[0]):
        code = int(half["hex"], 16) if half["hex"] else int(half["number"])
        # Other signs of this range, Hangul among them, stay as they are written.
        parts.append(chr(code) if 0xD800 <= code <= 0xDFFF else half[0])
    return "".join(parts).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")


def unescaped(text: str) -> str:
    """A text that still shows references ("R&amp;D") because its board escaped it more than once, without them."""
    for _ in range(2):
        if "&" not in text or ";" not in text:
            break
        text = _REFERENCE.sub(lambda found: html.unescape(found[0]), with_whole_signs(text))
    return text


def without_surrogates(text: str) -> str:
    """A text without lone halves of a sign, which no encoding can write."""
    return text if text.isascii() else _SURROGATES.sub("", text)


def clean(text: str) -> str:
    """One line of text: white space made single blanks, invisible and broken characters dropped, in NFC."""
    text = without_surrogates(text.translate(_TRANSLATION))
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
            text = html.unescape(_without_markup(with_whole_signs(text)))
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
            if element.tag in UNREAD or element in leave_out:
                walk.skip_subtree()
                continue
            if element.tag in BLOCKS:
                parts.append(" ")
            parts.append(element.text or "")
            continue
        if element.tag in BLOCKS:
            parts.append(" ")
        if element is not root:
            parts.append(element.tail or "")
    return clean(unescaped("".join(parts)))


def html_text(source: str) -> str:
    """The text of a piece of HTML (or of plain text), shortened to a body's length."""
    source = with_whole_signs(source[:_HTML_LENGTH])
    if "<" in source:
        source = source.translate(_TRANSLATION)
        try:
            root = etree.fromstring(
                f"<div>{_SURROGATES.sub('', source)}</div>".encode(),
                parser=etree.HTMLParser(encoding="utf-8", recover=True, no_network=True),
            )
        except (etree.LxmlError, ValueError):
            root = None
        return shorten(element_text(root), BODY_LENGTH) if root is not None else ""
    return shorten(clean(html.unescape(source)), BODY_LENGTH)
