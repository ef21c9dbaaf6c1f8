"""Values of parameters as people and files write them, to those that the spiders take. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from spiders.errors import SpiderError

_FLAGS: Final = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}

_PAIRS: Final = {"form": "=", "login": "=", "cookies": "=", "headers": ": "}
"""Parameters that a file may write as a table, and what stands between name and value where they are lines."""


class ParamsError(SpiderError, ValueError):
    """A parameter of a site is missing, unknown or wrong; the message names it, its value, and what is allowed."""


def as_pattern(text: str) -> re.Pattern[str]:
    """A regular expression; raises ParamsError with the reason when it is none."""
    try:
        return re.compile(text)
    except re.error as error:
        raise ParamsError(f"is not a valid regular expression: {error}") from error


def chosen(kind: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a site's parameters that a dataclass has, converted. Raises ParamsError."""
    names = {each.name: each.type for each in fields(kind)}
    return {
        name: convert(name, value, names[name])
        for name, value in values.items()
        if name in names and value not in (None, "")
    }


def convert(name: str, value: Any, kind: Any) -> Any:
    """A value as the type of its parameter. Raises ParamsError."""
    if kind is int:
        return _integer(name, value)
    if kind is bool:
        return _flag(name, value)
    if name in {"json", "login_json"} and isinstance(value, (dict, list)):
        value = json.dumps(value, ensure_ascii=False)
    if kind is str:
        return _text(name, value)
    if isinstance(value, str):
        value = value.splitlines()
    elif isinstance(value, Mapping) and name in _PAIRS:
        value = [f"{each}{_PAIRS[name]}{_text(name, found)}" for each, found in value.items()]
    if not isinstance(value, (list, tuple)) or not all(isinstance(each, str) for each in value):
        raise ParamsError(f"{name} is {value!r}; it must be a list of texts, or one text with a line for each")
    return tuple(each.strip() for each in value if each.strip())


def _flag(name: str, value: Any) -> bool:
    found = value if isinstance(value, bool) else _FLAGS.get(str(value).strip().lower())
    if found is None:
        raise ParamsError(f"{name} is {value!r}; it must be true or false")
    return found


def _integer(name: str, value: Any) -> int:
    try:
        if isinstance(value, bool) or int(value) != float(value):
            raise ValueError
        return int(value)
    except (TypeError, ValueError) as error:
        raise ParamsError(f"{name} is {value!r}; it must be a whole number") from error


def _text(name: str, value: Any) -> str:
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value).strip()
    raise ParamsError(f"{name} is {value!r}; it must be a text")
