"""JSON that a page holds for its own scripts: in a script of its own, or set to a variable. Pure."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from lxml import etree

from spiders.reading.json_text import JSONText, NotJSONError, read_json
from spiders.reading.selectors import Selector, compile_selector

VARIABLE: Final = re.compile(r"(?:(?:window|self|globalThis)(?:\.|(?=\[))|js:)(?P<name>[\w$.\[\]'\"-]+)")
"""The name of a variable, as the parameter `embedded` gives it: window.NAME, window["NAME"] or js:NAME."""
_SET: Final = r"(?:^|[\s;,{{(.\[])[\"']?{name}[\"']?\]?\s*=\s*"
_ASSIGNED: Final = re.compile(r"=\s*(?=[{\[]|JSON\s*\.\s*parse\s*\()")
_PARSED: Final = re.compile(
    r"JSON\s*\.\s*parse\s*\(\s*(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`)", re.S
)
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|(?<![\w$])(?:undefined|void 0)(?![\w$])|![01](?!\d)', re.DOTALL)
_WORDS: Final = {"undefined": "null", "void 0": "null", "!0": "true", "!1": "false"}
_ESCAPE: Final = re.compile(r"\\(?:u(?P<unit>[0-9a-fA-F]{4})|x(?P<byte>[0-9a-fA-F]{2})|(?P<sign>.))", re.DOTALL)
_SIGNS: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}
SCRIPTS: Final = 200
"""Scripts of a page that are looked at."""


def embedded_documents(root: etree._Element, source: str) -> Iterator[JSONText]:
    """What a page holds where the parameter `embedded` says, each that can be read.

    Raises NotJSONError, with the reason of the first, when there is none.
    """
    variable = VARIABLE.fullmatch(source)
    reason, is_found = "", False
    texts = _scripts(root) if variable else _selected(compile_selector(source), root)
    for text in texts:
        try:
            if variable is None:
                yield json_in_script(text)
            elif found := re.search(_SET.format(name=re.escape(variable["name"].strip("[]'\""))), text):
                yield _value_at(text, found.end())
            else:
                continue
            is_found = True
        except NotJSONError as error:
            reason = reason or str(error)
    if not is_found:
        nothing = "no script of the page sets it" if variable else "it finds nothing on the page"
        raise NotJSONError(f"embedded is {source!r}, but {reason or nothing}")


def _scripts(root: etree._Element) -> Iterator[str]:
    for script, _ in zip(root.iter("script"), range(SCRIPTS), strict=False):
        if script.text:
            yield script.text


def _selected(selector: Selector, root: etree._Element) -> Iterator[str]:
    for found, _ in zip(selector.find(root), range(SCRIPTS), strict=False):
        yield found if isinstance(found, str) else "".join(found.itertext())


def json_in_script(text: str) -> JSONText:
    """The JSON that a script is, or that it sets a variable to. Raises NotJSONError."""
    try:
        return read_json(text)
    except NotJSONError as error:
        found = _ASSIGNED.search(text)
        if found is None:
            raise error from None
        return _value_at(text, found.end())


def _value_at(text: str, position: int) -> JSONText:
    """The value that a script writes at a position: JSON, a text with JSON in it, or nearly JSON."""
    if parsed := _PARSED.match(text, position):
        return read_json(_unescaped(parsed["text"][1:-1]))
    rest = text[position:]
    if not rest.startswith(("{", "[")):
        raise NotJSONError("what the script sets there is no JSON")
    try:
        return read_json(rest)
    except NotJSONError:
        return read_json(_TOKEN.sub(lambda token: _WORDS.get(token[0], token[0]), rest))


def _unescaped(text: str) -> str:
    def sign(found: re.Match[str]) -> str:
        code = found["unit"] or found["byte"]
        return chr(int(code, 16)) if code else _SIGNS.get(found["sign"], found["sign"])

    # Two halves of a sign that were escaped one by one become that sign again.
    text = _ESCAPE.sub(sign, text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")


def opened_again(value: Any) -> Any:
    """A text that is JSON itself, as ASP.NET's services wrap their answers, as the value in it; else what it was."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
