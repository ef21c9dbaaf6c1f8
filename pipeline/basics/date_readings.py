"""Whether two readings of a post's date can be of the same date. Pure."""

from datetime import datetime, timedelta
from typing import Final

_GRANULARITY: Final = (
    (timedelta(hours=1), timedelta(minutes=2)),
    (timedelta(days=1), timedelta(hours=1, minutes=2)),
    (timedelta(days=7), timedelta(days=1)),
    (timedelta(days=31), timedelta(days=7)),
    (timedelta(days=366), timedelta(days=31)),
)
"""How far two readings of one date may lie apart, up to an age: "2 hours ago" is said for an hour."""
_COARSEST: Final = timedelta(days=366)


def contradict(
    date: datetime | None, before: datetime | None, now: datetime, *, least: timedelta = timedelta(0)
) -> bool:
    """Whether a date read now and one read before are surely two dates; one that is missing contradicts none.

    `least` is what they may differ by at any age, where the two were written in different ways.
    """
    if date is None or before is None:
        return False
    age = now - date
    within = next((tolerance for up_to, tolerance in _GRANULARITY if age < up_to), _COARSEST)
    return abs(date - before) >= max(within, least)
