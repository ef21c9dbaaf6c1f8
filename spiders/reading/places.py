"""Where the next page of a list begins, and requests that say so. Pure."""

import json
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

PLACE: Final = re.compile(r"\{(?P<name>page|page0|offset|cursor)\}")
"""What stands for a place in an address, a form or a JSON body."""
_ALONE: Final = re.compile(r"(?<=[:,\[])(?P<blank>\s*)\{(?P<name>page|page0|offset|cursor)\}(?=\s*[,}\]])")
"""A place that is a value of JSON by itself and not a part of a text."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a page of a list begins."""

    # The page's number, from 1.
    page: int = 1
    # Rows on the pages before.
    offset: int = 0
    # What the page before gave out; "" for the first page.
    cursor: str = ""

    def _value(self, name: str) -> str:
        return str({"page": self.page, "page0": self.page - 1, "offset": self.offset, "cursor": self.cursor}[name])

    def in_address(self, template: str) -> str:
        """An address with the place filled in."""
        return PLACE.sub(lambda found: quote(self._value(found["name"]), safe=""), template)

    def in_text(self, template: str) -> str:
        """A form's value with the place filled in."""
        return PLACE.sub(lambda found: self._value(found["name"]), template)

    def in_json(self, template: str) -> str:
        """A JSON text with the place filled in: as a part of a text, or as a value, which is null for no cursor."""

        def value(found: re.Match[str]) -> str:
            text = self._value(found["name"])
            return found["blank"] + ((json.dumps(text) if text else "null") if found["name"] == "cursor" else text)

        return PLACE.sub(lambda found: json.dumps(self._value(found["name"]))[1:-1], _ALONE.sub(value, template))
