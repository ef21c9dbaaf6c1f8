"""Whether a page shows that one is logged in. Pure."""

from spiders.reading.embedded import opened_again
from spiders.reading.expressions import ExpressionError, is_true, search
from spiders.reading.json_text import NotJSONError, read_json
from spiders.reading.listing_page import parse_html
from spiders.reading.selectors import SelectorError, compile_selector


def shows_login(text: str, mark: str) -> bool:
    """Whether a page shows the mark: a selector that finds something in HTML, an expression that is true of JSON.

    A page of the other kind than the mark is for does not show it.
    """
    try:
        if text.lstrip("\ufeff \t\r\n").startswith(("{", "[", ")]}'")):
            return is_true(search(mark, opened_again(read_json(text).value)))
        return bool(compile_selector(mark).find(parse_html(text)))
    except (ExpressionError, NotJSONError, SelectorError):
        return False
