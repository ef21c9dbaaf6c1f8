"""One row of a page to one post: where its title, link, date and the rest stand. Pure."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Final

from lxml import etree

from spiders.params import ListingParams
from spiders.reading.page_scripts import call_arguments, script_address
from spiders.reading.row_reader import Named, Reader, fill, subject_and_pattern
from spiders.reading.selectors import Selector, compile_selector, selects
from spiders.reading.text import clean, element_text, unescaped

_DATE_ATTRIBUTES: Final = ("datetime", "content", "data-timestamp", "data-time", "data-date", "data-utime", "title")
_FIELD: Final = re.compile(r"\{(?P<attribute>[A-Za-z][\w:-]*)(?:(?:\.(?P<call>[A-Za-z_$][\w$]*))?\.(?P<place>\d+))?\}")
_SCRIPTS: Final = ("onclick", "href", "ondblclick", "onmousedown")
_ADDRESSES: Final = ("data-href", "data-url", "data-link")
_CUT: Final = ("...", "…")


@dataclass(frozen=True)
class RowReader(Reader[etree._Element, ListingParams]):
    """Reads the rows of one page of a board by a site's selectors."""

    # Calls in the rows' scripts that tell the rows apart, where others do not.
    telling_calls: frozenset[str] = frozenset()

    @cached_property
    def _skip(self) -> list[Selector]:
        return [compile_selector(each, in_row=True) for each in self.params.skip if not subject_and_pattern(each)]

    @cached_property
    def _badges(self) -> list[Selector]:
        return [compile_selector(each, in_row=True) for each in self.params.strip if not subject_and_pattern(each)]

    def _skipped_by(self, row: etree._Element) -> str:
        skip = selects(self._skip, row)
        return skip.source if skip else ""

    def _named(self, row: etree._Element) -> Named:
        titled = self._titled(row)
        anchor, href = self._link(row, titled)
        return Named(
            title=self._title(row, titled, anchor),
            url=self._address(list(_carriers(row, titled, anchor)), href),
            href=href,
        )

    def _id_of(self, row: etree._Element) -> str:
        return compile_selector(self.params.id, in_row=True).text(row)

    def _is_pinned(self, row: etree._Element) -> bool:
        return bool(self.params.pinned and compile_selector(self.params.pinned, in_row=True).find(row))

    def _text(self, row: etree._Element, name: str) -> str:
        selector: str = getattr(self.params, name)
        return compile_selector(selector, in_row=True).text(row) if selector else ""

    def _titled(self, row: etree._Element) -> etree._Element | str | None:
        if self.params.title:
            selector = compile_selector(self.params.title, in_row=True)
            found = selector.find(row)
            # The first one that says something: a picture's anchor often stands before the title's.
            speaking = (each for each in found if isinstance(each, str) or element_text(each))
            return next(speaking, found[0] if found else None)
        anchors = [row] if row.tag == "a" else row.iter("a")
        return next((each for each in anchors if each.get("href") and element_text(each)), None)

    def _link(self, row: etree._Element, titled: etree._Element | str | None) -> tuple[etree._Element, str]:
        """The element that the link is on (the row where there is none) and its raw address."""
        if self.params.link:
            found = compile_selector(self.params.link, in_row=True).first(row)
            if isinstance(found, str) or found is None:
                return row, (found or "").strip()
            anchor = found if found.get("href") else next(found.iter("a"), found)
            return anchor, (anchor.get("href") or "").strip()
        anchor = self._anchor(row, titled)
        return (row, "") if anchor is None else (anchor, (anchor.get("href") or "").strip())

    def _anchor(self, row: etree._Element, titled: etree._Element | str | None) -> etree._Element | None:
        if isinstance(titled, etree._Element):
            around: etree._Element | None = titled
            while around is not None:
                if around.tag == "a":
                    return around
                if around is row:
                    break
                around = around.getparent()
            inside = next((each for each in titled.iter("a") if each.get("href")), None)
            if inside is not None:
                return inside
            return row.getparent() if row.getparent() is not None and row.getparent().tag == "a" else None
        if titled is None:
            return None
        return next((each for each in row.iter("a") if each.get("href")), None)

    def _title(self, row: etree._Element, titled: etree._Element | str | None, anchor: etree._Element) -> str:
        if titled is None:
            return ""
        if isinstance(titled, str):
            return self._stripped(clean(unescaped(titled)))
        badges = [element for badge in self._badges for element in badge.elements(row) if element is not titled]
        title = self._stripped(element_text(titled, badges))
        if title and not title.endswith(_CUT):
            return title
        for element in (titled, anchor):
            full = clean(unescaped(element.get("title") or ""))
            if full and full.startswith(title.rstrip(".… ")):
                return self._stripped(full)
        if not title:
            pictures = titled.iter("img")
            title = next((alt for each in pictures if (alt := clean(unescaped(each.get("alt") or "")))), "")
        return title

    def _address(self, carriers: list[etree._Element], href: str) -> str | None:
        addresses: Iterable[str] = (href,)
        if self.params.link_template and (filled := _fill(self.params.link_template, carriers, self.telling_calls)):
            addresses = (filled,)
        else:
            addresses = chain(addresses, (each for element in carriers for each in opened_addresses(element)))
        return self._first_usable(addresses)

    def dates_of(self, row: etree._Element) -> Iterator[str]:
        """The texts of a row that may hold its date, the likeliest first."""
        if self.params.date:
            for found in compile_selector(self.params.date, in_row=True).find(row):
                yield from filter(None, date_texts(found))


