"""Lengths of time as people write them: 90s, 5m, 36h, 7d, 2w, "5 minutes", "every hour", 30분마다. Pure."""

import re
from typing import Final

SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
"""The units, and their seconds."""
_WORDS: Final = {
    "s": "s sec secs second seconds 초",
    "m": "m min mins minute minutes 분",
    "h": "h hr hrs hour hours 시간",
    "d": "d day days 일",
    "w": "w week weeks 주",
}
_UNITS: Final = {word: unit for unit, words in _WORDS.items() for word in words.split()}
_DURATION: Final = re.compile(r"(?:every )?([0-9]{1,9})\s*([a-z]+|[가-힣]+?)(?:마다)?")
# "Every 1 day" is said so. 매일, as "daily", is once a day at midnight: pipeline.scheduling.parsing.
_EVERY: Final = re.compile(r"every ([a-z]+)")
_ROUNDED: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


def parse_duration(text: str, *, units: str = "smhdw") -> int | None:
    """The seconds of a whole number with one of the units or its name; None when the text is anything else."""
    text = _EVERY.sub(r"1 \1", text.strip())
    found = _DURATION.fullmatch(text)
    unit = _UNITS.get(found[2]) if found else None
    return int(found[1]) * SECONDS[unit] if found and unit and unit in units else None


def exact_duration(seconds: float) -> str:
    """Seconds in the largest unit up to days of which they are a whole number: 604800 is "7d", 90 is "90s"."""
    for unit in "dhms":
        if seconds and seconds % SECONDS[unit] == 0:
            return f"{int(seconds) // SECONDS[unit]}{unit}"
    return f"{seconds:g}s"


def rounded_duration(seconds: float) -> str:
    """A length of time for a person, in its largest unit: "1.5 h"."""
    for size, unit in _ROUNDED:
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
