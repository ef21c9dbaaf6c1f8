"""What becomes of a figure over time: where it stood when all was warm, where at the end, how it grew. Pure."""

from collections.abc import Sequence
from math import ceil
from statistics import linear_regression, median

Point = tuple[float, float]
"""Seconds since the begin, and a value."""

LONG_S = 1800.0
"""A run of at least this length is warm after five minutes; a shorter one after a sixth of it."""
WARM_FROM_S, WARM_UNTIL_S = 300.0, 600.0
"""What a long run uses between these moments is what its end is compared with."""


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
