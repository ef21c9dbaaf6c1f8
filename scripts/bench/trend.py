"""What becomes of a figure over time: where it stood when all was warm, where at the end, how it grew. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import linear_regression, median

Point = tuple[float, float]
"""Seconds since the begin, and a value."""

LONG_S = 1800.0
"""A run of at least this length is warm after five minutes; a shorter one after a sixth of it."""
WARM_FROM_S, WARM_UNTIL_S = 300.0, 600.0
"""What a long run uses between these moments is what its end is compared with."""


@dataclass(frozen=True, kw_only=True)
class Windows:
    """The parts of a run that are compared, in seconds since its begin."""

    warm: tuple[float, float]
    # What comes before says nothing of growth.
    growing_from: float
    end_from: float


def windows(seconds: float) -> Windows:
    """The parts of a run of this length."""
    long = seconds >= LONG_S
    return Windows(
        warm=(WARM_FROM_S, WARM_UNTIL_S) if long else (0.0, seconds / 6),
        growing_from=WARM_FROM_S if long else seconds / 6,
        end_from=seconds * 0.9,
    )


@dataclass(frozen=True, kw_only=True)
class Trend:
    """One figure of a run."""

    # Medians; None where nothing was seen.
    warm: float | None
    end: float | None
    most: float | None
    # By least squares; None from fewer than three points.
    growth_per_hour: float | None


def trend(points: Sequence[Point], seconds: float) -> Trend:
    """How a figure went in a run of this length."""
    parts = windows(seconds)
    begin, until = parts.warm
    return Trend(
        warm=_median([value for at, value in points if begin <= at <= until]),
        end=_median([value for at, value in points if at >= parts.end_from]),
        most=max((value for _, value in points), default=None),
        growth_per_hour=growth_per_hour([point for point in points if point[0] >= parts.growing_from]),
    )


def growth_per_hour(points: Sequence[Point]) -> float | None:
    """The slope of the line that fits best, by the hour; None from fewer than three moments."""
    times = [at for at, _ in points]
    if len(set(times)) < 3:
        return None
    return linear_regression(times, [value for _, value in points]).slope * 3600


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share (0 to 1) of the values do not exceed; None of none."""
    return sorted(values)[max(ceil(share * len(values)), 1) - 1] if values else None


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None
