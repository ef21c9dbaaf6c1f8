"""Names for elements: selectors that fit an element and those like it, from classes that are likely to last. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from lxml import etree

FURNITURE: Final = re.compile(
    r"nav\w*|menu\w*|footer|header|sidebar|side|aside|breadcrumbs?|gnb|lnb|snb|tabs?|paging|pagination|pager|social|"
    r"share|banner|widget\w*|toolbar|login|languages?|tagcloud|cloud|related|calendar|recent|popular|mini",
    re.IGNORECASE,
)
NAME: Final = re.compile(r"[A-Za-z_][\w-]*")
_NUMBERED: Final = re.compile(r"\d{2,}|[0-9a-f]{8,}")
_STATES: Final = re.compile(
    r"odd|even|first|last|active|hover|on|off|clearfix|alt\d*|bg\d*|row\d|hot|new|lock(?:ed)?|visited|current|selected",
    re.IGNORECASE,
)
PINNED: Final = re.compile(
    r"notice|sticky|super-sticky|pinned|announce\w*|fixed|gongji|bo_notice|top-?notice", re.IGNORECASE
)
ADS: Final = re.compile(r"ads?|advert\w*|sponsor\w*|promo\w*|hongbo|p-ad\b.*", re.IGNORECASE)


def selectors_of(element: etree._Element) -> Iterator[str]:
    """Ways to name an element and those like it: by its own classes, and by where it stands."""
    if not NAME.fullmatch(element.tag):
        return
    for name in stable_classes(element):
        if not PINNED.fullmatch(name) and not ADS.fullmatch(name):
            yield f"{element.tag}.{name}"
    parent = element.getparent()
    if parent is None:
        return
    if parent.tag in {"tbody", "ul", "ol", "dl", "div", "section", "table", "main"}:
        named = next((each for each in [parent, *parent.iterancestors()][:3] if _own_name(each)), None)
        if named is not None:
            middle = "" if named is parent else f"{parent.tag} > "
            yield f"{_own_name(named)} {'> ' if named is parent else ''}{middle}{element.tag}"
        if element.tag in {"tr", "li", "article"}:
            yield f"{parent.tag} > {element.tag}"


def _own_name(element: etree._Element) -> str:
    if not NAME.fullmatch(element.tag):
        return ""
    name = element.get("id") or ""
    if NAME.fullmatch(name) and not _NUMBERED.search(name):
        return f"{element.tag}#{name}"
    classes = stable_classes(element)
    return f"{element.tag}.{classes[0]}" if classes else ""


def stable_classes(element: etree._Element) -> list[str]:
    """An element's classes that say what it is, not its state or number; at most four."""
    names = (element.get("class") or "").split()
    return [
        name
        for name in names
        if NAME.fullmatch(name)
        and not name[-1].isdigit()
        and not _NUMBERED.search(name)
        and not _STATES.fullmatch(name)
    ][:4]


def names_in_row(element: etree._Element, row: etree._Element) -> Iterator[str]:
    """Names of an element inside a row: by class, by its parent's class, by its cell, by its tag."""
    if element is row:
        yield "."
        return
    tag = element.tag
    for name in stable_classes(element):
        yield f"{tag}.{name}"
    parent = element.getparent()
    while (
        parent is not None and parent is not row and not stable_classes(parent) and parent.tag not in {"td", "h2", "h3"}
    ):
        parent = parent.getparent()
    if parent is None or parent is row:
        yield tag
        return
    for name in stable_classes(parent) if NAME.fullmatch(parent.tag) else ():
        yield f"{parent.tag}.{name} {tag}" if tag != parent.tag else f"{parent.tag}.{name}"
    if parent.tag == "td":
        place = len(list(parent.itersiblings("td", preceding=True))) + 1
        yield f"td:nth-child({place}) {tag}"
    elif parent.tag in {"h2", "h3"}:
        yield f"{parent.tag} {tag}"


def names_of_leaf(element: etree._Element) -> Iterator[str]:
    """Names of a small element inside a row: by class, as `time`, by its cell."""
    for name in stable_classes(element):
        yield f"{element.tag}.{name}"
    if element.tag == "time":
        yield "time"
    if element.tag == "td":
        yield f"td:nth-child({len(list(element.itersiblings('td', preceding=True))) + 1})"


def words_of(element: etree._Element) -> set[str]:
    """The words in an element's class and id."""
    named = f"{element.get('class') or ''} {element.get('id') or ''}".lower()
    return set(re.split(r"[\s_-]+", named)) - {""}


def is_furniture(element: etree._Element) -> bool:
    """Whether an element calls itself a menu, a side column or the like."""
    return any(FURNITURE.fullmatch(word) for word in words_of(element))
