"""JSON Feed 1 and 1.1 (jsonfeed.org), read by hand: the entries of a document, also of one that broke off."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from spiders.reading.bounds import ROWS
from spiders.reading.expressions import text_of
from spiders.reading.feed_text import NotAFeedError

_ITEMS: Final = re.compile(r'"items"\s*:\s*\[')
_VERSION: Final = "jsonfeed.org/version/"


@dataclass(frozen=True, kw_only=True)
class JSONFeed:
    """The parts of a JSON Feed that matter here, not yet checked."""

    items: list[Mapping[str, Any]]
    home: str
    next_url: str
    broken_off: bool


def looks_like_json(text: str) -> bool:
    """Whether a text is a JSON object, or the beginning of one."""
    return text.lstrip("\ufeff \t\r\n").startswith("{")


def read_json_feed(text: str) -> JSONFeed:
    """Read a JSON Feed; raises NotAFeedError when the JSON is something else."""
    text = text.lstrip("\ufeff \t\r\n")
    broken_off = False
    try:
        document, _ = json.JSONDecoder(strict=False).raw_decode(text)
    except (ValueError, RecursionError) as error:
        if _VERSION not in text[:2_000].replace("\\/", "/"):
            raise NotAFeedError("the address answered with JSON that is damaged and no JSON Feed") from error
        document, broken_off = {"version": _VERSION, "items": _complete_items(text)}, True
    if _VERSION not in str(document.get("version", "")) and not _resembles_feed(document):
        raise NotAFeedError("the address answered with JSON, but not with a JSON Feed (it has no such version)")
    items = document.get("items")
    return JSONFeed(
        items=[item for item in items[:ROWS] if isinstance(item, dict)] if isinstance(items, list) else [],
        home=text_of(document.get("home_page_url")),
        next_url=text_of(document.get("next_url")),
        broken_off=broken_off,
    )


def _resembles_feed(document: Mapping[str, Any]) -> bool:
    """Some generators forget the version: items with an id or an address, and content, are a feed all the same."""
    items = document.get("items")
    first = items[0] if isinstance(items, list) and items else None
    return (
        isinstance(first, dict)
        and bool(first.keys() & {"id", "url"})
        and bool(first.keys() & {"content_html", "content_text", "date_published"})
    )


def _complete_items(text: str) -> list[Any]:
    found = _ITEMS.search(text)
    if found is None:
        return []
    items: list[Any] = []
    decoder = json.JSONDecoder(strict=False)
    position = found.end()
    while separator := re.compile(r"\s*,?\s*(?=\{)").match(text, position):
        try:
            item, position = decoder.raw_decode(text, separator.end())
        except (ValueError, RecursionError):
            break
        items.append(item)
    return items
