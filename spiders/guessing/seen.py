"""What was read off the elements of one page already: candidates for rows overlap, and texts are asked for again."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from lxml import etree

from spiders.guessing.known_posts import says_one
from spiders.reading.dates import parse_date
from spiders.reading.rows import date_texts
from spiders.reading.text import element_text

_LONGEST_DATE: Final = 60
_COUNTER: Final = re.compile(r"\d+|\d+[.,]?\d*\s?[kKmM만천]")


@dataclass(frozen=True)
class Seen:
    """Texts and dates of a page's elements, each worked out once. Pure but for that memory."""

    now: datetime
    # Titles that the site's stored posts have (spiders.guessing.known_posts.title_key): evidence, where there are any.
    titles: frozenset[str] = frozenset()
    _texts: dict[etree._Element, str] = field(default_factory=dict)
    _dates: dict[etree._Element, str] = field(default_factory=dict)

    def text(self, element: etree._Element) -> str:
        """What a reader sees in an element."""
        found = self._texts.get(element)
        if found is None:
            found = self._texts[element] = element_text(element)
        return found

    def is_known(self, element: etree._Element) -> bool:
        """Whether an element says the title of a stored post, or its beginning, and nothing else."""
        return self.is_known_text(self.text(element))

    def is_known_text(self, text: str) -> bool:
        """Whether a text is the title of a stored post, or its beginning."""
        return bool(self.titles) and says_one(text, self.titles)

    def date_text(self, element: etree._Element) -> str:
        """The whole of what an element shows where that says a date, or an attribute does; else ""."""
        found = self._dates.get(element)
        if found is None:
            found = self._dates[element] = self._dated(element)
        return found

    def is_date(self, text: str) -> bool:
        """Whether a text says a date; a lone number does not."""
        if not 3 <= len(text) <= _LONGEST_DATE or _COUNTER.fullmatch(text):
            return False
        return parse_date(text, now=self.now) is not None

    def _dated(self, element: etree._Element) -> str:
        shown = self.text(element)
        if len(shown) > _LONGEST_DATE:
            return ""
        return next((shown or text for text in date_texts(element) if self.is_date(text)), "")
