"""JSON as servers send it to a Python value, as browsers would read it. Pure, and bounded.

Browsers know more than the standard says: wrappers against theft (`)]}'`) and callbacks (JSONP) are taken off by the
page's own scripts. They take the last of two equal names; NaN and Infinity they refuse, where we read nothing.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from spiders.errors import SpiderError
from spiders.reading.bounds import TAGS

VALUES: Final = TAGS
"""Objects and lists of a document: some 80 MB of memory, as much as a page's tree may take."""
_DIGITS: Final = 4_000
"""Python makes no number of more than 4,300 (sys.set_int_max_str_digits): a longer one stays a text."""
_BEGINNING: Final = re.compile(
    r"(?:\ufeff|\s|/\*.*?\*/|//[^\n]*\n)*"
    r"(?:\)\]\}'?,?|while\s*\(\s*(?:1|true)\s*\)\s*;?|for\s*\(\s*;\s*;\s*\)\s*;?|throw\s+[^;\n]*;|\{\}\s*&&|&&&START&&&)?"
    r"(?:\s|/\*.*?\*/)*"
    r"(?P<call>(?:(?:typeof|void)\s[^;&]{1,200}&&\s*)?[A-Za-z_$][\w$.\[\]'\"]{0,200}\s*\(\s*)?",
    re.DOTALL,
)
"""What stands before the JSON: a byte order mark, comments, a wrapper against theft, the callback of JSONP."""


class NotJSONError(SpiderError):
    """What came is no JSON, or is more than is read; the message says which."""


@dataclass(frozen=True, kw_only=True)
class JSONText:
    """A document that was read."""

    # An object or a list.
    value: Any
    # What was odd about it, in words; it was read all the same.
    notes: tuple[str, ...] = ()


def read_json(text: str) -> JSONText:
    """Read a JSON document. Raises NotJSONError."""
    start = _BEGINNING.match(text)
    position = start.end() if start else 0
    if not text[position : position + 1].strip():
        raise NotJSONError("the answer is empty, where JSON is expected")
    if text[position] not in "{[":
        what = "a page" if text[position] == "<" else "a text"
        raise NotJSONError(f"the address answered with {what}, not with JSON")
    if text.count("{") + text.count("[") > VALUES:
        raise NotJSONError(f"the JSON holds more than {VALUES:,} objects and lists, which is no list of posts")
    notes: dict[str, None] = {}
    try:
        value, _ = _decoder(notes).raw_decode(text, position)
    except json.JSONDecodeError as error:
        raise NotJSONError(f"the JSON is damaged at character {error.pos:,} of {len(text):,}: {error.msg}") from error
    except RecursionError:
        raise NotJSONError("the JSON is nested too deeply to be a list of posts") from None
    return JSONText(value=value, notes=tuple(notes))


def _decoder(notes: dict[str, None]) -> json.JSONDecoder:
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(found)
        if len(made) < len(found):
            names = [name for name, _ in found]
            twice = next(name for name in names if names.count(name) > 1)
            notes[f"an object in the JSON has {twice[:40]!r} twice: the last one counts"] = None
        return made

    def no_number(name: str) -> None:
        notes[f"the JSON says {name}, which is no number: it is read as nothing"] = None

    def whole(digits: str) -> int | str:
        return int(digits) if len(digits) < _DIGITS else digits

    return json.JSONDecoder(strict=False, object_pairs_hook=pairs, parse_constant=no_number, parse_int=whole)
