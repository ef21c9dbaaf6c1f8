"""The text of a feed before it is parsed: what it is, whether it broke off, and repairs that XML demands."""

import html
import re
from dataclasses import dataclass
from html.entities import html5
from itertools import islice
from typing import Final

from spiders.errors import SpiderError
from spiders.reading.bounds import ROWS
from spiders.reading.text import with_whole_signs

_ROOT: Final = re.compile(
    r"<(?P<name>(?:[\w.-]+:)?(?P<local>rss|RDF|feed|channel))(?=[\s>/])(?P<attributes>[^<>]*)>", re.I
)
_FIRST_TAG: Final = re.compile(r"<(?P<name>[A-Za-z_][\w:.-]*)")
_HIDDEN: Final = re.compile(r"<!\[CDATA\[.*?(?:\]\]>|\Z)|<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)", re.DOTALL)
_ENTRY_END: Final = re.compile(r"</(?:[\w.-]+:)?(?:item|entry)\s*>", re.IGNORECASE)
_ENTRY_START: Final = re.compile(r"<(?:[\w.-]+:)?(?:item|entry)(?=[\s>/])", re.IGNORECASE)
_EMPTY_ENTRY: Final = re.compile(r"<(?P<tag>item|entry)\s*(?:/>|>\s*</(?P=tag)\s*>)", re.IGNORECASE)
_DC_TITLE: Final = re.compile(r"<dc:title(?=[\s>])[^<>]*>.*?</dc:title\s*>", re.DOTALL)
_OWN_TITLE: Final = re.compile(r"<title(?=[\s>])")
_CHANNEL_END: Final = re.compile(r"\s*</(?:[\w.-]+:)?channel\s*>", re.IGNORECASE)
_REPAIRS: Final = re.compile(
    r"(?P<hidden><!\[CDATA\[.*?(?:\]\]>|\Z)|<!--.*?(?:-->|\Z))"
    r"|&(?:(?P<number>#(?:\d{1,8}|[xX][0-9a-fA-F]{1,7});)|(?P<name>[A-Za-z][A-Za-z0-9]{1,31};))?",
    re.DOTALL,
)
_ILLEGAL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_XML_NAMES: Final = frozenset({"amp;", "lt;", "gt;", "quot;", "apos;"})
_LOOK_AT: Final = 20_000
"""Characters before which the root must begin: prologues and PHP warnings are shorter."""


class NotAFeedError(SpiderError):
    """What the address answered is no feed; the message says what it is instead."""


@dataclass(frozen=True, kw_only=True)
class FeedText:
    """A feed's XML, repaired and complete, and what was cut off."""

    xml: str
    # Entries begin here; the first may be cut.
    broken_off: bool
    # Entries that are complete.
    entries: int


def prepare(text: str) -> FeedText:
    """Find the feed in a text, make it well-formed where that is clear, and cut an unfinished last entry.

    Raises NotAFeedError for HTML, other XML, and anything else.
    """
    text = with_whole_signs(text)
    shown = masked(text)
    root = _root(shown)
    if root is None:
        raise NotAFeedError(_what_it_is(text, shown))
    text, shown = text[root.start() :], shown[root.start() :]
    complete = root["attributes"].endswith("/") or _end(shown, root["name"], root["local"].lower())
    if not complete:
        ends = list(_ENTRY_END.finditer(shown))
        kept = ends[-1].end() if ends else root.end() - root.start()
        text = text[:kept] + _closing(root["name"], root["local"].lower(), shown[:kept])
        shown = masked(text)
    surplus = list(islice(_ENTRY_END.finditer(shown), ROWS - 1, ROWS + 1))
    if len(surplus) == 2:
        last = surplus[0].end()
        text = text[:last] + _closing(root["name"], root["local"].lower(), shown[:last])
        shown = masked(text)
    entries = len(_ENTRY_START.findall(shown)) - len(_EMPTY_ENTRY.findall(shown))
    return FeedText(xml=_repaired(_without_second_titles(text)), broken_off=not complete, entries=entries)


