"""Ages: "3 hours ago", "6時間前", "2 hari-hari, 8 jam yang lalu", "하루 전", "منذ 3 ساعات". Pure."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from spiders.reading.date_pieces import Piece
from spiders.reading.date_words import AGO_AFTER, AGO_BEFORE, NOW_WORDS, QUANTITIES, SPANS, UNITS, fold

_SHORT: Final = re.compile(r"(?P<n>\d{1,3})\s?(?P<unit>s|m|min|h|hr|d|w|mo|y)")
_BETWEEN: Final = frozenset(map(fold, ("and", "und", "et", "e", "y", "dan", "и", "و", "và")))
_ABOUT: Final = frozenset(
    map(fold, ("etwa", "ca", "circa", "environ", "about", "около", "unos", "unas", "fast", "over", "khoảng", "más"))
)


def short_age(text: str) -> timedelta | None:
    """ "5h" and "3d" as the whole text are how cards and apps write an age."""
    found = _SHORT.fullmatch(text)
    return None if found is None else timedelta(seconds=int(found["n"]) * UNITS[found["unit"]])


def with_ages(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces, with those that say an age together made one of the kind "age", whose value is a timedelta."""
    result: list[Piece] = []
    position = 0
    while position < len(pieces):
        if _word(pieces, position) in NOW_WORDS:
            result.append(Piece("now", timedelta()))
            position += 1
            continue
        seconds, end = _spans(pieces, position)
        before = _before(result) if end > position else 0
        after = end > position and _word(pieces, end) in AGO_AFTER
        if not (before or after):
            result.append(pieces[position])
            position += 1
            continue
        if before:
            del result[-before:]
        result.append(Piece("age", timedelta(seconds=seconds)))
        position = end + after
    return result


def _word(pieces: Sequence[Piece], position: int) -> str:
    is_word = 0 <= position < len(pieces) and pieces[position].kind == "word"
    return str(pieces[position].value) if is_word else ""


def _before(pieces: Sequence[Piece]) -> int:
    """How many pieces at the end say that an age follows: "vor", "il y a environ"."""
    about = 1 if _word(pieces, len(pieces) - 1) in _ABOUT else 0
    return about + 1 if _word(pieces, len(pieces) - 1 - about) in AGO_BEFORE else 0


def _spans(pieces: Sequence[Piece], position: int) -> tuple[int, int]:
    """The seconds of the quantities that stand here, each of a smaller unit than the one before, and their end."""
    seconds, end, larger = 0, position, 0
    while True:
        start = end + 1 if end > position and _word(pieces, end) in _BETWEEN else end
        said, unit, following = _span(pieces, start, alone=end == position)
        if following == start or (larger and unit >= larger):
            return seconds, end
        seconds, end, larger = seconds + said, following, unit


def _span(pieces: Sequence[Piece], position: int, *, alone: bool) -> tuple[int, int, int]:
    """One quantity ("3 hours", "하루", alone also "час назад"): its seconds, those of its unit, and its end."""
    word = _word(pieces, position)
    number = pieces[position].value if position < len(pieces) and pieces[position].kind == "number" else None
    amount = number if number is not None else QUANTITIES.get(word)
    unit = UNITS.get(_word(pieces, position + 1))
    if amount is not None and unit is not None and 0 <= amount < 10_000:
        return amount * unit, unit, position + 2
    if word in SPANS:
        return SPANS[word], SPANS[word], position + 1
    if alone and word in UNITS and len(word) > 1 and word.isalpha():
        return UNITS[word], UNITS[word], position + 1
    return 0, 0, position
