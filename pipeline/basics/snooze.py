"""Until when somebody wants no pushes, as people write it: "2h", "until 09:00", "2026-12-01 09:00", "off". Pure."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from pipeline.basics.durations import parse_duration

OFF: Final = "off"
LONGEST: Final = timedelta(days=366)
"""Who wants none for longer is paused, or unsubscribes."""
_FORMS: Final = 'write 2h, 1d, "until 09:00", "until 2026-12-01 09:00", or off'
_CLOCK: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_DAY: Final = timedelta(days=1)


def parse_snooze(text: str, *, now: datetime, zone: tzinfo) -> datetime | None:
    """The moment, in UTC, until which a snooze lasts that is asked for at `now`; None ends one.

    A time of day or a date is the user's, in `zone`; a moment may have its own offset ("2026-12-01T09:00+09:00").
    Raises ValueError with a sentence.
    """
    words = " ".join(text.lower().split())
    if words == OFF:
        return None
    seconds = parse_duration(words)
    until = _moment(words.removeprefix("until ").strip(), now, zone) if seconds is None else now + _bounded(seconds)
    if until is None:
        raise ValueError(f"the snooze {text.strip()!r} is not understood: {_FORMS}")
    if until <= now:
        raise ValueError(f"the snooze {text.strip()!r} is over already: {_FORMS}")
    if until > now + LONGEST:
        raise ValueError(f"the snooze {text.strip()!r} is longer than {LONGEST.days} days: pause the user instead")
    return until.astimezone(UTC)


def _bounded(seconds: int) -> timedelta:
    # A number of weeks that no date can hold is too long like any other.
    return timedelta(seconds=min(seconds, (LONGEST + _DAY).total_seconds()))


def _moment(words: str, now: datetime, zone: tzinfo) -> datetime | None:
    if clock := _CLOCK.fullmatch(words):
        local = now.astimezone(zone).replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0, fold=0)
        return local if local.astimezone(UTC) > now else local + _DAY
    if len(words) < len("2026-12-01 9:00"):
        # A date without a time of day: its begin or its end, nobody can tell.
        return None
    try:
        found = datetime.fromisoformat(re.sub(r" (?=[0-9]:)", " 0", words).upper())
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=zone)
