"""One row to one post, whatever the row is: an element of a page, an item of a JSON answer. Pure."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final, Generic, TypeVar
from urllib.parse import quote
from zoneinfo import ZoneInfo

from spiders.errors import SpiderError
from spiders.items import PostItem
from spiders.params import RowParams
from spiders.reading.addresses import PLAIN, Scheme
from spiders.reading.dates import parse_date
from spiders.reading.identity import pattern_id, resolve
from spiders.reading.text import clean, shorten

Row = TypeVar("Row")
_SUBJECTS: Final = frozenset({"re", "link", "title"})


class RowSkippedError(SpiderError):
    """A row that yields no post; the message is the reason, the same words for rows of one kind."""


Params = TypeVar("Params", bound=RowParams)


@dataclass(frozen=True, kw_only=True)
class Named:
    """What a row's post is called, and where it is."""

    title: str
    # Absolute, or None where the row says no address that can be used.
    url: str | None
    # What the row has in place of one.
    href: str = ""


@dataclass(frozen=True)
class Reader(ABC, Generic[Row, Params]):
    """Reads the rows of one page by a site's parameters."""

    params: Params
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

    @cached_property
    def _zone(self) -> ZoneInfo:
        return self.params.zone

    @cached_property
    def _skip_patterns(self) -> list[tuple[str, re.Pattern[str]]]:
        return [pattern for each in self.params.skip if (pattern := subject_and_pattern(each))]

    @cached_property
    def _strip_patterns(self) -> list[re.Pattern[str]]:
        return [pattern[1] for each in self.params.strip if (pattern := subject_and_pattern(each))]

    def read(self, row: Row) -> PostItem:
        """The row's post; raises RowSkippedError with the reason when it holds none, or is to be left out."""
        if skip := self._skipped_by(row):
            raise RowSkippedError(f"left out by skip {skip!r}")
        named = self._named(row)
        title, url = named.title, named.url
        own_id = self._own_id(row, url or named.href)
        if url is None:
            if not title:
                raise RowSkippedError("no title and no link")
            if own_id is None:
                raise RowSkippedError(self._unusable(named.href))
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
            body=self._text(row, "body"),
            author=self._text(row, "author"),
            published_at=self._date(row),
            pinned=self._is_pinned(row),
        )

    @abstractmethod
    def _skipped_by(self, row: Row) -> str:
        """Which entry of `skip`, patterns apart, leaves the row out; "" if none does."""

    @abstractmethod
    def _named(self, row: Row) -> Named: ...

    @abstractmethod
    def _id_of(self, row: Row) -> str:
        """What the row has where `id` says, which is no pattern."""

    @abstractmethod
    def _text(self, row: Row, name: str) -> str:
        """What the row has where the parameter of this name says; "" where it is not given."""

    @abstractmethod
    def _is_pinned(self, row: Row) -> bool: ...

    @abstractmethod
    def dates_of(self, row: Row) -> Iterable[str]:
        """The texts of a row that may hold its date, the likeliest first."""

    def resolve(self, href: str | None) -> str | None:
        """The absolute address of an href on this page, or None."""
        return resolve(self.base, href, self.encoding) if href else None

    def _first_usable(self, addresses: Iterable[str]) -> str | None:
        absolute = (self.resolve(each) for each in addresses)
        return next((each for each in absolute if each and each not in self.shared), None)

    def _unusable(self, href: str) -> str:
        if not href:
            return "no link"
        if self.shared:
            return "its address is that of rows with other titles"
        if self.params.link_template:
            return "no link: link_template needs a field that the row does not have"
        return f"the link is only {shorten(href, 40)!r}: set link_template or id"

    def _stripped(self, title: str) -> str:
        for pattern in self._strip_patterns:
            title = clean(pattern.sub(" ", title))
        return title

    def _own_id(self, row: Row, link: str) -> str | None:
        source = self.params.id
        if not source:
            return None
        if pattern := subject_and_pattern(source):
            return pattern_id(pattern[1], link)
        return self._id_of(row) or None

    def _date(self, row: Row) -> datetime | None:
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


def subject_and_pattern(source: str) -> tuple[str, re.Pattern[str]] | None:
    """The subject and pattern of "re:...", "link:..." and "title:..."; None for what selects."""
    kind, separator, rest = source.partition(":")
    if separator and kind in _SUBJECTS and not rest.startswith(":"):
        return kind, re.compile(rest)
    return None


def fill(template: str, fields: re.Pattern[str], value: Callable[[re.Match[str]], str]) -> str | None:
    """The template with its fields filled; None if there is nothing for one of them.

    Where the field is the whole address nothing in it is escaped.
    """
    template = template.strip()
    whole = fields.fullmatch(template)
    missing = False

    def filled(found: re.Match[str]) -> str:
        nonlocal missing
        text = value(found)
        missing = missing or not text
        return text if whole else quote(text, safe="/:,;=@%+-._~")

    text = fields.sub(filled, template)
    return None if missing else text
