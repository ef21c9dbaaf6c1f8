"""The likeliest posts in a JSON document: which list, and which of its values is title, address, date and id. Pure.

Names and values decide. Where it is known what a page shows, that does: the titles are those values that stand on the
page, and their addresses those that it links to.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from spiders.guessing.addresses import family, numbered
from spiders.guessing.confidence import RowFacts
from spiders.guessing.titles import width
from spiders.reading.dates import parse_date
from spiders.reading.expressions import search, text_of
from spiders.reading.identity import resolve
from spiders.reading.json_rows import date_text
from spiders.reading.text import clean, title_text

_DEPTH: Final = 8
_SAMPLE: Final = 60
"""Rows of a list that are looked at."""
_LISTS: Final = 200
_INSIDE: Final = 3
"""So deep in a row its values are looked for."""
FEWEST: Final = 3
"""Of a list's titles, so many stand at least on the page that shows it."""
_SEEN: Final = 0.6
"""And this part of them."""
_MOST: Final = 0.8
"""Of a list's rows, so many have their title, and an address that the page links to."""
_SHORTEST: Final = 4
"""Characters of a title that is seen, on average: shorter ones are counters, states and names of categories."""
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_TITLE: Final = re.compile(
    r"(?:(?:.*[._])?(?:title|subject|headline|heading|제목)|\w*(?:title|subject|[a-z]Sj)|sj|ttl)"
    r"(?:\.(?:rendered|text|value|raw|plain|ko|en))?",
    re.IGNORECASE,
)
_NAMED: Final = re.compile(r"(?:.*[._])?(?:name|label|caption|text|summary)|\w+Name", re.IGNORECASE)
_TITLE_OF_ELSE: Final = re.compile(
    r"sub_?title|seo|meta|author|writer|user|categor|board|menu|file|image|thumb|alt|og|tag|location|place|status", re.I
)
_LINK: Final = re.compile(r"(?:.*[._])?\w*(?:link|url|href|permalink|uri|path)", re.IGNORECASE)
_LINK_OF_ELSE: Final = re.compile(
    r"image|img|thumb|photo|picture|icon|avatar|logo|author|user|writer|categor|file|download|attach|video|api|_links|self|"
    r"comment|profile|banner|audio|feed",
    re.IGNORECASE,
)
_NO_PAGE: Final = re.compile(
    r"\.(?:jpe?g|png|gif|webp|svg|ico|mp[34]|pdf|hwpx?|docx?|xlsx?|zip|json|xml)$|/(?:api|wp-json)/", re.I
)
_DATE: Final = re.compile(r"(?:.*[._])?\w*(?:date|time|created|published|posted|regist|[a-z]at|dt|ymd|day)\w*", re.I)
_DATE_BEST: Final = re.compile(r"publi|creat|post|regist|reg_?d|write|wrt|frst|pub", re.IGNORECASE)
_DATE_OF_ELSE: Final = re.compile(
    r"updat|modif|chang|expir|end|until|due|dead|close|birth|last|start|begin|event", re.I
)
_ID: Final = re.compile(
    r"(?:.*[._])?(?:id|no|seq|idx|uuid|guid|key|sn|num|slug)|\w*(?:Id|No|Seq|Idx|_id|_no|_seq|_idx|Sn)"
)
_ID_OF_ELSE: Final = re.compile(
    r"user|author|writer|categor|board|bbs|menu|parent|group|org|rank|position|page", re.IGNORECASE
)
_ID_WORTH: Final = {"id": 2.0, "uuid": 2.0, "guid": 2.0, "slug": 0.5}
_AUTHOR: Final = re.compile(
    r"(?:.*[._])?(?:author|writer|creator|by|nick\w*|user_?name|wrter\w*|reg(?:ist)?er\w*)(?:\.name|Nm|Name)?", re.I
)
_PINNED: Final = re.compile(r"(?:is_?)?(?:pinned|sticky|notice|top|fixed|important)(?:_?yn)?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class JSONGuess:
    """A list of a document that may be the posts, and how its items are read."""

    # `rows`, `title` and so on, as JSONParams takes them.
    params: Mapping[str, Any]
    facts: RowFacts
    # How many of its titles stand on the page, where it is known what that shows.
    seen: int = 0


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a page shows."""

    # Its text, white space made single blanks.
    text: str
    # Address of each link, absolute, with its text.
    links: Sequence[tuple[str, str]] = field(default_factory=tuple)


def guess_json(value: Any, base: str, now: datetime, shown: Shown | None = None) -> JSONGuess | None:
    """The list of a document that is most like posts, or that a page shows; None where there is none."""
    found = [guess for path, rows in _lists(value) if (guess := _guess(path, rows, base, now, shown))]
    return max(found, key=_worth, default=None)


def _worth(guess: JSONGuess) -> tuple[int, float]:
    return guess.seen, guess.facts.score * (1.5 if "link" in guess.params else 1.0)


def _lists(value: Any) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """The lists of objects in a document, each with its expression, the outer ones first."""
    waiting: list[tuple[str, Any, int]] = [("", value, 0)]
    seen = 0
    while waiting and seen < _LISTS:
        path, found, depth = waiting.pop(0)
        seen += 1
        if isinstance(found, Mapping) and depth < _DEPTH:
            waiting += [(_joined(path, name), each, depth + 1) for name, each in list(found.items())[:_SAMPLE]]
        elif isinstance(found, list):
            rows = [each for each in found if isinstance(each, Mapping)]
            if len(rows) > 2 and len(rows) > 0.8 * len(found):
                yield path or "@", rows[:_SAMPLE]
            if 0 < len(rows) < 20 and depth < _DEPTH:
                waiting += _inner(path, rows, depth)


def _inner(path: str, rows: Sequence[Mapping[str, Any]], depth: int) -> list[tuple[str, Any, int]]:
    """The lists inside the objects of a list, taken together, as `path[].name[]` finds them."""
    names = dict.fromkeys(name for row in rows for name, each in row.items() if isinstance(each, list))
    together = ((name, [one for row in rows if isinstance(row.get(name), list) for one in row[name]]) for name in names)
    return [(f"{_joined(f'{path}[]', name)}[]", found, depth + 2) for name, found in list(together)[:_INSIDE]]


def _joined(path: str, name: str) -> str:
    step = name if _PLAIN.fullmatch(name) else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{path}.{step}" if path else step


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The values of the rows by the expression that finds them; objects in a row are looked into."""
    found: Counter[str] = Counter()

    def look(prefix: str, row: Mapping[str, Any], depth: int) -> None:
        for name, each in list(row.items())[:_SAMPLE]:
            path = _joined(prefix, str(name))
            if isinstance(each, Mapping):
                if depth < _INSIDE:
                    look(path, each, depth + 1)
            else:
                found[path] += 1

    for row in rows:
        look("", row, 1)
    return {path: [search(path, row) for row in rows] for path, count in found.items() if 2 * count > len(rows)}


def _guess(
    path: str, rows: Sequence[Mapping[str, Any]], base: str, now: datetime, shown: Shown | None
) -> JSONGuess | None:
    columns = _columns(rows)
    texts = {name: [text_of(each).strip() for each in values] for name, values in columns.items()}
    title = _best(texts, lambda name, values: _as_seen(values, shown) if shown else _as_title(name, values, now))
    if not title:
        return None
    others = {name: values for name, values in texts.items() if name != title}
    template = ""
    link = _linked(others, base, shown) if shown else ""
    if shown and not link:
        template = _template(texts[title], {name: each for name, each in others.items() if _as_id(name, each)}, shown)
    if not link and not template:
        link = _best(others, lambda name, values: _as_link(name, values, base))
    date = _best(
        {name: [_said(each) for each in columns[name]] for name in columns if name != title},
        lambda name, values: _as_date(name, values, now),
    )
    identity = _best(others, _as_id)
    if shown and not (link or template or identity):
        return None
    params = {
        "rows": path,
        "title": title,
        "link": link,
        "link_template": template,
        "date": date,
        "id": identity,
    }
    params["author"] = next((name for name in others if _AUTHOR.fullmatch(name) and any(others[name])), "")
    params["pinned"] = next((name for name in texts if _PINNED.fullmatch(name)), "")
    addresses = [resolve(base, each) or "" for each in texts[link]] if link else []
    titles = [title_text(each) for each in texts[title]]
    named = [each for each in titles if each]
    facts = RowFacts(
        rows=len(rows),
        covered=len(named) / len(rows),
        distinct=len(set(named)) / len(named),
        dated=_dated([_said(each) for each in columns[date]], now) if date else 0.0,
        titled=float(bool(_TITLE.fullmatch(title))),
        per_row=1.0,
        width=sum(map(width, named)) / len(named),
        family=family(addresses),
        numbered=numbered(addresses),
        furniture=False,
        standing=1.0,
    )
    if not (facts.enough or shown):
        return None
    seen = _seen(texts[title], shown) if shown else 0
    return JSONGuess(params={name: each for name, each in params.items() if each}, facts=facts, seen=seen)


def _seen(values: Sequence[str], shown: Shown) -> int:
    return sum(text in shown.text for text in {clean(each) for each in values if each})


def _as_seen(values: Sequence[str], shown: Shown) -> float:
    """The same for a value that stands on the page; of two that do equally often, the longer one is the title."""
    filled = [clean(each) for each in values if each]
    length = sum(map(len, filled))
    is_varied = len(set(filled)) > len(values) / 2 and len(filled) >= _MOST * len(values)
    if not is_varied or length < _SHORTEST * len(filled) or all(each.isdecimal() for each in filled):
        return 0
    seen = _seen(filled, shown)
    return seen + 1 - 1 / (1 + length) if seen >= max(FEWEST, _SEEN * len(values)) else 0


def _linked(columns: Mapping[str, list[str]], base: str, shown: Shown) -> str:
    """The value that the page links to."""
    known = {address for address, _ in shown.links}

    def points(_name: str, values: list[str]) -> float:
        share = _share(values, lambda each: ("/" in each or "?" in each) and urljoin(base, each) in known)
        return share if share >= _MOST else 0

    return _best(columns, points)


def _template(titles: Sequence[str], ids: Mapping[str, list[str]], shown: Shown) -> str:
    """What makes the addresses of the links that have these titles from values that differ from row to row."""
    templates: Counter[str] = Counter()
    for row, title in enumerate(map(clean, titles)):
        for address in (address for address, text in shown.links if title and title in text):
            for name, values in ids.items():
                pattern = rf"(?<![\w]){re.escape(values[row])}(?![\w])"
                if len(re.findall(pattern, address)) == 1:
                    templates[re.sub(pattern, ("{" + name + "}").replace("\\", r"\\"), address)] += 1
    best, count = next(iter(templates.most_common(1)), ("", 0))
    return best if count >= _SEEN * len(titles) else ""


def _best(columns: Mapping[str, list[str]], points: Callable[[str, list[str]], float]) -> str:
    """The expression with most points; "" where none has any."""
    scored = {name: points(name, values) for name, values in columns.items()}
    best = max(scored, key=lambda name: scored[name], default="")
    return best if best and scored[best] > 0 else ""


def _share(values: Sequence[str], holds: Callable[[str], object]) -> float:
    return sum(bool(each and holds(each)) for each in values) / len(values)


def _as_title(name: str, values: list[str], now: datetime) -> float:
    filled = [each for each in values if each]
    is_named = bool(_TITLE.fullmatch(name))
    if 2 * len(filled) < len(values) or not (is_named or _NAMED.fullmatch(name)) or _TITLE_OF_ELSE.search(name):
        return 0
    if (
        _share(filled, lambda each: resolve("", each) or each.isdigit() or len(each) > 500) > 0.2
        or _dated(filled, now) > 0.5
    ):
        return 0
    distinct = len(set(filled)) / len(filled)
    wide = min(sum(map(width, filled)) / len(filled), 60.0)
    # What stands nearer to the row is its own.
    return wide * distinct * (3 if is_named else 1) / (1 + 0.1 * name.count("."))


def _as_link(name: str, values: list[str], base: str) -> float:
    addresses = [resolve(base, each) or "" for each in values if each]
    if 2 * len(addresses) < len(values) or not _LINK.fullmatch(name) or _LINK_OF_ELSE.search(name):
        return 0
    if _share(values, lambda each: each.startswith(("http://", "https://", "/"))) < 0.5:
        return 0
    if _share(addresses, lambda each: _NO_PAGE.search(urlsplit(each).path)) > 0.2:
        return 0
    distinct = len(set(addresses)) / len(addresses)
    return distinct / (1 + 0.1 * name.count(".")) if distinct > 0.8 else 0


def _said(value: Any) -> str:
    return next(iter(date_text(value)), "")


def _dated(values: Sequence[str], now: datetime) -> float:
    return _share(values, lambda each: parse_date(each, now=now))


def _as_date(name: str, values: list[str], now: datetime) -> float:
    if not _DATE.fullmatch(name) or (share := _dated(values, now)) < 0.6:
        return 0
    worth = 3.0 if _DATE_BEST.search(name) else 2.0
    return share * (worth / 4 if _DATE_OF_ELSE.search(name) else worth) / (1 + 0.1 * name.count("."))


def _as_id(name: str, values: list[str]) -> float:
    if not _ID.fullmatch(name) or not all(values) or len(set(values)) < len(values):
        return 0
    own = name.rpartition(".")[2]
    if _ID_OF_ELSE.search(own) and not own.lower().endswith(("articleid", "postid", "nttid")):
        return 0
    numbers = [int(each) for each in values if each.isascii() and each.isdigit() and len(each) < 19]
    if len(numbers) == len(values) and numbers[0] < 2 and all(b == a + 1 for a, b in pairwise(numbers)):
        # The rows' own numbers: those of a post do not change when a newer one comes.
        return 0
    return _ID_WORTH.get(own.lower(), 1.0) / (1 + name.count("."))
