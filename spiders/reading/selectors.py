"""Selectors as people write them, CSS or XPath, compiled once and asked about one row at a time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cssselect
from lxml import etree
from parsel import xpathfuncs
from parsel.csstranslator import HTMLTranslator

from spiders.errors import SpiderError
from spiders.reading.text import clean, element_text, unescaped

xpathfuncs.setup()  # has-class() and friends, for every XPath of the process

_TRANSLATOR: Final = HTMLTranslator()
_FUNCTION: Final = re.compile(r"""'[^']*'|"[^"]*"|(?:(?<=::)|(?<![\w:-]))((?:[A-Za-z][\w-]*:)?[A-Za-z][\w-]*)\s*\(""")
_FUNCTION_NAMES: Final = (
    "last position count id local-name namespace-uri name string concat starts-with contains substring-before "
    "substring-after substring string-length normalize-space translate boolean not true false lang number sum "
    "floor ceiling round comment text processing-instruction node has-class re:test re:match re:replace "
    "and or div mod"
)
"""XPath 1.0, parsel's has-class and EXSLT's regular expressions. lxml notices an unknown one only when it calls it."""
_FUNCTIONS: Final = frozenset(_FUNCTION_NAMES.split())
_EMPTY: Final = etree.fromstring("<html><body/></html>")


class SelectorError(SpiderError, ValueError):
    """A selector that is neither CSS nor XPath; the message says what the parser stumbled over."""


@dataclass(frozen=True, slots=True)
class Selector:
    """A compiled selector. Found values are elements, or strings for `::text`, `::attr(name)`, `@name`, `text()`."""

    source: str
    _xpath: etree.XPath

    def find(self, element: etree._Element) -> list[etree._Element | str]:
        """All that it selects in an element and below, in document order; blank strings are left out."""
        try:
            found = self._xpath(element)
        except (etree.LxmlError, ValueError, TypeError) as error:
            raise SelectorError(f"the selector {self.source!r} cannot be used here: {error}") from error
        if not isinstance(found, list):
            found = [] if isinstance(found, bool) and not found else [str(found)]
        return [each if isinstance(each, etree._Element) else str(each) for each in found if _is_something(each)]

    def elements(self, element: etree._Element) -> list[etree._Element]:
        """The elements it selects."""
        return [each for each in self.find(element) if isinstance(each, etree._Element) and isinstance(each.tag, str)]

    def first(self, element: etree._Element) -> etree._Element | str | None:
        """The first thing it selects, or None."""
        return next(iter(self.find(element)), None)

    def text(self, element: etree._Element) -> str:
        """The first selected thing that has text, as clean text."""
        for each in self.find(element):
            if text := clean(unescaped(each)) if isinstance(each, str) else element_text(each):
                return text
        return ""


def _is_something(found: object) -> bool:
    return not isinstance(found, str) or bool(found.strip())


def is_xpath(source: str) -> bool:
    """Whether a selector is XPath: prefixed "xpath:", or starting with /, ./, ../, (, or being a lone dot."""
    return source.startswith(("xpath:", "/", "./", "../", "(", ".//")) or source in {".", ".."}


@lru_cache(maxsize=512)
def compile_selector(source: str, *, in_row: bool = False) -> Selector:
    """Compile a selector; `in_row` makes XPath's leading `/` mean the row instead of the page."""
    text = source.strip()
    if not text:
        raise SelectorError("a selector may not be empty")
    try:
        if is_xpath(text):
            expression = text.removeprefix("xpath:").strip()
            unknown = {found[1] for found in _FUNCTION.finditer(expression) if found[1]} - _FUNCTIONS
            if unknown:
                raise ValueError(f"there is no function {min(unknown)}()")
            if in_row and expression.startswith("/"):
                expression = "." + expression
        else:
            expression = _TRANSLATOR.css_to_xpath(text.removeprefix("css:"))
        xpath = etree.XPath(expression, regexp=True)
        xpath(_EMPTY)
    except (etree.LxmlError, cssselect.SelectorError, ValueError, TypeError) as error:
        kind = "XPath" if is_xpath(text) else "CSS"
        raise SelectorError(f"{source!r} is not valid {kind}: {_reason(error)}") from error
    return Selector(source, xpath)


def _reason(error: BaseException) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__


_TBODY_IN_CSS: Final = re.compile(r"(?:^|(?<=[\s>]))tbody(?::[\w-]+(?:\([^()]*\))?)*(?:\s*>\s*|\s+|$|(?=,))")
_TBODY_IN_XPATH: Final = re.compile(r"/tbody(?:\[[^\]]*\])?(?=/|$)")


def without_tbody(source: str) -> str:
    """A selector without its steps over `tbody`; "" when it has none.

    Browsers put a tbody into each table, and so into the selectors that one copies from them; many pages have none.
    """
    if is_xpath(source):
        changed = _TBODY_IN_XPATH.sub("", source)
    else:
        changed = re.sub(r"[\s>]+(?=,|$)", "", _TBODY_IN_CSS.sub("", source))
    return "" if changed == source else changed


def selects(selectors: Sequence[Selector], element: etree._Element) -> Selector | None:
    """The first of the selectors that matches the element or something in it."""
    return next((selector for selector in selectors if selector.find(element)), None)
