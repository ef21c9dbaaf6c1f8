"""Names for elements: selectors that fit an element and those like it, from classes that are likely to last. Pure."""

import re
from collections.abc import Iterator
from string import digits
from typing import Final

from lxml import etree

from spiders.guessing.addresses import split_address

FURNITURE: Final = re.compile(
    r"nav\w*|\w*nav|\w*menu\w*|foot|\w*footer\w*|header|\w*sidebar\w*|side|aside|breadcrumbs?|gnb|lnb|snb|tabs?|paging|pagination|pager|"
    r"social|share|banner|widget\w*|toolbar|login|languages?|tagcloud|cloud|related|calendar|recent|popular|mini",
    re.IGNORECASE,
)
NAME: Final = re.compile(r"[A-Za-z_][\w-]*")
_NUMBERED: Final = re.compile(r"\d{2,}|[0-9a-f]{8,}")
_STATES: Final = re.compile(
    r"odd|even|first|last|active|hover|on|off|clearfix|alt\d*|bg\d*|row\d|hot|new|lock(?:ed)?|visited|current|selected|"
    r"(?:un)?read|old|open|closed|nonsticky|normal|hybrid",
    re.IGNORECASE,
)
PINNED: Final = re.compile(
    r"notice|sticky|super-sticky|pinned|announce\w*|fixed|gongji|bo_notice|top-?notice", re.IGNORECASE
)
ADS: Final = re.compile(r"ads?|advert\w*|sponsor\w*|promo\w*|hongbo|p-ad\b.*", re.IGNORECASE)
HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_PARENTS: Final = frozenset({"tbody", "ul", "ol", "dl", "div", "section", "table", "main"})
_UNSAFE: Final = re.compile(r"^-|[^\w-]")
_PLAIN: Final = re.compile(r"[\w./-]+")
_TAG: Final = re.compile(r"[a-z][a-z0-9]*")
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|[\s_-]+")
_LIKE_SIBLINGS: Final = 6


def with_class(tag: str, name: str) -> str:
    """The CSS for an element of a class, with what CSS reserves escaped: `span.tw\\:mr-1`, `div.w-\\[40px\\]`."""
    escaped = _UNSAFE.sub(lambda sign: "\\" + sign[0], name)
    return f"{tag}.\\3{escaped[0]} {escaped[1:]}" if escaped[0] in digits else f"{tag}.{escaped}"


def selectors_of(element: etree._Element) -> Iterator[str]:
    """Ways to name an element and those like it: by its own classes, and by where it stands."""
    if not _TAG.fullmatch(element.tag):
        return
    for name in stable_classes(element):
        if not PINNED.fullmatch(name) and not ADS.fullmatch(name):
            yield with_class(element.tag, name)
    parent = element.getparent()
    if parent is None:
        return
    if parent.tag in _PARENTS:
        named = next((each for each in [parent, *parent.iterancestors()][:3] if _own_name(each)), None)
        if named is not None:
            middle = "" if named is parent else f"{parent.tag} > "
            yield f"{_own_name(named)} {'> ' if named is parent else ''}{middle}{element.tag}"
    if element.tag in {"tr", "li", "article"}:
        if parent.tag in _PARENTS:
            yield f"{parent.tag} > {element.tag}"
        if element.tag == "li":
            yield from _in_list(element)


def chain_to(element: etree._Element) -> str:
    """An element known by the kinds of what it stands in, from the nearest one with an id, for pages without names."""
    steps = [element.tag]
    for around in element.iterancestors():
        named = around.get("id") or ""
        is_named = NAME.fullmatch(named) and not _NUMBERED.search(named)
        steps.append(f"{around.tag}#{named}" if is_named else around.tag)
        if is_named or around.tag in {"main", "body"}:
            break
    return " > ".join(reversed(steps))


def _in_list(element: etree._Element) -> Iterator[str]:
    """An entry of a list at any depth: broken markup puts other elements between the two."""
    yield "ul li"
    around = next(element.iterancestors("ul", "ol"), None)
    for each in [] if around is None else [around, around.getparent()]:
        if each is not None and (name := _own_name(each)):
            yield f"{name} li"


