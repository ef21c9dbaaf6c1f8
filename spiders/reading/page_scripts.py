"""What the script in an href or onclick says: its calls with their arguments, and the address that it opens. Pure."""

import re
from dataclasses import dataclass
from typing import Final

_LENGTH: Final = 2_000
"""Characters of a script that are looked at."""
_BEGINNING: Final = re.compile(
    r"(?P<place>\blocation(?:\s*\.\s*href)?)\s*=(?!=)|"
    r"(?P<name>(?<![\w$])[A-Za-z_$][\w$]*(?:\s*\.\s*[\w$]+)*)\s*\("
)
_LITERAL: Final = re.compile(r"""'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)"|`((?:\\.|[^`\\])*)`""", re.DOTALL)
_BARE: Final = re.compile(r"[^,()'\"`;+]+")
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)

_LEADS_NOWHERE: Final = frozenset(
    {
        *("void", "if", "for", "while", "switch", "function", "return", "catch", "setTimeout"),
        *("preventDefault", "stopPropagation", "stopImmediatePropagation", "alert", "confirm", "focus", "blur"),
    }
)
"""Words before a parenthesis that say nothing of a post: JavaScript's own, and what only keeps the browser still."""
_OPENS: Final = frozenset({"location", "open", "assign", "replace", "href"})
"""Last words of the calls and assignments that open the address they are given."""
_SAYS_NOTHING: Final = frozenset({"this", "event", "e", "true", "false", "null", "undefined", ""})
_ADDRESS: Final = re.compile(
    r"(?:https?:)?//[^\s/]+\S*|\.{0,2}/[^\s/]\S*|\?[\w.]+=\S+|[\w./-]+\?[\w.]+=\S*|"
    r"[\w./-]+\.(?:do|html?|php\d?|jspx?|aspx?|action|nhn|cgi)\b\S*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Call:
    """A call in a script. An assignment to `location` counts as a call of that name with one argument."""

    name: str
    arguments: tuple[str, ...]


def calls(script: str) -> list[Call]:
    """The calls of a script that say something, in order: `void(0)` and `event.preventDefault()` do not."""
    script = script[:_LENGTH]
    found = []
    for beginning in _BEGINNING.finditer(script):
        if beginning["place"]:
            arguments = _arguments(script, beginning.end())[:1]
            name = "location"
        else:
            name = re.sub(r"\s", "", beginning["name"])
            arguments = [] if _last_word(name) in _LEADS_NOWHERE else _arguments(script, beginning.end())
        if not _SAYS_NOTHING.issuperset(arguments):
            found.append(Call(name, tuple(arguments)))
    return found


def _last_word(name: str) -> str:
    return name.rpartition(".")[2]


def _arguments(script: str, position: int) -> list[str]:
    """The literals and bare words from a position on, up to what is neither; literals joined by + are one."""
    arguments: list[str] = []
    parts: list[str] = []
    while True:
        position = _after_blanks(script, position)
        if literal := _LITERAL.match(script, position):
            parts.append(_unescaped(next(group for group in literal.groups() if group is not None)))
            position = literal.end()
        elif bare := _BARE.match(script, position):
            parts.append(bare[0].strip())
            position = bare.end()
        position = _after_blanks(script, position)
        sign = script[position : position + 1]
        if sign == "+" and parts:
            position += 1
            continue
        if sign == "(":
            # What another call returns is not known.
            return arguments
        if parts or sign == ",":
            arguments.append("".join(parts).strip())
        if sign != ",":
            return arguments
        parts = []
        position += 1


def _after_blanks(script: str, position: int) -> int:
    while position < len(script) and script[position].isspace():
        position += 1
    return position


def _unescaped(literal: str) -> str:
    def sign(escape: re.Match[str]) -> str:
        return chr(int(escape[1] or escape[2], 16)) if escape[1] or escape[2] else escape[3]

    return _ESCAPE.sub(sign, literal)


def call_arguments(script: str, name: str = "", among: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The arguments of the call of that name (`goView` is also `board.goView`), or of the first that says something.

    `among` names the calls that tell the rows of the page apart: one of them goes before the others.
    """
    found = calls(script)
    if name:
        found = [call for call in found if name in {call.name, _last_word(call.name)}]
    elif among:
        found.sort(key=lambda call: call.name not in among)
    return found[0].arguments if found else ()


def script_address(script: str) -> str:
    """The address that a script opens, as in `location.href='view?no=1'`, `open('/v/1')`, `go("http://..")`; or ""."""
    for call in calls(script):
        opens = _last_word(call.name) in _OPENS
        for argument in call.arguments[:1] if opens else call.arguments:
            if (opens and argument and not argument.startswith("#")) or _ADDRESS.fullmatch(argument):
                return argument
    return ""


def telling_calls(scripts: list[str]) -> frozenset[str]:
    """The names of the calls whose arguments differ from row to row, where there are others that do not."""
    arguments: dict[str, set[tuple[str, ...]]] = {}
    for script in scripts:
        for call in calls(script):
            arguments.setdefault(call.name, set()).add(call.arguments)
    telling = frozenset(name for name, each in arguments.items() if len(each) > 1)
    return telling if len(telling) < len(arguments) else frozenset()
