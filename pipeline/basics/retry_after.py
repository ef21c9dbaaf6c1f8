"""The header with which a server says when to come back: RFC 9110, 10.2.3. Pure."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_S: Final = 1e8
"""About three years: a server that asks for more means "never", and timers take no more."""
_SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]*)?")


def retry_after_s(value: str, *, now: datetime) -> float | None:
    """The seconds that a server asks for, in seconds or as a date, at most LONGEST_S; None when it is neither.

    The standard has whole seconds; some servers send fractions. A date that is past asks for nothing.
    """
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), LONGEST_S)
    try:
        at = parsedate_to_datetime(value)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return min(max(0.0, (at - now).total_seconds()), LONGEST_S)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
