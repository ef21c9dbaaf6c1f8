"""What else stands in the rows of a board: pinned ones, ads, badges, comment counts, ids, where scripts lead. Pure."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from lxml import etree

from spiders.guessing.element_names import ADS, PINNED, names_of_leaf, stable_classes, with_class
from spiders.guessing.seen import Seen
from spiders.guessing.titles import PRESSED, Titled
from spiders.reading.identity import resolve
from spiders.reading.page_scripts import Call, calls
from spiders.reading.rows import opened_addresses
from spiders.reading.selectors import compile_selector
from spiders.reading.text import element_text

_BADGE: Final = re.compile(r"n|new!?|hot|up|neu|nuevo|새\s?글|新着|新|최신|공지|첨부파일|icon", re.IGNORECASE)
_COUNT: Final = re.compile(r"[\[(]?\s*\+?\d{1,5}\s*[\])]?")
_COUNT_AT_END: Final = re.compile(r"\S\s*\[\s*\+?\d{1,5}\s*\]$")
_COMMENT_COUNT: Final = r"re:\s*\[\s*\+?\d{1,5}\s*\]$"
_HIDDEN: Final = re.compile(
    r"sound[-_]?only|sr[-_]?only|blind|ir|hidden|hide|visually-?hidden|screen-?reader\S*|a11y\S*", re.I
)
"""Classes of what is said to those who do not see the page: "comments", "new post"."""
_INLINE: Final = ("span", "em", "i", "b", "strong", "img", "small", "sup", "font")


def marks(rows: Sequence[etree._Element], titles: Titled, date: str, seen: Seen) -> dict[str, Any]:
    """Parameters for the marks: classes of some rows that say pinned or advertising, and what is no part of titles."""
    classes = Counter(name for row in rows for name in dict.fromkeys((row.get("class") or "").split()))
    some = [name for name, count in classes.items() if count < len(rows)]
    found: dict[str, Any] = {}
    if pinned := [with_class("", name) for name in some if PINNED.fullmatch(name)]:
        found["pinned"] = ", ".join(pinned)
    if ads := [with_class("", name) for name in some if ADS.fullmatch(name)]:
        found["skip"] = ads
    strip = sorted(_badges(titles))
    if date and any(compile_selector(date, in_row=True).elements(title) for row, title in titles if title is not row):
        strip.append(date)
    counted = [seen.text(title) for _, title in titles if _COUNT_AT_END.search(seen.text(title))]
    if len(counted) >= max(2, 0.2 * len(titles)) or any(
        seen.is_known_text(text[: text.rindex("[")]) for text in counted
    ):
        strip.append(_COMMENT_COUNT)
    return found | ({"strip": strip} if strip else {})


def _badges(titles: Titled) -> set[str]:
    """Names of elements inside titles that are a badge, or a number at the end such as a comment count."""
    badges: set[str] = set()
    texts: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    for _, title in titles:
        for child in title.iterdescendants(*_INLINE):
            if names := (child.get("class") or "").split():
                name, text = with_class(child.tag, names[0]), element_text(child)
                hidden = any(_HIDDEN.fullmatch(each) for each in names)
                texts[name] += bool(text)
                numbers[name] += bool(_COUNT.fullmatch(text)) and _ends(title, child)
                if _BADGE.fullmatch(text) or (hidden and 2 * len(text) < len(element_text(title))):
                    badges.add(name)
    return badges | {name for name, count in numbers.items() if count > 1 and count == texts[name]}


def _ends(title: etree._Element, child: etree._Element) -> bool:
    """Whether a title ends with one of its elements, but for what is not seen."""
    hidden = [
        each
        for each in title.iterdescendants(*_INLINE)
        if any(_HIDDEN.fullmatch(name) for name in (each.get("class") or "").split())
    ]
    text = element_text(title, hidden)
    return text.endswith(element_text(child)) and text != element_text(child)


def identity(title: str, titles: Titled, base: str) -> dict[str, Any]:
    """What leads to the post, or where its id is, when the addresses are scripts that do not tell where they lead."""
    elements = [_carrier(row, element) for row, element in titles]
    if any(
        resolve(base, address) for each in elements for address in (each.get("href") or "", *opened_addresses(each))
    ):
        return {}
    if template := link_template(elements, titles[0][0].getroottree().getroot()):
        return {"link_template": template}
    names = {name for each in elements for name in each.attrib if name.startswith("data-")} | {"onclick", "href"}
    distinct = {name: len({each.get(name) for each in elements}) for name in names}
    best = max(distinct, key=lambda name: (distinct[name], name.startswith("data-"), name))
    if distinct[best] <= len(elements) / 2:
        return {}
    place = _selector_of(title, titles, elements)
    return {"id": f"{place}::attr({best})"} if place is not None else {}


def _carrier(row: etree._Element, title: etree._Element) -> etree._Element:
    """The element whose address or script opens the post: the title, or what is around it in the row."""
    element = title
    while True:
        if element.get("href") or any(element.get(name) for name in PRESSED):
            return element
        if element is row:
            return title
        element = element.getparent()


def _selector_of(title: str, titles: Titled, elements: Sequence[etree._Element]) -> str | None:
    if all(element is row for (row, _), element in zip(titles, elements, strict=True)):
        return ""
    if all(element is each for (_, element), each in zip(titles, elements, strict=True)):
        return None if title.startswith("xpath:") or title == "." else title
    named = Counter(name for each in elements for name in {*stable_names(each)})
    name, count = max(named.items(), key=lambda each: each[1], default=("", 0))
    return name if count == len(elements) else None


def stable_names(element: etree._Element) -> Sequence[str]:
    """Selectors of an element by itself: by its classes, its cell, its tag."""
    by_class = [with_class(element.tag, name) for name in stable_classes(element)]
    return [*by_class, *names_of_leaf(element), element.tag]


_LONGEST: Final = 200_000
_BODY: Final = 1_500
"""Characters of a function that are looked at: one that opens a post is short."""
_FUNCTION: Final = r"(?:function\s+{name}\s*|\b{name}\s*[=:]\s*(?:function\s*)?)\((?P<names>[^()]*)\)\s*(?:=>\s*)?\{{"
_OPENS: Final = re.compile(
    r"(?:\blocation(?:\s*\.\s*href)?\s*=(?!=)|\blocation\s*\.\s*(?:assign|replace)\s*\(|\bwindow\s*\.\s*open\s*\()\s*"
)
_TERM: Final = re.compile(r"""\s*(?:(["'`])(?P<text>(?:\\.|(?!\1).)*)\1|(?P<name>[A-Za-z_$][\w$]*)(?![\w$.(\[]))\s*""")
_TEMPLATE_FIELD: Final = re.compile(r"\$\{\s*([A-Za-z_$][\w$]*)\s*\}")
_FIELDS: Final = ("onclick", "href")


def link_template(links: Sequence[etree._Element], root: etree._Element) -> str:
    """The parameter for links that call a function of the page which says where it leads; "" where it is not known."""
    for attribute in _FIELDS:
        called = [calls(link.get(attribute) or "") for link in links]
        if not all(called):
            continue
        shared = [call for call in called[0] if all(any(each.name == call.name for each in rest) for rest in called)]
        if found := next(filter(None, (_template(call, attribute, root) for call in shared)), ""):
            return found
    return ""


def _template(call: Call, attribute: str, root: etree._Element) -> str:
    name = call.name.rpartition(".")[2]
    for names, body in _functions(name, root):
        fields = {each: f"{{{attribute}.{name}.{place}}}" for place, each in enumerate(names[: len(call.arguments)])}
        for opening in _OPENS.finditer(body):
            address = _joined(body, opening.end(), fields)
            if any(field in address for field in fields.values()):
                return address
    return ""


def _functions(name: str, root: etree._Element) -> Iterator[tuple[list[str], str]]:
    """The functions of a name in a page's own scripts: what their arguments are called, and what they do."""
    pattern = re.compile(_FUNCTION.format(name=re.escape(name)))
    for script in root.iter("script"):
        source = (script.text or "")[:_LONGEST]
        for found in pattern.finditer(source):
            names = [each.strip() for each in found["names"].split(",")]
            yield names, source[found.end() : found.end() + _BODY].split("\nfunction ")[0]


def _joined(body: str, position: int, fields: dict[str, str]) -> str:
    """Literals and arguments joined by +, with the arguments' fields; "" where something else is joined."""
    parts: list[str] = []
    while term := _TERM.match(body, position):
        if term["name"] is not None and term["name"] not in fields:
            return ""
        parts.append(fields[term["name"]] if term["name"] else _filled(term["text"], fields))
        position = term.end()
        if body[position : position + 1] != "+":
            return "".join(parts) if body[position : position + 1] in {";", ")", ",", "}", "\n", ""} else ""
        position += 1
    return ""


def _filled(text: str, fields: dict[str, str]) -> str:
    return _TEMPLATE_FIELD.sub(lambda field: fields.get(field[1], field[0]), text)
