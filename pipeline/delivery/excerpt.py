"""The words of a post around the phrase that hit, for a message that has no room for the whole text. Pure."""

import re
import unicodedata
from functools import lru_cache
from typing import Final

from pipeline.push.message import ELLIPSIS, boundary_before

LENGTH: Final = 240
"""Characters: about what a phone shows of an opened notification."""
_BEFORE: Final = 60
"""So many of them stand before the phrase, at most: enough to see what it is about."""
_WORD: Final = 24
"""A word that is cut is left out, unless it is longer than this: some writing has no blanks."""

_TERM: Final = re.compile(r'"([^"]+)"|([^\s"]+)')
_HANGUL: Final = re.compile("[\uac00-\ud7a3]{4,}")
_LETTER: Final = re.compile(r"[^\W_]")


@lru_cache(maxsize=1024)
def excerpt(text: str, phrase: str, length: int = LENGTH) -> str:
    """At most `length` characters of a line of text, around the first place of a phrase's term, else the beginning.

    `phrase` is in the matcher's form (pipeline.fanout.phrases). Cut between words, and marked by an ellipsis where the
    text goes on.
    """
    if len(text) <= length:
        return text
    start = _start(text, _place(text, phrase))
    room = length - (start > 0)
    if len(text) - start <= room:
        # The end fits: then what stands before it has the rest of the room.
        start = _start(text, len(text) - length + 1 + _BEFORE)
        return ELLIPSIS + text[start:]
    end = _end(text, start, start + room - 1)
    return (ELLIPSIS if start else "") + text[start:end] + ELLIPSIS


def _place(text: str, phrase: str) -> int:
    """Where the first of a phrase's terms stands; 0 when none does."""
    folded, at = _folded(text)
    places = []
    for quoted, plain in _TERM.findall(phrase):
        term = quoted or plain
        # Between alternatives.
        if plain == "|":
            continue
        # Korean compounds are found across blanks.
        pattern = r"\s?".join(term) if plain and _HANGUL.fullmatch(term) else re.escape(term)
        before, after = (r"(?<![^\W_])" if _is_spaced(term[0]) else ""), (r"(?![^\W_])" if _is_spaced(term[-1]) else "")
        found = re.search(before + pattern + after, folded) or re.search(pattern, folded)
        if found:
            places.append(found.start())
    place = min(places, default=0)
    return at[place] if at else place


def _is_spaced(char: str) -> bool:
    return char < "\u0e00" and bool(_LETTER.match(char))


def _folded(text: str) -> tuple[str, list[int]]:
    """The text as the matcher compares it, and where each of its characters stood; no places where all stay."""
    folded = text.casefold()
    if len(folded) == len(text) and unicodedata.is_normalized("NFKC", folded):
        return folded, []
    parts = [unicodedata.normalize("NFKC", char).casefold() for char in text]
    return "".join(parts), [place for place, part in enumerate(parts) for _ in part]


def _start(text: str, place: int) -> int:
    """Where to begin so that a place has some words before it."""
    earliest = place - _BEFORE
    if earliest <= 0:
        return 0
    blank = text.find(" ", earliest - 1, min(place, earliest + _WORD))
    return boundary_before(text, earliest) if blank < 0 else blank + 1


def _end(text: str, start: int, latest: int) -> int:
    blank = text.rfind(" ", max(start + 1, latest - _WORD), latest + 1)
    return boundary_before(text, latest) if blank < 0 else blank
