"""People of a drill who want what comes as digests, not in certain minutes, or not yet. Pure.

The windows are minutes of the drill itself, on the clock of each person's zone: all of them open while it lasts.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

TIMED = 0.2
"""Share of the users who say when they want to hear."""
ZONES = (
    "Pacific/Kiritimati", "Pacific/Chatham", "Pacific/Auckland", "Australia/Lord_Howe", "Australia/Adelaide",
    "Asia/Seoul", "Asia/Shanghai", "Asia/Bangkok", "Asia/Yangon", "Asia/Kathmandu", "Asia/Kolkata", "Asia/Kabul",
    "Asia/Dubai", "Africa/Nairobi", "Europe/Athens", "Europe/Paris", "Africa/Lagos", "UTC", "Atlantic/Azores",
    "America/Sao_Paulo", "America/St_Johns", "America/New_York", "America/Los_Angeles", "Pacific/Honolulu",
)  # fmt: skip
"""24, some of them a quarter or half an hour beside the others."""
WAYS = ("digests", "quiet", "cap", "snooze")
WINDOWS = 20
"""So many digests or quiet times has a person at most; in a long drill they lie further apart."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """When a person wants to hear."""

    zone: str
    way: str


@dataclass(frozen=True, kw_only=True)
class Said:
    """What such a person says, in the form in which users are imported."""

    preferences: dict[str, Any]
    snooze_until: datetime | None


def draw(seed: int, users: int) -> list[Timing | None]:
    """For each user what they want; None: to hear at once. The same for the same seed."""
    dice = Random(f"{seed}:timings")  # noqa: S311 - no secret
    return [
        Timing(zone=dice.choice(ZONES), way=dice.choice(WAYS)) if dice.random() < TIMED else None for _ in range(users)
    ]


def step(minutes: float) -> timedelta:
    """How far the windows of a drill of so many minutes lie apart: nobody waits for longer because of what they say."""
    return timedelta(minutes=1 + int(minutes / WINDOWS))


def said(timing: Timing, begin: datetime, minutes: float) -> Said:
    """What a person says at the begin of a drill of so many minutes, to be told each post before it is over."""
    apart = step(minutes)
    local = begin.astimezone(ZoneInfo(timing.zone))
    moments = [local + number * apart for number in range(WINDOWS + 1)]
    if timing.way == "quiet":
        quiet = [{"start": _clock(at), "end": _clock(at + apart)} for at in moments[::2]]
        return Said(preferences={"quiet": quiet}, snooze_until=None)
    if timing.way == "snooze":
        return Said(preferences={}, snooze_until=begin + apart)
    cap = {"daily_cap": 1} if timing.way == "cap" else {}
    return Said(preferences={"digests": [_clock(at) for at in moments[1:]], **cap}, snooze_until=None)


def _clock(at: datetime) -> str:
    return f"{at:%H:%M}"
