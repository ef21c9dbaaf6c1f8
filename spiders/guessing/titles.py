"""Where the rows of a board have their titles: which link, and which part of it. Pure."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from spiders.guessing.element_names import HEADINGS, names_in_row, path_in_row, words_of
from spiders.guessing.seen import Seen
from spiders.reading.identity import resolve
from spiders.reading.selectors import compile_selector
from spiders.reading.text import element_text

_TITLED: Final = re.compile(
    r"title|titles|subject|headline|heading|tit|subj|topictitle|storylink|titleline", re.IGNORECASE
)
_DOCUMENT: Final = re.compile(r"\.(?:pdf|hwpx?|docx?|xlsx?|zip|jpg|png)\b", re.IGNORECASE)
_BOLD: Final = re.compile(r"font-weight\s*:\s*(?:bold|[6-9]00)", re.IGNORECASE)
PRESSED: Final = ("onclick", "ondblclick", "data-href", "data-url", "data-link")
_SCRIPTED: Final = frozenset({"tr", "td", "th", "li", "span", "div", "p", "dl", "dt", "dd", "b", "strong", "article"})
_WIDE: Final = re.compile(r"[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]")
_COUNT: Final = re.compile(r"[\[(]?\s*\+?\d[\d,.]*\s?[kKmM만천]?\s*[\])]?")
_TEASER: Final = 70
"""Columns: what is longer on the average, beside something shorter, is a text's beginning rather than its title."""
_MOST: Final = 0.8
_NAMES: Final = 12
_KNOWN: Final = 50.0
"""What a title that a stored post has is worth, beside what only looks like one."""

Titled = list[tuple[etree._Element, etree._Element]]
"""Rows, each with the element that holds its title."""


def width(text: str) -> int:
    """How long a text looks: Korean, Chinese and Japanese signs say, and are as wide as, two Latin ones."""
    return len(text) + len(_WIDE.findall(text))


def pressables(root: etree._Element) -> Iterator[etree._Element]:
    """The links of a row or page: anchors, and elements that a script is told by `onclick` to open."""
    for element in root.iter(etree.Element):
        if element.tag == "a":
            if element.get("href") or element.get("onclick"):
                yield element
        elif element.tag in _SCRIPTED and any(element.get(name) for name in PRESSED):
            yield element


def is_titled(element: etree._Element, row: etree._Element) -> bool:
    """Whether an element, or one around it in its row, is a heading or calls itself a title."""
    for each in (element, *element.iterancestors()):
        if each.tag in HEADINGS or any(_TITLED.fullmatch(word) for word in words_of(each)):
            return True
        if each is row:
            break
    return False


@dataclass
class _Slot:
    """What one name finds in the rows; of several in a row, the first counts."""

    found: Titled = field(default_factory=list)
    uses: int = 0

    @property
    def alone(self) -> float:
        """1 where it finds one element a row, less the more there are."""
        return len(self.found) / self.uses


def _slots(
    rows: Sequence[etree._Element],
    elements: Callable[[etree._Element], Iterable[etree._Element]],
    names: Callable[[etree._Element, etree._Element], Iterable[str]] = names_in_row,
) -> dict[str, _Slot]:
    slots: defaultdict[str, _Slot] = defaultdict(_Slot)
    for row in rows:
        seen: set[str] = set()
        for element in elements(row):
            for name in dict.fromkeys(names(element, row)):
                slot = slots[name]
                slot.uses += 1
                if name not in seen:
                    seen.add(name)
                    slot.found.append((row, element))
    return slots


def link_selector(rows: Sequence[etree._Element], base: str, seen: Seen) -> str | None:
    """The link that most rows have once and that says most, where its addresses differ from row to row."""
    slots = _slots(rows, lambda row: [each for each in pressables(row) if seen.text(each)])
    worths: dict[str, tuple[float, bool, int]] = {}
    for name, slot in slots.items():
        addresses = {_address(element, base) for _, element in slot.found}
        if len(addresses) <= 0.5 * len(slot.found):
            continue
        words = sum(min(width(seen.text(element)), 80) * _likely(element, row, seen) for row, element in slot.found)
        worths[name] = (words * len(addresses) * slot.alone**2, name.startswith("a."), -len(name))
    likely = sorted(worths, key=lambda name: worths[name], reverse=True)
    return next((name for name in likely if _finds(name, slots[name], rows, seen)), None)


def _address(element: etree._Element, base: str) -> str:
    href = element.get("href") or ""
    return resolve(base, href) or f"{href}{element.get('onclick')}{sorted(element.items())}"


def _likely(element: etree._Element, row: etree._Element, seen: Seen) -> float:
    """More than one for a link that is named or set as a title, less for an attachment."""
    if seen.is_known(element):
        return _KNOWN
    if _DOCUMENT.search(seen.text(element)):
        return 0.4
    return 2.0 if element is not row and is_titled(element, row) else 1.0


def title_is_around(titles: Titled, seen: Seen) -> bool:
    """Whether a number or code is the link, and the title stands beside it in the row."""
    sample = [(seen.text(row), seen.text(anchor)) for row, anchor in titles if row is not anchor]
    if len(sample) < 3 or any(row.tag not in {"li", "p", "dt", "dd"} for row, _ in titles):
        return False
    alone = all(len(list(row.iter("a"))) == 1 for row, _ in titles)
    code = sum(len(anchor) for _, anchor in sample) / len(sample)
    return alone and code < 12 and sum(len(row) for row, _ in sample) / len(sample) > code + 10


