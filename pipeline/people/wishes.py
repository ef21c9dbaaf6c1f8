"""When and how often a person wants to hear, between the texts that people write and the form that is kept. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from pipeline.basics.durations import parse_duration
from pipeline.basics.preferences import Preferences
from pipeline.basics.week_hours import (
    NONE,
    parse_cap,
    parse_times,
    parse_windows,
    times_text,
    windows_text,
)
from pipeline.errors import PipelineError
from storage.subscriptions import AS_INSTALLATION

KEPT_AS: Final = {
    "quiet_hours": "quiet",
    "digest": "digests",
    "daily_cap": "daily_cap",
    "urgent_passes": "urgent_passes",
}
"""The names that people use, and those in `users.preferences`."""
_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")


class EntryError(PipelineError, ValueError):
    """What was said of a person or for one that cannot be stored, with the reason."""


def read(values: Mapping[str, Any]) -> dict[str, Any]:
    """What is said (of KEPT_AS) as parts of `users.preferences`; what is None or empty is left out.

    Raises EntryError, with the name of what is wrong.
    """
    said = {name: value for name, value in values.items() if value is not None and value != ""}
    found: dict[str, Any] = {}
    for name, value in said.items():
        text = str(value).strip().lower()
        if text == AS_INSTALLATION:
            found[KEPT_AS[name]] = AS_INSTALLATION
            continue
        try:
            part = _READERS[name](text)
        except ValueError as error:
            raise EntryError(f"{name}: {error}") from None
        found[KEPT_AS[name]] = Preferences(**{KEPT_AS[name]: part}).to_json()[KEPT_AS[name]]
    return found


def written(kept: Mapping[str, Any]) -> dict[str, Any]:
    """What a person said, as `read` takes it; None for what they said nothing about."""
    said = in_force(kept, Preferences())
    values = vars(said) | {"daily_cap": said.daily_cap or NONE}
    return {name: None if name in said.defaults else values[name] for name in KEPT_AS}


@dataclass(frozen=True, kw_only=True)
class InForce:
    """What holds for a person, by the names that people use."""

    quiet_hours: str
    digest: str
    daily_cap: int | None
    urgent_passes: bool
    # The names of those about which they said nothing: these are as the installation has them.
    defaults: tuple[str, ...]


def in_force(kept: Mapping[str, Any] | None, defaults: Preferences) -> InForce:
    """What holds for a person of whom that is kept."""
    preferences = Preferences.from_json(kept or {}, defaults)
    return InForce(
        quiet_hours=windows_text(preferences.quiet),
        digest=times_text(preferences.digests),
        daily_cap=preferences.daily_cap,
        urgent_passes=preferences.urgent_passes,
        defaults=tuple(name for name, key in KEPT_AS.items() if key not in (kept or {})),
    )


def flag(text: str) -> bool:
    """Yes or no. Raises ValueError."""
    if text not in (*_TRUE, *_FALSE):
        raise ValueError(f"{text[:40]!r} is not understood: true and false exist")
    return text in _TRUE


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "quiet_hours": parse_windows,
    "digest": parse_times,
    "daily_cap": parse_cap,
    "urgent_passes": flag,
}


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
