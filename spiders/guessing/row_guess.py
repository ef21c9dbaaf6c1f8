"""Guesses which elements of a page are a board's rows, and where in them title, date and marks are. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any, Final

from lxml import etree

from spiders.guessing.addresses import family, numbered
from spiders.guessing.confidence import FEWEST_DATED, RowFacts
from spiders.guessing.element_names import FURNITURE, HEADINGS, chain_to, is_furniture, line_with_link, selectors_of
from spiders.guessing.known_posts import title_key
from spiders.guessing.marks import identity, marks
from spiders.guessing.row_dates import date_of
from spiders.guessing.seen import Seen
from spiders.guessing.titles import (
    Titled,
    found_in,
    is_titled,
    known_selector,
    link_selector,
    part_selector,
    per_row,
    pressables,
    title_is_around,
    width,
)
from spiders.reading.identity import resolve
from spiders.reading.rows import opened_addresses
from spiders.reading.selectors import compile_selector, selects
from spiders.reading.text import element_text

_DEEPEST: Final = 7
_CANDIDATES: Final = 60
_SAMPLE: Final = 40
_AS_GOOD: Final = 0.9
_BY_LINK: Final = 0.8
"""What rows that are known by their links or their place alone are worth: these change sooner than a class."""


@dataclass(frozen=True, kw_only=True)
class RowGuess:
    """Parameters for a listing, and what was counted in its rows."""

    params: dict[str, Any]
    facts: RowFacts
    rows: tuple[etree._Element, ...]

    @property
    def has_names(self) -> bool:
        """Whether its rows are known by a name or kind, and not by their links or their place alone."""
        row: str = self.params["row"]
        return not row.startswith("xpath:") and row.count(" > ") < 2

    @property
    def score(self) -> float:
        """How good it is, compared with others on the page."""
        return self.facts.score


def guess_rows(root: etree._Element, base: str, now: datetime) -> RowGuess | None:
    """The likeliest rows of a page; None where nothing repeats that looks like a list of posts."""
    guesses = all_guesses(root, base, Seen(now))
    best = max(guesses, key=lambda guess: guess.score, default=None)
    return completed(best, guesses) if best else None


def all_guesses(root: etree._Element, base: str, seen: Seen, *, only: str = "") -> list[RowGuess]:
    """Every kind of rows that may be a list of posts: around known titles, where there are any, else around links.

    `only` is a selector that a person chose. Raises SelectorError when it is none.
    """
    chosen = [(only, compile_selector(only).elements(root))] if only else _candidates(root, seen)
    found = (guess_from(selector, rows, base, seen) for selector, rows in chosen if rows)
    return [guess for guess in found if guess]


def _candidates(root: etree._Element, seen: Seen) -> Iterator[tuple[str, list[etree._Element]]]:
    """Selectors that match several elements with a link each, the most promising first."""
    support: Counter[str] = Counter()
    for link in known_elements(root, seen) if seen.titles else _links(root, seen):
        text = seen.text(link)
        element: etree._Element | None = link
        for _ in range(_DEEPEST):
            if element is None or element.tag in {"body", "html"}:
                break
            for selector in (*selectors_of(element), *([chain_to(element)] if seen.titles else [])):
                support[selector] += min(len(text), 60)
            element = element.getparent()
        if by_link := line_with_link(link):
            support[by_link] += min(len(text), 60)
    for selector, _ in support.most_common(_CANDIDATES):
        rows = compile_selector(selector).elements(root)
        if len(rows) >= FEWEST_DATED:
            yield selector, rows


def _links(root: etree._Element, seen: Seen) -> Iterator[etree._Element]:
    furniture = _furniture(root)
    for link in pressables(root):
        if len(seen.text(link)) >= 2 and furniture.isdisjoint(link.iterancestors()):
            yield link


def known_elements(root: etree._Element, seen: Seen) -> Iterator[etree._Element]:
    """The elements that say a known title, wherever they stand, and links that say one beside something short."""
    for element in root.iter(etree.Element):
        if seen.is_known(element) and not any(seen.is_known(child) for child in element):
            yield element
    for link in pressables(root):
        text = title_key(seen.text(link))
        if text not in seen.titles and any(text.startswith(each) or text.endswith(each) for each in seen.titles):
            yield link


def _furniture(root: etree._Element) -> set[etree._Element]:
    """Menus, footers and side columns; not an unclosed one that holds most of the page."""
    most = 0.4 * sum(1 for _ in root.iter("a"))
    return {
        each
        for each in root.iter("nav", "footer", "header", "div", "ul", "aside")
        if (each.tag in {"nav", "footer"} or FURNITURE.fullmatch(each.get("class") or ""))
        and sum(1 for _ in each.iter("a")) < most
    }


def guess_from(selector: str, rows: Sequence[etree._Element], base: str, seen: Seen) -> RowGuess | None:
    """Where these rows have title, date and marks; None where they have no links that differ."""
    sample = rows[:_SAMPLE]
    link = link_selector(sample, base, seen)
    if link is None:
        return None
    links = found_in(link, sample)
    title, titles = _title_of(link, links, sample, seen)
    if not titles:
        return None
    date = date_of(titles, seen)
    params: dict[str, Any] = {"row": selector, "title": title}
    if seen.titles and not any(_is_within(element, dict(links).get(row)) for row, element in titles):
        params["link"] = link
    if date.selector:
        params["date"] = date.selector
    params |= marks(rows, titles, date.selector, seen) | identity(title, titles, base)
    facts = _facts(rows, sample, titles, links, base, title, date.share)
    if selector.startswith("xpath:") or selector.count(" > ") > 1:
        facts = replace(facts, standing=facts.standing * _BY_LINK)
    return RowGuess(params=params, facts=facts, rows=tuple(rows))


def _title_of(link: str, links: Titled, sample: Sequence[etree._Element], seen: Seen) -> tuple[str, Titled]:
    """The selector of the titles, and what it finds: the links, a part of them, or what stands beside them."""
    if (known := known_selector(sample, seen)) and not any(seen.is_known(element) for _, element in links):
        return known, found_in(known, sample)
    if title_is_around(links, seen):
        return ".", [(row, row) for row, _ in links]
    if part := part_selector(links, seen):
        return part, found_in(part, sample)
    return link, links


def _is_within(title: etree._Element, link: etree._Element | None) -> bool:
    """Whether a link is found from its title alone: it is around it, or in it."""
    return link is not None and (link is title or link in title.iterancestors() or title in link.iterancestors())


def _facts(
    rows: Sequence[etree._Element],
    sample: Sequence[etree._Element],
    titles: Titled,
    links: Titled,
    base: str,
    title: str,
    dated: float,
) -> RowFacts:
    texts = [element_text(each) for _, each in titles]
    addresses = [_address(link, base) for _, link in links]
    return RowFacts(
        rows=len(rows),
        covered=len(titles) / len(sample),
        distinct=len(set(texts)) / len(texts),
        dated=dated,
        titled=sum(is_titled(each, row) for row, each in titles) / len(titles),
        per_row=per_row(title, [row for row, _ in titles]),
        width=sum(min(width(text), 60) for text in texts) / len(texts),
        family=family(addresses),
        numbered=numbered(addresses),
        furniture=_stands_in_furniture(rows[0]),
        standing=_standing(rows[0], titles[0][1]),
    )


def _address(link: etree._Element, base: str) -> str:
    """Where a link leads; its script where that is not known."""
    addresses = (resolve(base, each) for each in (link.get("href") or "", *opened_addresses(link)))
    return next((each for each in addresses if each), f"{link.get('href') or ''}{link.get('onclick') or ''}")


def _stands_in_furniture(row: etree._Element) -> bool:
    return any(is_furniture(each) for each in [row, *row.iterancestors()][:4])


def _standing(row: etree._Element, title: etree._Element) -> float:
    """What the place and kind of a row say for it: main text before side columns, whole rows before their parts."""
    standing = 1.0 - 0.02 * min(20, len(list(row.iterancestors())))
    if _stands_in_furniture(row):
        standing *= 0.4
    if row.tag == "a":
        # The element around the anchor usually holds the date as well.
        standing *= 0.7
    if row.tag in {"article", "tr"}:
        standing *= 1.2
    around = [title, *title.iterancestors()][:3]
    if any(each.tag in HEADINGS for each in around) or any(True for _ in title.iter(*HEADINGS)):
        standing *= 1.2
    return standing


def completed(best: RowGuess, guesses: Sequence[RowGuess]) -> RowGuess:
    """A guess whose rows are all of the best one's and some more of the same kind, where there is one.

    A class that says read, sticky or closed picks some of a board's rows.
    """
    for guess in sorted(guesses, key=lambda each: len(each.rows), reverse=True):
        more = set(guess.rows) - set(best.rows)
        if more and set(best.rows) < set(guess.rows) and _are_alike(best, guess, more):
            return guess
    return best


def _are_alike(best: RowGuess, guess: RowGuess, more: set[etree._Element]) -> bool:
    parts = ("title", "date")
    if any(best.params.get(part) != guess.params.get(part) for part in parts):
        return False
    around = {each for row in best.rows for each in _around(row)}
    compiled = [compile_selector(best.params[part], in_row=True) for part in parts if part in best.params]
    skip = [compile_selector(each, in_row=True) for each in guess.params.get("skip", ())]
    more = {row for row in more if not selects(skip, row)}
    full = [row for row in more if all(selector.find(row) for selector in compiled)]
    return len(full) >= _AS_GOOD * len(more) and all(not around.isdisjoint(_around(row)) for row in more)


def _around(row: etree._Element) -> list[etree._Element]:
    """What a row and its like stand in: pinned ones often have a list or table body of their own."""
    return list(islice(row.iterancestors(), 2))
