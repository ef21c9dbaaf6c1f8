"""Guesses which elements of a page are a board's rows, and where in them title, date and marks are. Pure."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from lxml import etree

from spiders.guessing.element_names import (
    ADS,
    FURNITURE,
    NAME,
    PINNED,
    is_furniture,
    names_in_row,
    names_of_leaf,
    selectors_of,
    words_of,
)
from spiders.reading.dates import parse_date
from spiders.reading.identity import resolve
from spiders.reading.selectors import compile_selector
from spiders.reading.text import element_text

_FEWEST: Final = 4
_DEEPEST: Final = 7
_CANDIDATES: Final = 60
_SAMPLE: Final = 40
_TITLED: Final = re.compile(
    r"title|titles|subject|headline|heading|tit|subj|topictitle|storylink|titleline", re.IGNORECASE
)
_DOCUMENT: Final = re.compile(r"\.(?:pdf|hwpx?|docx?|xlsx?|zip|jpg|png)\b", re.IGNORECASE)
_HEADINGS: Final = ("h1", "h2", "h3", "h4")
_BADGE: Final = re.compile(r"n|new!?|hot|up|neu|nuevo|새\s?글|新着|新|최신|공지|첨부파일|icon", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class RowGuess:
    """Parameters for a listing, and how sure the guess is compared with others on the page."""

    params: dict[str, Any]
    score: float


def guess_rows(root: etree._Element, base: str, now: datetime) -> RowGuess | None:
    """The likeliest rows of a page; None where nothing repeats that looks like a list of posts."""
    guesses = (_judged(selector, rows, base, now) for selector, rows in _candidates(root))
    best = max((guess for guess in guesses if guess), key=lambda guess: guess.score, default=None)
    return best if best and best.score > 0 else None


def _candidates(root: etree._Element) -> Iterator[tuple[str, list[etree._Element]]]:
    """Selectors that match several elements with a link each, the most promising first."""
    support: Counter[str] = Counter()
    furniture = _furniture(root)
    for anchor in root.iter("a"):
        text = element_text(anchor)
        if len(text) < 2 or not _is_pressable(anchor) or not furniture.isdisjoint(anchor.iterancestors()):
            continue
        element: etree._Element | None = anchor
        for _ in range(_DEEPEST):
            if element is None or element.tag in {"body", "html"}:
                break
            for selector in selectors_of(element):
                support[selector] += min(len(text), 60)
            element = element.getparent()
    for selector, _ in support.most_common(_CANDIDATES):
        rows = compile_selector(selector).elements(root)
        if len(rows) >= _FEWEST:
            yield selector, rows


def _is_pressable(anchor: etree._Element) -> bool:
    return bool(anchor.get("href") or anchor.get("onclick"))


def _furniture(root: etree._Element) -> set[etree._Element]:
    """Menus, footers and side columns; not an unclosed one that holds most of the page."""
    most = 0.4 * sum(1 for _ in root.iter("a"))
    return {
        each
        for each in root.iter("nav", "footer", "header", "div", "ul", "aside")
        if (each.tag in {"nav", "footer"} or FURNITURE.fullmatch(each.get("class") or ""))
        and sum(1 for _ in each.iter("a")) < most
    }


def _judged(selector: str, rows: list[etree._Element], base: str, now: datetime) -> RowGuess | None:
    sample = rows[:_SAMPLE]
    title = _title_selector(sample, base)
    if title is None:
        return None
    titles = [(row, found[0]) for row in sample if (found := compile_selector(title, in_row=True).elements(row))]
    if _title_is_around(titles):
        # A number or code is the link and the title stands beside it.
        title, titles = ".", [(row, row) for row, _ in titles]
    texts = [element_text(anchor) for _, anchor in titles]
    if len(texts) < _FEWEST:
        return None
    coverage = len(texts) / len(sample)
    distinct = min(1.0, 1.3 * len(set(texts)) / len(texts))
    per_row = sum(len(compile_selector(title, in_row=True).elements(row)) for row, _ in titles) / len(titles)
    length = sum(min(len(text), 60) for text in texts) / len(texts)
    date, dated = _date_selector(titles, now)
    score = min(len(rows), 30) ** 0.4 * length * coverage**2 * distinct * (1 + 1.5 * dated) / per_row**2
    score *= _standing(rows[0], titles[0][1])
    params: dict[str, Any] = {"row": selector, "title": title}
    if date:
        params["date"] = date
    params |= _marks(rows, titles) | _identity(title, [anchor for _, anchor in titles], base)
    return RowGuess(params=params, score=score if length >= 6 or dated > 0.5 else score / 4)


def _title_is_around(titles: list[tuple[etree._Element, etree._Element]]) -> bool:
    sample = [(element_text(row), element_text(anchor)) for row, anchor in titles if row is not anchor]
    if len(sample) < _FEWEST or any(row.tag not in {"li", "p", "dt", "dd"} for row, _ in titles):
        return False
    alone = all(len(list(row.iter("a"))) == 1 for row, _ in titles)
    code = sum(len(anchor) for _, anchor in sample) / len(sample)
    return alone and code < 12 and sum(len(row) for row, _ in sample) / len(sample) > code + 10


def _standing(row: etree._Element, anchor: etree._Element) -> float:
    """What the place and kind of a row say for it: main text before side columns, whole rows before their parts."""
    standing = 1.0 - 0.02 * min(20, len(list(row.iterancestors())))
    if any(is_furniture(each) for each in [row, *row.iterancestors()][:4]):
        standing *= 0.4
    if row.tag == "a":
        # The element around the anchor usually holds the date as well.
        standing *= 0.7
    if row.tag in {"article", "tr"}:
        standing *= 1.2
    around = [anchor, *anchor.iterancestors()][:3]
    if any(each.tag in _HEADINGS for each in around) or any(True for _ in anchor.iter(*_HEADINGS)):
        standing *= 1.2
    return standing


def _title_selector(rows: list[etree._Element], base: str) -> str | None:
    """The anchor that most rows have once and that says most, where its addresses differ from row to row."""
    words: Counter[str] = Counter()
    uses: Counter[str] = Counter()
    rows_with: Counter[str] = Counter()
    addresses: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        seen: set[str] = set()
        for anchor in row.iter("a"):
            text = element_text(anchor)
            if not text or not _is_pressable(anchor):
                continue
            for name in names_in_row(anchor, row):
                uses[name] += 1
                if name in seen:
                    continue
                seen.add(name)
                rows_with[name] += 1
                words[name] += int(min(len(text), 80) * _is_title_like(anchor, row))
                href = anchor.get("href") or ""
                addresses[name].add(resolve(base, href) or f"{href}{anchor.get('onclick')}{sorted(anchor.items())}")
    useful = [name for name in words if len(addresses[name]) > 0.5 * rows_with[name]]

    def worth(name: str) -> tuple[float, bool, int]:
        alone = (rows_with[name] / uses[name]) ** 2
        return words[name] * len(addresses[name]) * alone, name.startswith("a."), -len(name)

    return max(useful, key=worth, default=None)


def _is_title_like(anchor: etree._Element, row: etree._Element) -> float:
    """More than one for an anchor that is named or set as a title, less for an attachment."""
    if _DOCUMENT.search(element_text(anchor)):
        return 0.4
    for element in (anchor, *anchor.iterancestors()):
        if element is row:
            break
        if element.tag in _HEADINGS or any(_TITLED.fullmatch(word) for word in words_of(element)):
            return 2.0
    return 1.0


def _date_selector(titles: list[tuple[etree._Element, etree._Element]], now: datetime) -> tuple[str, float]:
    """Where most rows say a date, and in which part of the rows."""
    rows_with: Counter[str] = Counter()
    for row, anchor in titles:
        seen: set[str] = set()
        for element in row.iter("time", "td", "span", "div", "li", "p", "em", "small", "dd", "dt", "abbr", "i"):
            if len(element) > 4 or any(each is anchor for each in element.iter("a")):
                continue
            text = element.get("datetime") or element_text(element)
            if not 3 <= len(text) <= 60 or text.isdigit() or parse_date(text, now=now) is None:
                continue
            for name in names_of_leaf(element):
                if name not in seen:
                    seen.add(name)
                    rows_with[name] += 2 if element.tag == "time" else 1
    if not rows_with:
        return "", 0.0
    best, count = max(
        rows_with.items(), key=lambda each: (min(each[1], len(titles)), "time" in each[0], "." in each[0])
    )
    part = min(1.0, count / len(titles))
    return (best, part) if part > 0.5 else ("", 0.0)


def _marks(rows: list[etree._Element], titles: list[tuple[etree._Element, etree._Element]]) -> dict[str, Any]:
    """Classes of some rows that say pinned or advertising, and badges inside the titles."""
    classes = Counter(name for row in rows for name in set((row.get("class") or "").split()))
    some = [name for name, count in classes.items() if count < len(rows) and NAME.fullmatch(name)]
    marks: dict[str, Any] = {}
    if pinned := [f".{name}" for name in some if PINNED.fullmatch(name)]:
        marks["pinned"] = ", ".join(pinned)
    if ads := [f".{name}" for name in some if ADS.fullmatch(name)]:
        marks["skip"] = ads
    badges = {
        f"{child.tag}.{names[0]}"
        for _, anchor in titles
        for child in anchor.iter("span", "em", "i", "b", "strong", "img")
        if (names := (child.get("class") or "").split()) and _BADGE.fullmatch(element_text(child))
    }
    return marks | ({"strip": sorted(badges)} if badges else {})


def _identity(title: str, anchors: list[etree._Element], base: str) -> dict[str, Any]:
    """Where the id is when the addresses are scripts: an attribute whose values differ from row to row."""
    if any(resolve(base, anchor.get("href") or "") for anchor in anchors):
        return {}
    names = {name for anchor in anchors for name in anchor.attrib if name.startswith("data-")} | {"onclick", "href"}
    distinct = {name: len({anchor.get(name) for anchor in anchors}) for name in names}
    best = max(distinct, key=lambda name: (distinct[name], name.startswith("data-")))
    return {"id": f"{title}::attr({best})"} if distinct[best] > len(anchors) / 2 and title != "." else {}
