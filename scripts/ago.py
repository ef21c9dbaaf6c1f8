"""Moments as a person tells them: how long ago, or how far ahead. Pure."""

from datetime import datetime, timedelta

DATES_AFTER = timedelta(days=30)
"""What is further away is said by its date."""
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def since(at: datetime, now: datetime) -> str:
    """How long ago a moment is, or how far ahead, in its largest unit; by its date (of `at`'s zone) when it is far."""
    away = abs(now - at)
    if away >= DATES_AFTER:
        return f"{at:%Y-%m-%d}"
    seconds = int(away.total_seconds())
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1, "s"))
    length = f"{seconds // size} {unit}"
    return f"in {length}" if at > now else f"{length} ago"