def _without_second_titles(text: str) -> str:
    """Without the dc:title of entries that have a title of their own: feedparser takes the one that comes last."""
    if "<dc:title" not in text:
        return text
    shown = masked(text)
    kept, position = [], 0
    for found in _DC_TITLE.finditer(shown):
        start = max((entry.start() for entry in _ENTRY_START.finditer(shown, position, found.start())), default=-1)
        end = _ENTRY_END.search(shown, found.end())
        if start >= 0 and end and _OWN_TITLE.search(_DC_TITLE.sub("", shown[start : end.start()])):
            kept.append(text[position : found.start()])
            position = found.end()
    return "".join((*kept, text[position:]))


def masked(text: str) -> str:
    """The text with comments, CDATA and processing instructions blanked out, at the same positions."""
    return _HIDDEN.sub(lambda hidden: " " * len(hidden[0]), text)


def _root(shown: str) -> re.Match[str] | None:
    for found in _ROOT.finditer(shown, 0, _LOOK_AT):
        local, attributes = found["local"].lower(), found["attributes"].lower()
        if local in {"rss", "rdf"} or (local == "feed" and "xmlns" in attributes and "atom" in attributes):
            return found
        if _FIRST_TAG.search(shown) and _FIRST_TAG.search(shown).start() == found.start():  # type: ignore[union-attr]
            # A bare <feed> or <channel> counts only where it is the whole document.
            return found
    return None


def _what_it_is(text: str, shown: str) -> str:
    start = text.lstrip("\ufeff \t\r\n")
    if not start:
        return "the answer is empty, where a feed was expected"
    if re.search(r"<!doctype\s+html|<(?:html|head|body)\b", shown[:_LOOK_AT], re.IGNORECASE):
        return "the address answered with an HTML page, not with a feed"
    tag = _FIRST_TAG.search(shown)
    if start.startswith("<") and tag:
        return f"the address answered with XML whose root is <{tag['name']}>, not with a feed"
    return "the answer is neither RSS, Atom nor JSON Feed"


def _end(shown: str, name: str, local: str) -> bool:
    """Whether the feed's end was received. A missing last tag alone is sloppiness when the channel was closed."""
    if re.search(rf"</\s*{re.escape(name)}\s*>", shown, re.IGNORECASE):
        return True
    ends = [entry.end() for entry in _ENTRY_END.finditer(shown)]
    return local == "rss" and bool(ends) and bool(_CHANNEL_END.match(shown, ends[-1]))


def _closing(name: str, local: str, kept: str) -> str:
    channel = re.search(r"<((?:[\w.-]+:)?channel)(?=[\s>])", kept, re.IGNORECASE)
    open_channel = local == "rss" and channel and not re.search(rf"</{re.escape(channel[1])}\s*>", kept)
    return (f"</{channel[1]}>" if open_channel and channel else "") + f"</{name}>"


def _repaired(text: str) -> str:
    # The declaration and any DOCTYPE stood before the root and are gone, and with them all entities of one's own.
    text = _outside_hidden(_EMPTY_ENTRY, _ILLEGAL.sub("", text))
    return _REPAIRS.sub(_repair, text)


def _outside_hidden(pattern: re.Pattern[str], text: str) -> str:
    """Drop what a pattern matches, except in CDATA and comments."""
    shown = masked(text)
    parts, position = [], 0
    for found in pattern.finditer(shown):
        parts.append(text[position : found.start()])
        position = found.end()
    return "".join((*parts, text[position:]))


def _repair(found: re.Match[str]) -> str:
    """XML knows five named entities; feeds use HTML's, bare ampersands, and numbers that are no characters."""
    if found["hidden"]:
        return found[0]
    if number := found["number"]:
        char = html.unescape(f"&{number}")
        return "" if _ILLEGAL.search(char) or char == "\ufffd" else html.escape(char)
    name = found["name"]
    if name is None:
        return "&amp;"
    if name in _XML_NAMES:
        return found[0]
    return (html5.get(name, "") and html.escape(html5[name])) or f"&amp;{name}"
