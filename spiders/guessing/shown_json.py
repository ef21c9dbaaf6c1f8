"""Where in a JSON answer the posts are that somebody sees on a page, and how they are read. Pure.

What is seen decides: the titles are those values that stand on the page, and their addresses those that it links to.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urljoin

from spiders.reading.dates import parse_date
from spiders.reading.expressions import text_of
from spiders.reading.json_rows import date_text
from spiders.reading.text import clean

FEWEST: Final = 3
"""Rows that a list has at least."""
_SEEN: Final = 0.6
"""Of a list's titles, so many stand on the page."""
_MOST: Final = 0.8
"""Of a list's rows, so many have what is called their date or address."""
_LISTS: Final = 200
"""Lists of an answer that are looked at."""
_DEPTH: Final = 6
_ROWS: Final = 100
_SHORTEST: Final = 4
"""Characters of a title, on average: shorter ones are counters, states and names of categories."""
_DATE_NAME: Final = re.compile(r"date|time|created|regist|reg_?dt|publish|posted|_at$|At$", re.IGNORECASE)
_CHANGED: Final = re.compile(r"mod|upd|edit|end|expire|close|due|last", re.IGNORECASE)
_ID_NAME: Final = re.compile(r"(?:^|_)(?i:id|no|seq|idx|uuid|key|num|slug)$|(?<=[a-z])(?:Id|ID|No|NO|Seq|Idx|Key|Num)$")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a page shows."""

    # Its text, white space made single blanks.
    text: str
    # Address of each link, absolute, with its text.
    links: Sequence[tuple[str, str]] = field(default_factory=tuple)


@dataclass(frozen=True, kw_only=True)
class ShownList:
    """A list in an answer, as the parameters of the spider json, with how many of its titles are seen."""

    params: Mapping[str, str]
    seen: int


def shown_list(value: Any, url: str, shown: Shown, *, now: datetime) -> ShownList | None:
    """The list that the page shows, or None where the answer holds none; `url` is the answer's own address."""
    guesses = (_of_list(path, rows, url, shown, now) for path, rows in _lists(value))
    return max(filter(None, guesses), key=lambda guess: guess.seen, default=None)


def _lists(value: Any) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """The lists of objects in a value, each with the expression that finds it."""
    waiting: list[tuple[str, Any, int]] = [("@", value, 0)]
    for _ in range(_LISTS):
        if not waiting:
            return
        path, found, depth = waiting.pop(0)
        if isinstance(found, list):
            rows = [each for each in found[:_ROWS] if isinstance(each, Mapping)]
            if len(rows) >= FEWEST and len(rows) == len(found[:_ROWS]):
                yield path, rows
            continue
        if isinstance(found, Mapping) and depth < _DEPTH:
            waiting += [(joined(path, name), each, depth + 1) for name, each in found.items()]


def joined(path: str, name: str) -> str:
    """The expression for a name within what another finds."""
    step = name if _NAME.fullmatch(name) else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return step if path == "@" else f"{path}.{step}"


def _of_list(path: str, rows: list[Mapping[str, Any]], url: str, shown: Shown, now: datetime) -> ShownList | None:
    columns = _columns(rows)
    titles = {
        name: sum(text in shown.text for text in set(texts))
        for name, texts in columns.items()
        if _is_title(texts, len(rows))
    }
    if not titles:
        return None
    title = max(titles, key=lambda name: (titles[name], sum(map(len, columns[name]))))
    if titles[title] < max(FEWEST, _SEEN * len(rows)):
        return None
    ids = [name for name, texts in columns.items() if _is_id(name, texts, len(rows))]
    address = _address(columns, title, ids, url, shown)
    if not address and not ids:
        return None
    params = {"rows": path, "title": title, **address}
    if ids:
        params["id"] = ids[0]
    if date := _date(rows, columns, now):
        params["date"] = date
    return ShownList(params=params, seen=titles[title])


def _columns(rows: list[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The texts of each value that the rows have, by its expression: of the row itself, and of objects in it."""
    columns: dict[str, list[str]] = {}
    for row in rows:
        for name, value in _values(row):
            if text := clean(text_of(value)):
                columns.setdefault(name, []).append(text)
    return columns


def _values(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        yield joined("@", name), value
        if isinstance(value, Mapping):
            yield from ((joined(joined("@", name), inner), each) for inner, each in value.items())


def _is_title(texts: list[str], rows: int) -> bool:
    is_varied = len(set(texts)) > rows / 2 and len(texts) >= _MOST * rows
    return is_varied and sum(map(len, texts)) / len(texts) >= _SHORTEST and not all(each.isdecimal() for each in texts)


def _is_id(name: str, texts: list[str], rows: int) -> bool:
    return bool(_ID_NAME.search(name.rpartition(".")[2])) and len(texts) == rows == len(set(texts))


def _address(columns: Mapping[str, list[str]], title: str, ids: list[str], url: str, shown: Shown) -> dict[str, str]:
    """A value that the page links to, or a template that makes its links from ids."""
    known = {address for address, _ in shown.links}
    for name, texts in columns.items():
        looks = [each for each in texts if "/" in each or "?" in each]
        if looks and sum(urljoin(url, each) in known for each in looks) >= _MOST * len(columns[title]):
            return {"link": name}
    templates: dict[str, int] = {}
    for row, text in enumerate(columns[title]):
        for address, shown_text in shown.links:
            if text not in shown_text:
                continue
            for name in ids:
                number = columns[name][row] if row < len(columns[name]) else ""
                pattern = rf"(?<![\w]){re.escape(number)}(?![\w])"
                if number and len(re.findall(pattern, address)) == 1:
                    template = re.sub(pattern, ("{" + name + "}").replace("\\", r"\\"), address)
                    templates[template] = templates.get(template, 0) + 1
    best = max(templates, key=lambda each: templates[each], default="")
    return {"link_template": best} if best and templates[best] >= _SEEN * len(columns[title]) else {}


def _date(rows: list[Mapping[str, Any]], columns: Mapping[str, list[str]], now: datetime) -> str:
    """The value that says when a row was posted."""
    named = [name for name in columns if _DATE_NAME.search(name)]
    for name in sorted(named, key=lambda each: bool(_CHANGED.search(each))):
        moments = [
            any(parse_date(text, now=now) for text in date_text(value))
            for row in rows
            for each, value in _values(row)
            if each == name
        ]
        if moments and sum(moments) >= _MOST * len(rows):
            return name
    return ""
