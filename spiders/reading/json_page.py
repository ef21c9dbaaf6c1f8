"""A JSON answer, or the JSON in a page, to the posts it holds. Pure: bytes and parameters in, posts out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from w3lib.html import get_base_url

from spiders.params import JSONParams
from spiders.reading.addresses import PLAIN, Scheme
from spiders.reading.bounds import ROWS
from spiders.reading.date_order import day_first
from spiders.reading.embedded import embedded_documents, opened_again
from spiders.reading.encoding import decode
from spiders.reading.expressions import search, text_of
from spiders.reading.json_rows import ItemReader
from spiders.reading.json_text import JSONText, read_json
from spiders.reading.listing_page import parse_html
from spiders.reading.page_posts import SHARED, ListingPage, ambiguous_words, read_posts
from spiders.reading.places import PLACE

_SHOWN = 8
"""Names of an object that are shown to whoever looks for the right one."""


@dataclass(frozen=True, kw_only=True)
class JSONPage(ListingPage):
    """What one page of JSON holds."""

    # What `next` found: an address, a cursor, or whether there is another page.
    following: Any = None
    # What was odd about the JSON, in words.
    notes: tuple[str, ...] = field(default=())


def parse_json(
    body: bytes | str,
    url: str,
    params: JSONParams,
    now: datetime,
    content_type: str = "",
    scheme: Scheme | None = None,
) -> JSONPage:
    """Read a JSON answer or a page with JSON in it; the arguments are parse_listing's.

    Raises NotJSONError when there is none, and ExpressionError when an expression does not fit what is there.
    """
    encoding = "utf-8"
    if isinstance(body, bytes):
        decoded = decode(body, content_type=content_type, override=params.encoding)
        body, encoding = decoded.text, decoded.encoding
    base, language = url, ""
    if params.embedded:
        root = parse_html(body)
        base, language = get_base_url(body, url), root.get("lang") or ""
        documents = embedded_documents(root, params.embedded)
    else:
        documents = iter((read_json(body),))
    document, found = _rows(documents, params)
    rows = found[:ROWS] if isinstance(found, list) else []
    reader = ItemReader(params=params, base=base, now=now, encoding=encoding, scheme=scheme or PLAIN)
    if params.date and params.date_order == "auto":
        texts = (text for row in rows for text in reader.dates_of(row))
        reader = replace(reader, day_first=day_first(texts, language))
    posts = read_posts(reader, rows)
    following = search(params.next, document.value)
    problem = "" if posts.posts else _problem(params, document.value, found, posts.skipped)
    if posts.is_ambiguous:
        problem = _ambiguous(params, rows, posts.skipped[SHARED])
    return JSONPage(
        posts=posts.posts,
        next_url=None if PLACE.search(params.page_template) else _address(reader, following, url),
        rows=len(rows),
        skipped=tuple(posts.skipped.most_common()),
        encoding=encoding,
        problem=problem,
        scheme=posts.scheme,
        is_ambiguous=posts.is_ambiguous,
        # A list that is there and has nothing in it says so itself.
        is_empty=found == [],
        following=following,
        notes=document.notes,
    )


def _rows(documents: Any, params: JSONParams) -> tuple[JSONText, Any]:
    """The first document in which `rows` finds something, and what; else the first."""
    first: tuple[JSONText, Any] | None = None
    for document in documents:
        value = search(params.rows, opened_again(document.value))
        found = document, opened_again(value)
        if found[1]:
            return found
        first = first or found
    assert first is not None
    return first


def _address(reader: ItemReader, following: Any, url: str) -> str | None:
    found = reader.resolve(text_of(following).strip())
    return found if found and found != url else None


def _problem(params: JSONParams, value: Any, found: Any, skipped: Counter[str]) -> str:
    rows = f"rows is {params.rows!r}, which"
    if found == []:
        return f"{rows} finds an empty list"
    if isinstance(found, Mapping):
        return f"{rows} finds an object and no list (it has {_names(found)}); values({params.rows}) makes one of it"
    if found is None:
        return f"{rows} finds nothing in the JSON: {_shape(value)}"
    if not isinstance(found, list):
        return f"{rows} finds no list but {str(found)[:40]!r}"
    reason = skipped.most_common(1)[0][0]
    beginning = f"{rows} finds {len(found)} rows, but none is a post: {reason}"
    return beginning if "skip" in reason else f"{beginning} (the first has {_names(found[0])})"


def _shape(value: Any) -> str:
    if isinstance(value, list):
        return "it is a list itself, which @ finds" if value else "it is an empty list"
    return f"at its top are {_names(value)}"


def _names(value: Any) -> str:
    if not isinstance(value, Mapping):
        return f"no names: it is {str(value)[:40]!r}"
    shown = ", ".join(repr(name[:40]) for name in list(value)[:_SHOWN])
    return (shown + (" ..." if len(value) > _SHOWN else "")) if shown else "no names"


def _ambiguous(params: JSONParams, rows: Sequence[Any], count: int) -> str:
    what = "id" if params.id else "link_template" if params.link_template else "link"
    telling = telling_names(rows)
    advice = f"set id to {telling[0]!r}, which differs from row to row" if telling else f"set {what} to something else"
    return f"{ambiguous_words(count, len(rows), what)}: {advice}"


def telling_names(rows: Sequence[Any]) -> list[str]:
    """Names of the rows' own values that are another one in each of them, those that are called ids first."""
    values: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row.items() if isinstance(row, Mapping) else ():
            if text := text_of(value):
                values.setdefault(name, set()).add(text)
    telling = [name for name, found in values.items() if len(found) == len(rows) > 1 and name.isidentifier()]
    return sorted(telling, key=lambda name: not name.lower().endswith(("id", "no", "seq", "uuid", "idx")))
