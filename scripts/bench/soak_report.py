"""From the samples of a soak to its figures. Pure."""

from collections.abc import Mapping, Sequence
from math import ceil
from statistics import linear_regression, median
from typing import Any

Point = tuple[float, float]
"""Seconds since the begin, and a value."""

LONG_S = 1800.0
"""A run of at least this length is warm after five minutes; a shorter one after a sixth of it."""
WARM_FROM_S, WARM_UNTIL_S = 300.0, 600.0
"""What a long run uses between these moments is what its end is compared with."""

Sample = Mapping[str, Any]
"""What was seen at a moment: at_s, and what `Soak.sample` adds."""

DIGITS = {"rss_mb": 1, "pss_mb": 1, "threads": 1, "fds": 1}
"""What is told of a process over time, and with how many digits."""


def process_figures(samples: Sequence[Sample], seconds: float) -> dict[str, dict[str, float | None]]:
    """Of each process: memory, threads and open files when it is warm, at the end, at most, and their growth."""
    found: dict[str, dict[str, float | None]] = {}
    for name in dict.fromkeys(name for sample in samples for name in sample["processes"]):
        of_name = [(sample["at_s"], sample["processes"][name]) for sample in samples if name in sample["processes"]]
        figures: dict[str, float | None] = {}
        for what, digits in DIGITS.items():
            points = [(at, used[what]) for at, used in of_name if used[what] is not None]
            figures |= _named(what, points, seconds, digits)
        found[name] = figures
    return found


def server_figures(samples: Sequence[Sample], seconds: float) -> dict[str, float | None]:
    """The same of Redis and of the database."""
    figures: dict[str, float | None] = {}
    for what, digits in (("redis_mb", 2), ("redis_keys", 0), ("database_mb", 2), ("rows", 0)):
        figures |= _named(what, [(sample["at_s"], sample[what]) for sample in samples], seconds, digits)
    return figures


def _named(what: str, points: Sequence[Point], seconds: float, digits: int) -> dict[str, float | None]:
    seen = trend(points, seconds).items()
    return {f"{what}_{name}": value if value is None else round(value, digits) for name, value in seen}


def longest_queues(samples: Sequence[Sample]) -> dict[str, int]:
    """The most messages that waited in each queue when it was looked at."""
    names = dict.fromkeys(name for sample in samples for name in sample["queues"])
    return {name: max(sample["queues"].get(name, 0) for sample in samples) for name in names}


def trend(points: Sequence[Point], seconds: float) -> dict[str, float | None]:
    """How a figure went in a run of this length; None where nothing was seen.

    warm, end: medians when all was warm, and of the last tenth; most: the greatest; growth_per_h: the slope of the
    line of least squares through all that follows the warming up, from three moments on.
    """
    long = seconds >= LONG_S
    warm_from, warm_until = (WARM_FROM_S, WARM_UNTIL_S) if long else (0.0, seconds / 6)
    growing_from = WARM_FROM_S if long else seconds / 6
    return {
        "warm": _median([value for at, value in points if warm_from <= at <= warm_until]),
        "end": _median([value for at, value in points if at >= seconds * 0.9]),
        "most": max((value for _, value in points), default=None),
        "growth_per_h": _growth_per_hour([point for point in points if point[0] >= growing_from]),
    }


def _growth_per_hour(points: Sequence[Point]) -> float | None:
    times = [at for at, _ in points]
    if len(set(times)) < 3:
        return None
    return linear_regression(times, [value for _, value in points]).slope * 3600


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share (0 to 1) of the values do not exceed; None of none."""
    return sorted(values)[max(ceil(share * len(values)), 1) - 1] if values else None


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None
