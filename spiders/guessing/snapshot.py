"""A page as one may look at it while none of it runs: its texts, in boxes, each with its element's number. Pure.

What comes out holds three things alone: `<div class=…>` with classes of ours, `<a href=NUMBER>`, and escaped text. So
nothing of the page is a script, an address, a style or a form there, and it does not matter how its markup is broken.
"""

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lxml import etree

from spiders.guessing.titles import found_in
from spiders.reading.selectors import compile_selector
from spiders.reading.text import BLOCKS, UNREAD, clean, element_text, shorten, unescaped

PIECES: Final = 3_000
"""Texts of a page that are shown; a browser lays out as many in no time."""
PIECE_LENGTH: Final = 300
DEEPEST: Final = 40
"""Boxes in each other; what is deeper stands in the last one. Browsers stop at some hundred themselves."""
MARKED_ROWS: Final = 300
ROW_PIECES: Final = 24
_KINDS: Final = (
    {"table": "t", "tr": "r", "td": "c", "th": "c", "li": "l", "dd": "l", "p": "p", "dl": "p", "ul": "p", "ol": "p"}
    | dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), "h")
    | dict.fromkeys(("tbody", "thead", "tfoot"), "g")
)
"""Our class for a page's tag; other blocks have none."""
_UNSHOWN: Final = UNREAD | {"title", "iframe", "object", "embed", "math", "canvas", "audio", "video", "option"}
_MARKED: Final = ("title", "date", "author")


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What is shown of a page."""

    # Of `div` and `a` elements.
    html: str
    # What stands in the first row that has a title: the number of an element, and its text.
    pieces: Sequence[tuple[int, str]]
    # Whether the page has more than is shown.
    is_cut: bool


def elements_of(root: etree._Element) -> Sequence[etree._Element]:
    """The elements of a page; the place in this list is an element's number."""
    return list(root.iter(etree.Element))


def snapshot(root: etree._Element, params: Mapping[str, Any]) -> Snapshot:
    """Show a page, with the rows and their parts marked as a listing's parameters say, if they say any."""
    elements = elements_of(root)
    row_selector = str(params.get("row") or "")
    rows = compile_selector(row_selector).elements(root)[:MARKED_ROWS] if row_selector else []
    found = {role: found_in(str(params[role]), rows) for role in _MARKED if params.get(role)}
    marks = {element: role for role, pairs in found.items() for _, element in pairs}
    writer = _Writer(numbers={each: n for n, each in enumerate(elements)}, rows=set(rows), marks=marks)
    body = next(root.iter("body"), root)
    writer.write(_beginning(body, rows))
    first = next((row for row, _ in found.get("title", [])), next(iter(rows), None))
    return Snapshot(
        html="".join(writer.parts),
        pieces=[] if first is None else list(_pieces(first, writer.numbers)),
        is_cut=writer.is_full,
    )


def _beginning(body: etree._Element, rows: Sequence[etree._Element]) -> etree._Element:
    """The body, or of a page that is too long what the rows stand in."""
    if not rows or sum(1 for _ in body.iter(etree.Element)) <= PIECES:
        return body
    parent = rows[0].getparent()
    return body if parent is None else parent


def _pieces(row: etree._Element, numbers: Mapping[etree._Element, int]) -> Iterator[tuple[int, str]]:
    """The elements of a row that have a text of their own, each with all that it says."""
    count = 0
    for element in row.iter(etree.Element):
        own = (element.text, *(child.tail for child in element))
        if element.tag in _UNSHOWN or not any(clean(text or "") for text in own):
            continue
        yield numbers[element], shorten(element_text(element), 80)
        count += 1
        if count == ROW_PIECES:
            break


@dataclass
class _Writer:
    """Writes what is shown, from a page's start to its end, without recursion."""

    numbers: Mapping[etree._Element, int]
    rows: set[etree._Element]
    marks: Mapping[etree._Element, str]
    parts: list[str] = field(default_factory=list)
    # The boxes around the place that is written at: the element, its box's class, whether it is opened.
    _boxes: list[tuple[etree._Element, str]] = field(default_factory=list)
    _opened: int = 0
    _roles: list[tuple[etree._Element, str]] = field(default_factory=list)
    _count: int = 0

    @property
    def is_full(self) -> bool:
        return self._count >= PIECES

    def write(self, top: etree._Element) -> None:
        walk = etree.iterwalk(top, events=("start", "end", "comment", "pi"))
        for event, element in walk:
            if self.is_full:
                break
            if event == "start":
                if element.tag in _UNSHOWN:
                    walk.skip_subtree()
                    continue
                self._begin(element)
                self._text(element.text, element)
                continue
            if event == "end":
                self._end(element)
            if element is not top:
                self._text(element.tail, element.getparent())
        self.parts.append("</div>" * self._opened)

    def _begin(self, element: etree._Element) -> None:
        is_row = element in self.rows
        if (is_row or element.tag in BLOCKS) and len(self._boxes) < DEEPEST:
            kind = f"{_KINDS.get(element.tag, '')}{' row' if is_row else ''}".strip()
            self._boxes.append((element, kind))
        if element in self.marks:
            self._roles.append((element, self.marks[element]))

    def _end(self, element: etree._Element) -> None:
        if self._boxes and self._boxes[-1][0] is element:
            self._boxes.pop()
            if self._opened > len(self._boxes):
                self._opened -= 1
                self.parts.append("</div>")
        if self._roles and self._roles[-1][0] is element:
            self._roles.pop()

    def _text(self, text: str | None, element: etree._Element) -> None:
        said = shorten(clean(unescaped(text or "")), PIECE_LENGTH)
        if not said:
            return
        # Only boxes with something in them are there.
        for _, kind in self._boxes[self._opened :]:
            self.parts.append(f'<div class="{kind}">' if kind else "<div>")
        self._opened = len(self._boxes)
        mark = f' class="{self._roles[-1][1]}"' if self._roles else ""
        self.parts.append(f'<a href="{self.numbers[element]}"{mark}>{html.escape(said)}</a> ')
        self._count += 1
