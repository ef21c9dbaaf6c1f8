"""From the samples of a soak to its figures. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.bench.trend import Point, trend

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
