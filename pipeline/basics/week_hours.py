"""Hours of the week and times of day as people write them: "22:00-08:00", "fri,sat 23:00-09:00", "08:00". Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import time
from functools import lru_cache
from typing import Final

from pipeline.basics.preferences import DAYS, EVERY_DAY, QuietHours

NONE: Final = "none"
"""What people write for no hours, no times, no cap."""
MOST_WINDOWS: Final = 14
"""Two for each day of the week: more is no rule that a person keeps in mind."""
MOST_TIMES: Final = 24
MOST_A_DAY: Final = 1_000
"""The largest cap of pushes: who takes more wants none."""
_DAY: Final = 1_440
_MIDNIGHT: Final = time()
_GROUPS: Final = {
    "daily": EVERY_DAY,
    "weekdays": frozenset(range(5)),
    "weekends": frozenset({5, 6}),
    **{name: frozenset({at}) for at, name in enumerate(DAYS)},
}
_LONG: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_END: Final = "24:00"
_TIME: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_HOURS: Final = re.compile(rf"({_TIME.pattern})-({_TIME.pattern}|{_END})")
_DASHES: Final = re.compile(r"\s*[-\u2013\u2014\u2212~\u301c\uff5e]\s*")
_BETWEEN: Final = re.compile(r"[\s,]+(?:and[\s,]+)?")


@lru_cache(maxsize=1024)
def parse_windows(text: str) -> tuple[QuietHours, ...]:
    """Read "22:00-08:00", "fri,sat 23:00-09:00", several of them after semicolons or commas, or "none".

    Raises ValueError with a sentence for what is not understood, has no length, or leaves no minute of the week out.
    """
    if _is_none(text):
        return ()
    found = {window for part in text.split(";") if part.strip() for window in _windows(part)}
    if not found:
        raise ValueError('there are no hours: write them like "22:00-08:00", or none')
    if len(found) > MOST_WINDOWS:
        raise ValueError(f"there are {len(found)} windows: at most {MOST_WINDOWS} are allowed")
    if _covers_week(found):
        raise ValueError("these hours leave no minute of the week out: pause the user, or pace subscriptions as inbox")
    return tuple(sorted(found, key=lambda window: (sorted(window.days), window.start, window.end)))


def _windows(part: str) -> Iterator[QuietHours]:
    days: set[int] = set()
    had_days, hours = False, 0
    for word in _words(_DASHES.sub("-", part)):
        if (named := _days(word)) is not None:
            days |= named
            had_days = True
            continue
        if hours and had_days and not days:
            raise ValueError(f"it is not clear on which days {word} is meant: write them before it, or daily")
        yield _hours(word, frozenset(days) or EVERY_DAY)
        hours += 1
        days = set()
    if days or not hours:
        raise ValueError(f'{part.strip()!r} has days without hours: write them like "fri,sat 23:00-09:00"')


def _days(word: str) -> frozenset[int] | None:
    first, dash, last = (_short(end) for end in word.partition("-"))
    if not dash:
        return _GROUPS.get(first)
    if first not in DAYS or last not in DAYS:
        return None
    begin, end = DAYS.index(first), DAYS.index(last)
    return frozenset((begin + step) % 7 for step in range((end - begin) % 7 + 1))


def _short(word: str) -> str:
    return word[:3] if word.removesuffix("s") in _LONG else word


def _hours(word: str, days: frozenset[int]) -> QuietHours:
    matched = _HOURS.fullmatch(word)
    if matched is None:
        raise ValueError(
            f'{word!r} is not understood: hours look like "22:00-08:00", days like fri, mon-fri, weekdays, weekends'
        )
    start, end = _clock(matched[1]), _clock(matched[4])
    if start == end and matched[4] != _END:
        raise ValueError(f"{word} has no length: write 00:00-24:00 for a whole day, or none")
    return QuietHours(start=start, end=end, days=days)


def _clock(text: str) -> time:
    hours, minutes = map(int, text.split(":"))
    return time(hours % 24, minutes)


def _minutes(at: time) -> int:
    return at.hour * 60 + at.minute


def _covers_week(windows: Iterable[QuietHours]) -> bool:
    covered = {
        (day * _DAY + _minutes(window.start) + minute) % (7 * _DAY)
        for window in windows
        for day in window.days
        for minute in range((_minutes(window.end) - _minutes(window.start) - 1) % _DAY + 1)
    }
    return len(covered) == 7 * _DAY


def parse_times(text: str) -> tuple[time, ...]:
    """Read times of day, "08:00,18:00", or "none"; sorted. Raises ValueError with a sentence."""
    if _is_none(text):
        return ()
    times = set()
    for word in _words(text.replace(";", ",")):
        if not _TIME.fullmatch(word):
            raise ValueError(f"{word!r} is no time of day: write times like 08:00 or 08:00,18:00, or none")
        times.add(_clock(word))
    if not times:
        raise ValueError("there is no time: write times like 08:00 or 08:00,18:00, or none")
    if len(times) > MOST_TIMES:
        raise ValueError(f"there are {len(times)} times: at most {MOST_TIMES} are allowed")
    return tuple(sorted(times))


_CAP: Final = re.compile(r"([0-9]{1,9})(?:\s*(?:/|a|per)\s*day)?")


def parse_cap(text: str) -> int | None:
    """Read "20", "20/day", or "none": how many a day at most. Raises ValueError with a sentence."""
    if _is_none(text):
        return None
    matched = _CAP.fullmatch(text.strip().lower())
    if matched is None:
        raise ValueError(f"{text.strip()!r} is no cap: write a number of pushes a day such as 20, or none")
    if not 1 <= int(matched[1]) <= MOST_A_DAY:
        raise ValueError(f"a cap is from 1 to {MOST_A_DAY} pushes a day, or none: {matched[1]} is not")
    return int(matched[1])


def windows_text(windows: Sequence[QuietHours]) -> str:
    """Windows in the one form in which they are written, which `parse_windows` reads."""
    return "; ".join(_window_text(window) for window in windows) or NONE


def _window_text(window: QuietHours) -> str:
    hours = f"{window.start:%H:%M}-{_END if window.end == _MIDNIGHT else f'{window.end:%H:%M}'}"
    return hours if window.days == EVERY_DAY else f"{','.join(DAYS[day] for day in sorted(window.days))} {hours}"


def times_text(times: Sequence[time]) -> str:
    """Times of day as `parse_times` reads them."""
    return ",".join(f"{at:%H:%M}" for at in times) or NONE


def _is_none(text: str) -> bool:
    return text.strip().lower() == NONE


def _words(text: str) -> list[str]:
    return [word for word in _BETWEEN.split(text.strip().lower()) if word]
