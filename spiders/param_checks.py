"""What a parameter may be: one function each, which raises ParamsError, SelectorError or ExpressionError. Pure."""

import re
from collections.abc import Callable

from spiders.param_values import ParamsError, as_pattern
from spiders.reading.embedded import VARIABLE
from spiders.reading.expressions import EXPRESSION_FIELD, ExpressionError, compile_expression
from spiders.reading.places import PLACE
from spiders.reading.selectors import SelectorError, compile_selector


def page_selector(text: str) -> object:
    """A selector that is asked about a whole page."""
    return compile_selector(text)


def row_selector(text: str) -> object:
    """A selector that is asked inside a row."""
    return compile_selector(text, in_row=True)


def _pattern_of(text: str) -> str:
    """The pattern of "re:...", "link:..." and "title:..."; "" for what selects."""
    kind, _, rest = text.partition(":")
    return rest if kind in {"re", "link", "title"} and not rest.startswith(":") else ""


def selector_or_pattern(text: str) -> object:
    """A selector, or a pattern for the address or the title."""
    return as_pattern(pattern) if (pattern := _pattern_of(text)) else row_selector(text)


def link_template(text: str) -> object:
    """An address with attributes in braces."""
    if not re.search(r"\{[\w.-]+\}", text):
        raise ParamsError("names no field; write for example view.do?id={data-id} or view.do?id={onclick.0}")
    return text


def expression(text: str) -> object:
    """JMESPath."""
    return compile_expression(text)


def expression_or_pattern(text: str) -> object:
    """JMESPath, or a pattern for the address or the title."""
    return as_pattern(pattern) if (pattern := _pattern_of(text)) else expression(text)


def pattern_alone(text: str) -> object:
    """ "re:" and a pattern."""
    if pattern := _pattern_of(text):
        return as_pattern(pattern)
    raise ParamsError('must be "re:" and a pattern')


def expression_template(text: str) -> object:
    """An address with JMESPath in braces."""
    fields = EXPRESSION_FIELD.findall(text)
    if not fields:
        raise ParamsError("names no field; write for example https://board.example/view?no={id}")
    return [expression(field) for field in fields]


def embedded(text: str) -> object:
    """Where JSON stands in a page."""
    return VARIABLE.fullmatch(text) or page_selector(text)


def page_template(text: str) -> object:
    """An address with a place in it."""
    if not PLACE.search(text):
        raise ParamsError("must hold {page} where the page's number goes ({page0} counts from 0), {offset} or {cursor}")
    return text


def date_format(text: str) -> object:
    """A form of strptime's."""
    if "%" not in text:
        raise ParamsError("is no strptime format; write for example %d.%m.%Y %H:%M")
    return text


def one_of(*allowed: str) -> Callable[[str], object]:
    """A check for one of these words."""

    def check(text: str) -> object:
        if text not in allowed:
            raise ParamsError(f"must be one of {', '.join(allowed)}")
        return text

    return check


def mark_of_login(mark: str) -> object:
    """A selector, or JMESPath."""
    try:
        return compile_selector(mark)
    except SelectorError:
        try:
            return compile_expression(mark)
        except ExpressionError as error:
            raise ParamsError(f"{mark!r} is neither a selector nor JMESPath: {error}") from error
