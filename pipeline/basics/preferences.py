"""What a person says about when and how often they want to hear, and its form in `users.preferences`. Pure.

The form is JSON, such as {"quiet": [{"start": "22:00", "end": "08:00", "days": ["mon", "tue"]}], "digests": ["08:00"],
"daily_cap": 5, "urgent_passes": true}. What is left out is as the installation has it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from enum import StrEnum
from typing import Any, Final

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY: Final = frozenset(range(7))
_CLOCK: Final = re.compile("([01]?[0-9]|2[0-3]):([0-5][0-9])")


class Pace(StrEnum):
    """How often a subscription may push. None, where it says nothing: as the person's digests say, else at once."""

    NOW = "now"
    HOURLY = "hourly"
    DAILY = "daily"
    INBOX = "inbox"


@dataclass(frozen=True, kw_only=True)
class QuietHours:
    """A window of local time without pushes; one that does not end after it starts ends on the next day.

    Raises ValueError for a window without a day.
    """

    start: time
    end: time
    # The weekdays on which it begins, Monday is 0.
    days: frozenset[int] = EVERY_DAY

    def __post_init__(self) -> None:
        if not self.days or not self.days <= EVERY_DAY:
            raise ValueError(f"quiet: days are some of {', '.join(DAYS)}")


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """What a person wants, complete. The zone of its times and the snooze stand beside it. Raises ValueError."""

    quiet: tuple[QuietHours, ...] = ()
    # The times of day at which all that came goes as one; none: each at once.
    digests: tuple[time, ...] = ()
    # Pushes a day, a digest counted as one; what goes over it joins the next digest.
    daily_cap: int | None = None
    # Urgent sites (`sites.urgent`) do not wait for the quiet hours, a digest or the cap.
    urgent_passes: bool = False

    def __post_init__(self) -> None:
        if self.daily_cap is not None and self.daily_cap < 1:
            raise ValueError(f"daily_cap: {self.daily_cap} is not 1 or more")

    @classmethod
    def from_json(cls, values: Mapping[str, Any], defaults: "Preferences | None" = None) -> "Preferences":
        """What stands in `users.preferences`; what is not there is as in `defaults`. Raises ValueError."""
        known: dict[str, Any] = dict((defaults or cls()).__dict__)
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"there is no preference {name!r}: the names are {', '.join(known)}")
            known[name] = _READ[name](value)
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """All of it, in the form of the column."""
        return {
            "quiet": [
                {"start": _clock(window.start), "end": _clock(window.end)}
                | ({} if window.days == EVERY_DAY else {"days": [DAYS[day] for day in sorted(window.days)]})
                for window in self.quiet
            ],
            "digests": [_clock(at) for at in self.digests],
            "daily_cap": self.daily_cap,
            "urgent_passes": self.urgent_passes,
        }


def parse_clock(text: object) -> time:
    """A time of day such as 08:00, to the minute. Raises ValueError."""
    found = _CLOCK.fullmatch(text) if isinstance(text, str) else None
    if found:
        return time(int(found[1]), int(found[2]))
    raise ValueError(f"{text!r} is no time of day such as 08:00 or 22:30")


def _clock(at: time) -> str:
    return f"{at:%H:%M}"


def _quiet(value: object) -> tuple[QuietHours, ...]:
    return tuple(_window(each) for each in _list("quiet", value))


def _window(value: object) -> QuietHours:
    if not isinstance(value, Mapping) or not {"start", "end"} <= value.keys() <= {"start", "end", "days"}:
        raise ValueError("quiet: windows with a start, an end and, if not every day, days are expected")
    names = _list("quiet", value.get("days", DAYS))
    if not all(name in DAYS for name in names):
        raise ValueError(f"quiet: days are some of {', '.join(DAYS)}")
    days = frozenset(DAYS.index(name) for name in names)
    return QuietHours(start=parse_clock(value["start"]), end=parse_clock(value["end"]), days=days)


def _digests(value: object) -> tuple[time, ...]:
    return tuple(sorted({parse_clock(each) for each in _list("digests", value)}))


def _cap(value: object) -> int | None:
    if value is not None and type(value) is not int:
        raise ValueError(f"daily_cap: {value!r} is no whole number of pushes a day")
    return value


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"urgent_passes: {value!r} is neither true nor false")


def _list(name: str, value: object) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    raise ValueError(f"{name}: a list is expected, not {value!r}")


_READ: Final = {"quiet": _quiet, "digests": _digests, "daily_cap": _cap, "urgent_passes": _flag}