def line_with_link(link: etree._Element) -> str:
    """The innermost table row around a link, known by a part of its address; "" where there is none.

    Tables inside tables, without a class, are told apart by nothing else.
    """
    if next(link.iterancestors("tr"), None) is None:
        return ""
    path = split_address(link.get("href") or "").path
    folder, _, name = path.rpartition("/")
    part = name if NAME.match(name) and not re.search(r"\d", name) else folder.rpartition("/")[2] and f"{folder}/"
    if not part or not _PLAIN.fullmatch(part):
        return ""
    return f"xpath://tr[not(.//tr)][.//a[contains(@href, '{part}')]]"


def _own_name(element: etree._Element) -> str:
    if not _TAG.fullmatch(element.tag):
        return ""
    name = element.get("id") or ""
    if NAME.fullmatch(name) and not _NUMBERED.search(name):
        return f"{element.tag}#{name}"
    classes = stable_classes(element)
    return with_class(element.tag, classes[0]) if classes else ""


def stable_classes(element: etree._Element) -> list[str]:
    """An element's classes that say what it is, not its state, look or number; at most four."""
    return [name for name in (element.get("class") or "").split() if _is_stable(name)][:4]


def _is_stable(name: str) -> bool:
    return bool(
        NAME.fullmatch(name) and not name[-1].isdigit() and not _NUMBERED.search(name) and not _STATES.fullmatch(name)
    )


def _classes_in_row(element: etree._Element) -> list[str]:
    """Classes that may tell elements of one row apart: stable ones, and those for the looks (`tw:mr-1`)."""
    names = (element.get("class") or "").split()
    return [name for name in names if not _NUMBERED.search(name) and not _STATES.fullmatch(name)][:6]


def names_in_row(element: etree._Element, row: etree._Element) -> Iterator[str]:
    """Names of an element inside a row: by class, by its parent's class, by its cell, by its place, by its tag."""
    if element is row:
        yield "."
        return
    tag = element.tag
    if not _TAG.fullmatch(tag):
        return
    for name in _classes_in_row(element):
        yield with_class(tag, name)
    places = [tag, *_by_place(element)]
    parent = element.getparent()
    while parent is not None and parent is not row and not _is_landmark(parent):
        parent = parent.getparent()
    if parent is None or parent is row:
        yield from places
        return
    for name in stable_classes(parent) if _TAG.fullmatch(parent.tag) else ():
        around = with_class(parent.tag, name)
        yield from (f"{around} {place}" for place in places)
    if parent.tag in {"td", "th"}:
        yield from (f"{_cell(parent)} {place}" for place in places)
    elif parent.tag in HEADINGS:
        yield from (f"{parent.tag} {place}" for place in places)


def _is_landmark(element: etree._Element) -> bool:
    return bool(stable_classes(element)) or element.tag in {"td", "th"} or element.tag in HEADINGS


def _cell(element: etree._Element) -> str:
    return f"{element.tag}:nth-child({sum(1 for _ in element.itersiblings(etree.Element, preceding=True)) + 1})"


def _by_place(element: etree._Element) -> Iterator[str]:
    """An element among siblings of its kind: the second, the last."""
    before = sum(1 for _ in element.itersiblings(element.tag, preceding=True))
    after = sum(1 for _ in element.itersiblings(element.tag))
    if 0 < before + after < _LIKE_SIBLINGS:
        yield f"{element.tag}:nth-of-type({before + 1})"
        if not after:
            yield f"{element.tag}:last-of-type"


def path_in_row(element: etree._Element, row: etree._Element) -> str:
    """The way from a row to an element by places alone: for rows whose elements have no names."""
    steps: list[str] = []
    while element is not row:
        place = sum(1 for _ in element.itersiblings(element.tag, preceding=True)) + 1
        steps.append(f"{element.tag}[{place}]")
        element = element.getparent()
    return "/".join(["xpath:.", *reversed(steps)])


def names_of_leaf(element: etree._Element) -> Iterator[str]:
    """Names of a small element inside a row: by class, as `time`, by its cell."""
    tag = element.tag
    for name in stable_classes(element):
        yield with_class(tag, name)
    if tag == "time":
        yield "time"
    if element.get("title"):
        yield f"{tag}[title]"
    if tag in {"td", "th"}:
        yield _cell(element)


def words_of(element: etree._Element) -> set[str]:
    """The words in an element's class and id."""
    named = f"{element.get('class') or ''} {element.get('id') or ''}"
    return {*re.split(r"[\s_-]+", named.lower()), *_HUMP.sub("-", named).lower().split("-")} - {""}


def is_furniture(element: etree._Element) -> bool:
    """Whether an element calls itself a menu, a side column or the like."""
    return any(FURNITURE.fullmatch(word) for word in words_of(element))