def date_texts(found: etree._Element | str) -> Sequence[str]:
    """What may hold the date: a machine's attribute first, then the text, then a tooltip."""
    if isinstance(found, str):
        return (clean(found),)
    attributes = [clean(found.get(name) or "") for name in _DATE_ATTRIBUTES]
    return (*attributes[:-1], element_text(found), attributes[-1])


def _carriers(
    row: etree._Element, titled: etree._Element | str | None, anchor: etree._Element
) -> Iterator[etree._Element]:
    """The elements that may carry what leads to the post, the nearest to the title first, each once or more."""
    yield anchor
    if isinstance(titled, etree._Element):
        yield titled
        for around in titled.iterancestors():
            if titled is row or around is row:
                break
            yield around
    yield row
    yield from row.iter(etree.Element)


def opened_addresses(element: etree._Element) -> Iterator[str]:
    """What an element opens when it is pressed, apart from a plain href: by its script, or named in its data."""
    for script in _scripts(element):
        if address := script_address(script):
            yield address
    yield from (address for name in _ADDRESSES if (address := element.get(name)))


def _scripts(element: etree._Element) -> Iterator[str]:
    for name in _SCRIPTS:
        if (text := element.get(name)) and (name != "href" or text.lstrip().lower().startswith("javascript:")):
            yield text


def _fill(template: str, carriers: Collection[etree._Element], telling: frozenset[str]) -> str | None:
    """The template with its fields filled from the first carrier that has each; None if one has none."""

    def value(field: re.Match[str]) -> str:
        found = (_value(field, element, telling) for element in carriers)
        return next((text for text in found if text), "")

    return fill(template, _FIELD, value)


def _value(field: re.Match[str], element: etree._Element, telling: frozenset[str]) -> str:
    """What an element has for a field: an attribute, or an argument of a call in it; "" if nothing."""
    text = element.get(field["attribute"]) or ""
    if not text or field["place"] is None:
        return text.strip()
    arguments = call_arguments(text, field["call"] or "", telling)
    return arguments[int(field["place"])] if int(field["place"]) < len(arguments) else ""


def scripts_of(row: etree._Element) -> Iterator[str]:
    """Every script in a row's attributes."""
    for element in row.iter(etree.Element):
        yield from _scripts(element)