def part_selector(links: Titled, seen: Seen) -> str | None:
    """The part of the links that is the title, where they hold more: teaser, date, author, counter. Else None."""
    inside = {row: parts for row, link in links if len(parts := list(_parts(link, seen))) > 1}
    if len(inside) < 0.5 * len(links):
        return None
    slots = _slots(list(inside), lambda row: inside[row], lambda part, row: _names_of_part(part, row, seen))
    kinds = [_PartKind.of(name, slot, len(inside), seen) for name, slot in slots.items()]
    if not any(kind.is_no_title for kind in kinds):
        return None
    likely = sorted((kind for kind in kinds if kind.may_be_title), key=lambda kind: kind.worth, reverse=True)
    rows = [row for row, _ in links]
    return next((kind.name for kind in likely if _finds(kind.name, slots[kind.name], rows, seen)), None)


def _finds(name: str, slot: _Slot, rows: Sequence[etree._Element], seen: Seen) -> bool:
    """Whether a name, asked in whole rows, finds the same elements, or some that say the same."""
    found = dict(found_in(name, rows))
    same = [seen.text(found[row]) == seen.text(element) for row, element in slot.found if row in found]
    return sum(same) > 0.9 * len(slot.found)


def _names_of_part(part: etree._Element, row: etree._Element, seen: Seen) -> Iterator[str]:
    """Its own names, and those of what holds nothing else."""
    text = seen.text(part)
    element = part
    while element is not row and element.tag != "a" and seen.text(element) == text:
        yield from names_in_row(element, row)
        element = element.getparent()
    yield path_in_row(part, row)


def _parts(link: etree._Element, seen: Seen) -> Iterator[etree._Element]:
    """The topmost elements in a link that hold text of their own; the link itself where it does."""
    if _own_text(link):
        yield link
        return
    for child in link.iterchildren(etree.Element):
        if seen.text(child):
            yield from _parts(child, seen)


def _own_text(element: etree._Element) -> bool:
    texts = (element.text, *(child.tail for child in element))
    return any(text and re.search(r"\w", text) for text in texts)


@dataclass(frozen=True, kw_only=True)
class _PartKind:
    """What one part of the links mostly is."""

    name: str
    # Shares of the links that hold it, and of those in which it is alone of its name.
    covered: float
    alone: float
    distinct: float
    width: float
    titled: float
    bold: float
    # Shares that are a date, a number such as a counter, and the title of a stored post.
    dates: float
    counts: float
    known: float

    @classmethod
    def of(cls, name: str, slot: _Slot, links: int, seen: Seen) -> "_PartKind":
        texts = [seen.text(element) for _, element in slot.found]
        count = len(texts)
        return cls(
            name=name,
            covered=count / links,
            alone=slot.alone,
            distinct=len(set(texts)) / count,
            width=sum(map(width, texts)) / count,
            titled=sum(_is_title(element, row) for row, element in slot.found) / count,
            bold=sum(_is_bold(element) for _, element in slot.found) / count,
            dates=sum(len(text) < 40 and seen.is_date(text) for text in texts) / count,
            counts=sum(bool(_COUNT.fullmatch(text)) for text in texts) / count,
            known=sum(seen.is_known(element) for _, element in slot.found) / count,
        )

    @property
    def is_no_title(self) -> bool:
        """Whether it shows that the link holds more than a title."""
        return self.covered > 0.5 and max(self.dates, self.titled, self.known, self.width > _TEASER) > 0.5

    @property
    def may_be_title(self) -> bool:
        likely = self.distinct > 0.5 and self.dates < 0.5 and self.counts < 0.5
        return self.covered >= _MOST and (likely or self.known > 0.5)

    @property
    def worth(self) -> tuple[float, bool, int]:
        said = min(self.width, 40) / 20 - (self.width > _TEASER)
        worth = (_KNOWN * self.known + 3 * self.titled + 1.5 * self.bold + said) * self.covered**2 * self.alone**2
        return round(worth, 2), not self.name.startswith("xpath:"), -len(self.name)


def _is_title(element: etree._Element, row: etree._Element) -> bool:
    """Whether a part is a heading or is named as a title within its link; the link's own name says nothing."""
    while element is not row and element.tag != "a":
        if element.tag in HEADINGS or any(_TITLED.fullmatch(word) for word in words_of(element)):
            return True
        element = element.getparent()
    return False


def _is_bold(element: etree._Element) -> bool:
    return element.tag in {"b", "strong"} or bool(_BOLD.search(element.get("style") or ""))


def known_selector(rows: Sequence[etree._Element], seen: Seen) -> str | None:
    """The name under which most rows first say the title of a stored post; None where none says one."""
    slots = _slots(rows, lambda row: [each for each in row.iter(etree.Element) if seen.is_known(each)])

    def worth(name: str) -> tuple[int, bool, int]:
        says = sum(seen.is_known(element) for _, element in found_in(name, rows))
        return says, "." in name and ":" not in name, -len(name)

    likely = sorted(slots, key=lambda name: len(slots[name].found), reverse=True)[:_NAMES]
    return max(likely, key=worth, default=None)


def found_in(selector: str, rows: Iterable[etree._Element]) -> Titled:
    """Each row with the first element that a selector finds in it and that says something."""
    compiled = compile_selector(selector, in_row=True)
    return [
        (row, speaking)
        for row in rows
        if (speaking := next((each for each in compiled.elements(row) if element_text(each)), None)) is not None
    ]


def per_row(selector: str, rows: Sequence[etree._Element]) -> float:
    """How many speaking elements a selector finds in a row, on the average."""
    compiled = compile_selector(selector, in_row=True)
    counts: Counter[int] = Counter(sum(1 for each in compiled.elements(row) if element_text(each)) for row in rows)
    return sum(number * times for number, times in counts.items()) / max(1, len(rows))
