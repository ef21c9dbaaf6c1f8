"""One row of a board to one post: title, link, identity, date. Pure."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import chain
from typing import Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from lxml import etree

from spiders.errors import SpiderError
from spiders.items import PostItem
from spiders.params import ListingParams
from spiders.reading.addresses import PLAIN, Scheme
from spiders.reading.dates import parse_date
from spiders.reading.identity import pattern_id, resolve
from spiders.reading.page_scripts import call_arguments, script_address
from spiders.reading.selectors import Selector, compile_selector, selects
from spiders.reading.text import clean, element_text, shorten, unescaped

_DATE_ATTRIBUTES: Final = ("datetime", "content", "data-timestamp", "data-time", "data-date", "data-utime", "title")
_FIELD: Final = re.compile(r"\{(?P<attribute>[A-Za-z][\w:-]*)(?:(?:\.(?P<call>[A-Za-z_$][\w$]*))?\.(?P<place>\d+))?\}")
_SCRIPTS: Final = ("onclick", "href", "ondblclick", "onmousedown")
_ADDRESSES: Final = ("data-href", "data-url", "data-link")
_CUT: Final = ("...", "…")


class RowSkippedError(SpiderError):
    """A row that yields no post; the message is the reason, the same words for rows of one kind."""


@dataclass(frozen=True)
class RowReader:
    """Reads the rows of one page by a site's parameters."""

    params: ListingParams
    # Base of the page's relative links.
    base: str
    now: datetime
    # What the page's bytes were read as; its links are sent in it.
    encoding: str = "utf-8"
    # Whether the page writes the day before the month, where that is known.
    day_first: bool | None = None
    # How the page's addresses name posts.
    scheme: Scheme = PLAIN
    # Addresses that rows with different titles share, so that they are none of them.
    shared: frozenset[str] = frozenset()
    # Calls in the rows' scripts that tell the rows apart, where others do not.
    telling_calls: frozenset[str] = frozenset()

    @cached_property
    def _zone(self) -> ZoneInfo:
        return self.params.zone

    @cached_property
    def _skip(self) -> list[Selector]:
        return [compile_selector(each, in_row=True) for each in self.params.skip if not _pattern(each)]

    @cached_property
    def _skip_patterns(self) -> list[tuple[str, re.Pattern[str]]]:
        return [pattern for each in self.params.skip if (pattern := _pattern(each))]

    @cached_property
    def _badges(self) -> list[Selector]:
        return [compile_selector(each, in_row=True) for each in self.params.strip if not _pattern(each)]

    @cached_property
    def _strip_patterns(self) -> list[re.Pattern[str]]:
        return [pattern[1] for each in self.params.strip if (pattern := _pattern(each))]

    def read(self, row: etree._Element) -> PostItem:
        """The row's post; raises RowSkippedError with the reason when it holds none, or is to be left out."""
        if skip := selects(self._skip, row):
            raise RowSkippedError(f"left out by skip {skip.source!r}")
        titled = self._titled(row)
        anchor, href = self._link(row, titled)
        title = self._title(row, titled, anchor)
        url = self._address(list(_carriers(row, titled, anchor)), href)
        own_id = self._own_id(row, url or href)
        if url is None:
            if not title:
                raise RowSkippedError("no title and no link")
            if own_id is None:
                raise RowSkippedError(self._unusable(href))
            url = self.params.url
        if not title:
            raise RowSkippedError("no title")
        for subject, pattern in self._skip_patterns:
            if pattern.search(title if subject == "title" else url):
                raise RowSkippedError(f"left out by skip '{subject}:{pattern.pattern}'")
        return PostItem(
            external_id=f"id:{own_id}" if own_id else self.scheme.identity(url, self.params.ignore_query),
            url=url,
            title=title,
            body=self._text(row, self.params.body),
            author=self._text(row, self.params.author),
            published_at=self._date(row),
            pinned=bool(self.params.pinned and compile_selector(self.params.pinned, in_row=True).find(row)),
        )

    def resolve(self, href: str | None) -> str | None:
        """The absolute address of an href on this page, or None."""
        return resolve(self.base, href, self.encoding) if href else None

    def _unusable(self, href: str) -> str:
        if not href:
            return "no link"
        if self.shared:
            return "its address is that of rows with other titles"
        if self.params.link_template:
            return "no link: link_template needs a field that the row does not have"
        return f"the link is only {shorten(href, 40)!r}: set link_template or id"

    def _text(self, row: etree._Element, selector: str) -> str:
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

    def _stripped(self, title: str) -> str:
        for pattern in self._strip_patterns:
            title = clean(pattern.sub(" ", title))
        return title

    def _address(self, carriers: list[etree._Element], href: str) -> str | None:
        addresses: Iterable[str] = (href,)
        if self.params.link_template and (filled := _fill(self.params.link_template, carriers, self.telling_calls)):
            addresses = (filled,)
        else:
            addresses = chain(addresses, (each for element in carriers for each in opened_addresses(element)))
        absolute = (resolve(self.base, each, self.encoding) for each in addresses)
        return next((each for each in absolute if each and each not in self.shared), None)

    def _own_id(self, row: etree._Element, link: str) -> str | None:
        source = self.params.id
        if not source:
            return None
        if pattern := _pattern(source):
            return pattern_id(pattern[1], link)
        return compile_selector(source, in_row=True).text(row) or None

    def dates_of(self, row: etree._Element) -> Iterator[str]:
        """The texts of a row that may hold its date, the likeliest first."""
        if self.params.date:
            for found in compile_selector(self.params.date, in_row=True).find(row):
                yield from filter(None, date_texts(found))

    def _date(self, row: etree._Element) -> datetime | None:
        for text in self.dates_of(row):
            moment = parse_date(
                text,
                now=self.now,
                zone=self._zone,
                date_format=self.params.date_format,
                date_order=self.params.date_order,
                day_first=self.day_first,
            )
            if moment is not None:
                return moment
        return None


def _pattern(source: str) -> tuple[str, re.Pattern[str]] | None:
    """The subject and pattern of "re:...", "link:..." and "title:..."; None for a selector."""
    kind, separator, rest = source.partition(":")
    if separator and kind in {"re", "link", "title"} and not rest.startswith(":"):
        return kind, re.compile(rest)
    return None


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
    """The template with its fields filled from the first carrier that has each; None if one has none.

    Where the field is the whole address nothing in it is escaped.
    """
    whole = _FIELD.fullmatch(template.strip())
    missing = False

    def value(field: re.Match[str]) -> str:
        nonlocal missing
        found = (_value(field, element, telling) for element in carriers)
        text = next((text for text in found if text), "")
        missing = missing or not text
        return text if whole else quote(text, safe="/:,;=@%+-._~")

    filled = _FIELD.sub(value, template.strip())
    return None if missing else filled


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
