"""Addresses of posts that a script opens: found in the function that the links call, where the page holds it. Pure."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from lxml import etree

from spiders.reading.page_scripts import Call, calls

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
