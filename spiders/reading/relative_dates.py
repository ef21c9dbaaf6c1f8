"""Dates that are said from today: "3 hours ago", "6時間前", "어제 13:41", "2 hari-hari, 8 jam yang lalu"."""

import re
from datetime import date, datetime, timedelta
from typing import Final

from spiders.reading.date_words import AGO_AFTER, AGO_BEFORE, DAY_WORDS, NOW_WORDS, UNITS

_ONE: Final = tuple("a an one ein eine einem einer einen un une uno una um uma satu een en ett".split())  # noqa: SIM905


def _alternatives(words: object) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))  # type: ignore[call-overload]


_QUANTITY: Final = rf"(?:\d{{1,4}}|\b(?:{_alternatives(_ONE)})\b)\s*(?:{_alternatives(UNITS)})(?![a-zà-ÿа-я])\.?"
_QUANTITIES: Final = rf"(?:{_QUANTITY})(?:(?:\s*,\s*|\s+and\s+|\s+und\s+|\s+et\s+|\s+e\s+|\s+y\s+|\s*)(?:{_QUANTITY}))*"
_PAST: Final = re.compile(
    rf"(?P<q>{_QUANTITIES})\s*(?:{_alternatives(AGO_AFTER)})(?![a-z])"
    rf"|\b(?:{_alternatives(AGO_BEFORE)})\s+(?:\w+\s+)??(?P<q2>{_QUANTITIES})",
    re.IGNORECASE,
)
_PART: Final = re.compile(
    rf"(?P<n>\d{{1,4}}|\b(?:{_alternatives(_ONE)})\b)\s*(?P<unit>{_alternatives(UNITS)})(?![a-zà-ÿа-я])", re.IGNORECASE
)
_DAY_WORD: Final = re.compile(rf"(?<![a-zà-ÿ])(?:{_alternatives(DAY_WORDS)})(?![a-zà-ÿа-я])", re.IGNORECASE)
_NOW_WORD: Final = re.compile(rf"\W*(?:{_alternatives(NOW_WORDS)})\W*", re.IGNORECASE)
_SHORT: Final = re.compile(r"(?P<n>\d{1,3})\s?(?P<unit>s|m|min|h|hr|d|w|mo|y)", re.IGNORECASE)


def relative_moment(text: str, now: datetime) -> datetime | None:
    """The moment that lies as long before `now` as the text says; None when it says nothing of the kind."""
    if _NOW_WORD.fullmatch(text):
        return now
    found = _PAST.search(text)
    if found is None:
        # "5h" and "3d" alone are how cards and apps write an age.
        found = _SHORT.fullmatch(text.strip())
        if found is None:
            return None
        return now - timedelta(seconds=int(found["n"]) * UNITS[found["unit"].lower()])
    seconds = sum(
        (int(part["n"]) if part["n"].isdigit() else 1) * UNITS[part["unit"].lower()]
        for part in _PART.finditer(found["q"] or found["q2"])
    )
    return now - timedelta(seconds=seconds)


def today_or_yesterday(text: str, now: datetime) -> date | None:
    """The day that a word like "Gestern" or "오늘" means."""
    found = _DAY_WORD.search(text)
    return None if found is None else now.date() - timedelta(days=DAY_WORDS[found[0].lower()])
