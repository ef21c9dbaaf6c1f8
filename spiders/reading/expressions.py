"""JMESPath (jmespath.org) as people write it, compiled once and asked about the values of a JSON document. Pure."""

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from spiders.errors import SpiderError
from spiders.reading.text import without_surrogates

EXPRESSION_FIELD: Final = re.compile(r"\{(?P<expression>[^{}]+)\}")
"""A field of a link_template."""
_NO: Final = frozenset({"", "0", "n", "no", "false", "f", "off"})
"""What APIs write for false where JSON's own false would do."""
_MISFITS: Final = (JMESPathError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What its functions raise of values that they were not written for: not all of that is an error of its own."""
_EXACT: Final = 2.0**53
"""Up to here a float holds whole numbers exactly (IEEE 754)."""


class ExpressionError(SpiderError, ValueError):
    """An expression that is no JMESPath, or that does not fit the values it meets; the message says why."""


@lru_cache(maxsize=512)
def compile_expression(source: str) -> ParsedResult:
    """Compile an expression; raises ExpressionError."""
    try:
        return jmespath.compile(source.strip())
    except JMESPathError as error:
        raise ExpressionError(f"{source!r} is not valid JMESPath: {_reason(error)}") from error
    except RecursionError:
        raise ExpressionError(f"{source!r} is not valid JMESPath: it is nested too deeply") from None


def search(source: str, value: Any) -> Any:
    """What an expression finds in a value; None if nothing. Raises ExpressionError."""
    if not source:
        return None
    try:
        return compile_expression(source).search(value)
    except _MISFITS as error:
        raise ExpressionError(f"the expression {source!r} cannot be used here: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:")


def text_of(value: Any) -> str:
    """A text or a number as text; "" for anything else, which some generators put where a text belongs."""
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ""
    if isinstance(value, float):
        if not math.isfinite(value):
            return ""
        # JSON knows one kind of number: 7.0 is 7.
        return str(int(value)) if value.is_integer() and abs(value) <= _EXACT else repr(value)
    return str(value)


def words_of(value: Any) -> str:
    """A text, or several in a list, or an object's own name, as text: what APIs have in place of an author."""
    if isinstance(value, list):
        return ", ".join(filter(None, (words_of(each) for each in value[:20] if not isinstance(each, list))))
    if isinstance(value, Mapping):
        return text_of(value.get("name"))
    return text_of(value)


def is_true(value: Any) -> bool:
    """Whether a value says yes: what JMESPath takes for true, but for 0, "N" and the like."""
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return text_of(value).strip().lower() not in _NO
    return bool(value)
