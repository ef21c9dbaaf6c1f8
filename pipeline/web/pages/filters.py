"""How a page writes times and numbers. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from pipeline.basics.text import last_line


def clock(at: datetime | None) -> str:
    """A moment of today, to the minute."""
    return "" if at is None else at.strftime("%H:%M")


def number(value: float) -> str:
    """A number with a comma after each three digits."""
    return f"{value:,}"


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {"clock": clock, "last_line": last_line, "number": number}
