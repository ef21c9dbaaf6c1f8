"""Lengths of time as people write them: 90s, 5m, 36h, 7d, 2w. Pure."""

import re
from typing import Final

SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
"""The units, and their seconds."""
_DURATION: Final = re.compile(r"([0-9]{1,9})\s*([smhdw])")
_ROUNDED: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


def parse_duration(text: str, *, units: str = "smhdw") -> int | None:
    """The seconds of a whole number with one of the units; None when the text is anything else."""
    found = _DURATION.fullmatch(text.strip())
    return int(found[1]) * SECONDS[found[2]] if found and found[2] in units else None


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
