"""From one element that somebody points at to selectors that hold for every row of its page. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from lxml import etree

from spiders.errors import SpiderError
from spiders.guessing.element_names import (
    ADS,
    PINNED,
    names_in_row,
    names_of_leaf,
    path_in_row,
    selectors_of,
    stable_classes,
    with_class,
)
from spiders.guessing.row_guess import RowGuess, guess_from
from spiders.guessing.seen import Seen
from spiders.guessing.titles import found_in, link_selector
from spiders.reading.selectors import compile_selector

ROW: Final = "row"
ROLES: Final = (ROW, "title", "date", "author", "link")
"""What an element can be made; each is a parameter of a listing."""
_FROM_ROW: Final = frozenset(
    {ROW, "title", "link", "date", "author", "body", "pinned", "skip", "strip", "id", "link_template"}
)
"""The parameters that were found in the rows before, and mean nothing in others."""
_DEEPEST: Final = 7
_LONGEST_WAY: Final = 30
"""Steps that are compared; hostile pages nest thousands of elements."""
_SAMPLE: Final = 200

Kind = tuple[tuple[str, frozenset[str]], ...]
"""What an element is, as one sees from its page: tags and lasting classes on the way to it."""


class PickError(SpiderError):
    """The element cannot be what it is to be."""


def picked(
    element: etree._Element, role: str, params: Mapping[str, Any], root: etree._Element, base: str, seen: Seen
) -> dict[str, Any]:
    """A listing's parameters in which an element, and those like it in other rows, have a role. Raises PickError.

    A row brings its own title and date; anything else is looked for in the rows that `params` has, and in new ones when
    it stands outside of them.
    """
    if role == ROW:
        return _with_rows(params, _rows_around(element, root, base, seen, not_these=str(params.get(ROW) or "")))
    rows = compile_selector(str(params[ROW])).elements(root) if params.get(ROW) else []
    row = _row_of(element, rows)
    if row is None:
        params = _with_rows(params, _rows_around(element, root, base, seen))
        rows = compile_selector(str(params[ROW])).elements(root)
        row = _row_of(element, rows)
    assert row is not None
    found = dict(params) | {role: name_in_rows(element, row, rows)}
    if role == "title" and not found.get("link") and not _is_in_link(element, row):
        # A title without a link of its own: the post is where the row's link leads.
        link = link_selector(rows[:_SAMPLE], base, seen)
        found |= {"link": link} if link else {}
    return found


def name_in_rows(element: etree._Element, row: etree._Element, rows: Sequence[etree._Element]) -> str:
    """The selector that finds the element in its row, its like in the other rows, and nothing where there is none."""
    rows = [row, *(each for each in rows[:_SAMPLE] if each is not row)]
    kin = {each: alike for each in rows if (alike := _alike(element, row, each)) is not None}

    def right(name: str) -> float:
        found = dict(found_in(name, rows))
        if found.get(row) is not element:
            return 0.0
        return 2 * sum(found.get(each) is alike for each, alike in kin.items()) / (len(found) + len(kin))

    names = dict.fromkeys([*names_in_row(element, row), *names_of_leaf(element), *_ways(element, row)])
    best = max(names, key=right)
    return best if right(best) else path_in_row(element, row)


def _alike(element: etree._Element, row: etree._Element, other: etree._Element) -> etree._Element | None:
    """What stands in another row where the element stands in its own: of the same kind, the how many-th of it."""
    if other is row:
        return element
    kind = _kind(element, row)
    place = _of_kind(kind, row).index(element)
    found = _of_kind(kind, other)
    return found[place] if place < len(found) else None


def _of_kind(kind: Kind, row: etree._Element) -> list[etree._Element]:
    tag = kind[0][0] if kind else row.tag
    return [each for each in row.iter(tag) if _kind(each, row) == kind]


def _kind(element: etree._Element, top: etree._Element | None) -> Kind:
    way: list[tuple[str, frozenset[str]]] = []
    while element is not top and element is not None and len(way) < _LONGEST_WAY:
        lasting = frozenset(n for n in stable_classes(element) if not PINNED.fullmatch(n) and not ADS.fullmatch(n))
        way.append((element.tag, lasting))
        element = element.getparent()
    return tuple(way)


def _ways(element: etree._Element, row: etree._Element) -> Iterator[str]:
    """The whole way from the row: by tags and classes, by those that have no class as well, and by places."""
    if element is not row:
        kind = _kind(element, row)
        yield " > ".join(with_class(tag, min(names)) if names else tag for tag, names in reversed(kind))
        way = "/".join([".", *(_step(each) for each in reversed([element, *element.iterancestors()][: len(kind)]))])
        place = _of_kind(kind, row).index(element)
        yield f"xpath:({way})[{place + 1}]" if place else f"xpath:{way}"
    yield path_in_row(element, row)


def _step(element: etree._Element) -> str:
    named = [f"[has-class('{name}')]" for name in sorted(stable_classes(element))]
    return f"{element.tag}{''.join(named) if element.get('class') else '[not(@class)]'}"


def _row_of(element: etree._Element, rows: Sequence[etree._Element]) -> etree._Element | None:
    known = set(rows)
    return next((each for each in (element, *element.iterancestors()) if each in known), None)


def _is_in_link(element: etree._Element, row: etree._Element) -> bool:
    around = element
    while around is not row and around.tag != "a":
        around = around.getparent()
    return around.tag == "a" or any(each.get("href") for each in element.iter("a"))


def _with_rows(params: Mapping[str, Any], guess: RowGuess) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name not in _FROM_ROW} | guess.params


def _rows_around(
    element: etree._Element, root: etree._Element, base: str, seen: Seen, *, not_these: str = ""
) -> RowGuess:
    """The likeliest rows of which one holds the element; the next likely after those that are rows already."""
    guesses = sorted(_guesses(element, root, base, seen), key=lambda each: each[0], reverse=True)
    if not guesses:
        raise PickError("nothing like this repeats on the page with a title and a link in each: choose another element")
    selectors = [guess.params[ROW] for _, guess in guesses]
    following = selectors.index(not_these) + 1 if not_these in selectors else 0
    return guesses[following % len(guesses)][1]


def _guesses(element: etree._Element, root: etree._Element, base: str, seen: Seen) -> Iterator[tuple[float, RowGuess]]:
    """Each guess with its worth: how good its rows are, and how surely they are of one kind and all of it."""
    taken: set[tuple[etree._Element, ...]] = set()
    for around in [element, *element.iterancestors()][:_DEEPEST]:
        kin = {each for each in root.iter(around.tag) if _kind(each, None) == _kind(around, None)}
        for selector in dict.fromkeys(selectors_of(around)):
            rows = compile_selector(selector).elements(root)
            if len(rows) < 2 or around not in rows or tuple(rows) in taken:
                continue
            taken.add(tuple(rows))
            if guess := guess_from(selector, rows, base, seen):
                pure = 2 * len(kin.intersection(rows)) / (len(kin) + len(rows))
                yield guess.score * pure**2, guess
