"""One item of a JSON answer to one post, by JMESPath. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from spiders.params import JSONParams
from spiders.reading.expressions import EXPRESSION_FIELD, is_true, search, text_of, words_of
from spiders.reading.row_reader import Named, Reader, fill, subject_and_pattern
from spiders.reading.text import clean, html_text, title_text

_DOTNET: Final = re.compile(r"\W*Date\((?P<ms>-?\d+)(?:[+-]\d{4})?\)\W*")
"""A moment as .NET's older serializers write it, in milliseconds of UTC; the offset only says where it was said."""


@dataclass(frozen=True)
class ItemReader(Reader[Any, JSONParams]):
    """Reads the items of one JSON answer by a site's expressions."""

    def _skipped_by(self, row: Any) -> str:
        expressions = (each for each in self.params.skip if not subject_and_pattern(each))
        return next((each for each in expressions if is_true(search(each, row))), "")

    def _named(self, row: Any) -> Named:
        title = self._stripped(title_text(text_of(search(self.params.title, row))))
        href = text_of(search(self.params.link, row)).strip()
        filled = fill(self.params.link_template, EXPRESSION_FIELD, lambda field: self._value(field, row))
        return Named(title=title, url=self._first_usable(filter(None, (filled, href))), href=href)

    @staticmethod
    def _value(field: re.Match[str], row: Any) -> str:
        return text_of(search(field["expression"], row)).strip()

    def _id_of(self, row: Any) -> str:
        return clean(text_of(search(self.params.id, row)))

    def _text(self, row: Any, name: str) -> str:
        return html_text(words_of(search(getattr(self.params, name), row)))

    def _is_pinned(self, row: Any) -> bool:
        return is_true(search(self.params.pinned, row))

    def dates_of(self, row: Any) -> Iterator[str]:
        """The texts that may be the date; a moment in numbers is written as one."""
        found = search(self.params.date, row)
        if isinstance(found, list) and found and not all(isinstance(each, int) for each in found):
            yield from filter(None, chain.from_iterable(map(date_text, found[:5])))
        else:
            yield from filter(None, date_text(found))


def date_text(value: Any) -> tuple[str, ...]:
    """What a value says of a moment: a text, seconds or milliseconds, /Date(..)/, or [2026, 1, 2, 3, 4, 5] (Java)."""
    if isinstance(value, list):
        parts = [each for each in value if isinstance(each, int)][:6]
        if not len(parts) >= 3:
            return ()
        day, time = parts[:3], [*parts[3:], 0, 0, 0][:3]
        return (f"{'-'.join(f'{each:02}' for each in day)} {':'.join(f'{each:02}' for each in time)}",)
    text = text_of(value)
    found = _DOTNET.fullmatch(text)
    return (found["ms"] if found else text,)
