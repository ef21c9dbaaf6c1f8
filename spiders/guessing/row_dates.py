"""Where the rows of a board say when they were posted. Pure."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from spiders.guessing.element_names import names_in_row, names_of_leaf, stable_classes, words_of
from spiders.guessing.seen import Seen
from spiders.guessing.titles import Titled
from spiders.reading.selectors import compile_selector
from spiders.reading.text import element_text

_LEAVES: Final = (
    "time", "td", "th", "span", "div", "li", "p", "em", "small", "dd", "dt", "abbr", "i", "b", "strong", "font"
)  # fmt: skip
_YEAR: Final = re.compile(r"(?:19|20)\d\d")
_CLOCK: Final = re.compile(r"\d{1,2}[:.]\d\d(?:[:.]\d\d)?(?:\s*[\w.]+)?")
_ENOUGH: Final = 0.5
_MOST: Final = 0.9
_POSTED: Final = re.compile(
    r"post(?:ed)?|publish\w*|pub|reg|regist\w*|created?|written|wdate|dated?|time|datetime|timestamp|age|"
    r"작성일?|등록일?|게시일?|날짜|日付|投稿日?|掲載日?|日期|发布|發佈|发表|fecha|datum|data",
    re.IGNORECASE,
)
_OTHER: Final = re.compile(
    r"last\w*|latest|updated?|modif\w*|edit\w*|repl(?:y|ies)|file|filed|end|ends|close\w*|deadline|due|expir\w*|until|"
    r"event|마감일?|종료일?|접수|수정일?|締切|更新|截止",
    re.IGNORECASE,
)


@dataclass
class _Slot:
    """What one name finds: of each row the first element that says a date."""

    found: Titled = field(default_factory=list)
    # Elements of the name, whatever they say.
    uses: int = 0
    length: int = 0
    # 1 for each row where the element, or its column's head, says that it is the posting's date; -1 for another's.
    said: int = 0
    machine: int = 0
    clocks: int = 0

    def worth(self, rows: int, name: str) -> tuple[object, ...]:
        """Most rows first, and no clock without its day; then what says so, what a machine reads, what is short."""
        count = len(self.found)
        covered = round(min(1.0, count / rows), 1)
        alone = round(min(1.0, count / self.uses), 1)
        part = self.clocks > 0.9 * count
        said = round(self.said / count)
        return covered, not part, said, self.machine > count / 2, alone, -self.length / count, _lasting(name)

    def add(self, row: etree._Element, element: etree._Element, text: str) -> None:
        self.found.append((row, element))
        self.length += len(text)
        self.said += _said(element)
        self.machine += element.tag == "time"
        self.clocks += bool(_CLOCK.fullmatch(text))


def _lasting(name: str) -> tuple[bool, bool, bool, int]:
    """Classes and kinds of elements outlast places, and names that lean on nothing around outlast others."""
    return not re.search(r":(?:nth|last)", name), " " not in name, "." in name, -len(name)


@dataclass(frozen=True)
class DateGuess:
    """The selector of the dates, "" where there is none, and the share of the rows that it finds one in."""

    selector: str = ""
    share: float = 0.0


def date_of(titles: Titled, seen: Seen) -> DateGuess:
    """Where most rows, or the lines below them, say a date."""
    inside = _best(titles, lambda element, row: (*names_of_leaf(element), *names_in_row(element, row)), seen)
    return inside if inside.selector else _in_next_line(titles, seen)


def _in_next_line(titles: Titled, seen: Seen) -> DateGuess:
    """The date in the table's row below, where a post takes two of them."""
    rows = {row for row, _ in titles}
    below = [(line, line) for row, _ in titles if (line := row.getnext()) is not None and line.tag == "tr"]
    if len(below) < len(titles) or any(line in rows for line, _ in below):
        return DateGuess()
    found = _best(below, lambda element, _: [f"{element.tag}.{name}" for name in stable_classes(element)], seen)
    if not found.selector:
        return found
    tag, _, name = found.selector.partition(".")
    return DateGuess(f"xpath:following-sibling::tr[1]//{tag}[has-class('{name}')]", found.share)


def _best(titles: Titled, names: Callable[[etree._Element, etree._Element], Iterable[str]], seen: Seen) -> DateGuess:
    slots: defaultdict[str, _Slot] = defaultdict(_Slot)
    for row, title in titles:
        around = {title, *title.iterancestors()}
        named: set[str] = set()
        for element in row.iter(*_LEAVES):
            if element in around or len(element) > 4:
                continue
            text = seen.date_text(element)
            for name in dict.fromkeys(names(element, row)):
                slot = slots[name]
                slot.uses += 1
                if text and name not in named:
                    named.add(name)
                    slot.add(row, element, text)
    dated = {name: slot for name, slot in slots.items() if slot.found}
    for name in sorted(dated, key=lambda name: slots[name].worth(len(titles), name), reverse=True):
        share = min(1.0, len(slots[name].found) / len(titles))
        if share > _ENOUGH and _reads(name, slots[name], seen) > _MOST:
            name = _surest(name, dated, seen)
            return DateGuess(name + _fuller_attribute(slots[name], seen), share)
    return DateGuess()


def _surest(name: str, slots: Mapping[str, _Slot], seen: Seen) -> str:
    """The name, or another one of the same elements where it finds something else before them in some rows."""
    if _reads(name, slots[name], seen) == 1:
        return name
    same = [other for other, slot in slots.items() if slot.found == slots[name].found]
    return next((other for other in sorted(same) if _reads(other, slots[other], seen) == 1), name)


def _fuller_attribute(slot: _Slot, seen: Seen) -> str:
    """The tooltip, where it says the day and the text beside it only "09:10" or "4 hours ago"."""
    tooltips = ["" if element.get("datetime") else element.get("title") or "" for _, element in slot.found]
    said = [text for text in tooltips if _YEAR.search(text) and seen.is_date(text)]
    shown = sum(bool(_YEAR.search(seen.text(element))) for _, element in slot.found)
    return "::attr(title)" if len(said) == len(tooltips) and 2 * shown < len(tooltips) else ""


def _reads(name: str, slot: _Slot, seen: Seen) -> float:
    """In which share of the rows a name, asked in whole rows, finds these dates and no other before them."""
    compiled = compile_selector(name, in_row=True)
    right = 0
    for row, element in slot.found:
        first = next((each for each in compiled.elements(row) if seen.date_text(each)), None)
        right += first is None or first is element or seen.text(first) == seen.text(element)
    return right / len(slot.found)


def _said(element: etree._Element) -> int:
    words = {*words_of(element), *re.split(r"\W+", _column(element).lower())} - {""}
    if any(_OTHER.fullmatch(word) for word in words):
        return -1
    return int(any(_POSTED.fullmatch(word) for word in words))


def _column(element: etree._Element) -> str:
    """What the head of a cell's column says."""
    cell = next((each for each in (element, *element.iterancestors()) if each.tag == "td"), None)
    if cell is None:
        return ""
    place = sum(1 for _ in cell.itersiblings(etree.Element, preceding=True))
    table = next(cell.iterancestors("table"), None)
    head: Sequence[etree._Element] = [] if table is None else _heads(table)
    return element_text(head[place]) if place < len(head) else ""


def _heads(table: etree._Element) -> Sequence[etree._Element]:
    lines: Iterable[etree._Element] = table.iter("tr")
    for line in lines:
        heads = list(line.iterchildren("th"))
        if len(heads) > 1:
            return heads
    return []
