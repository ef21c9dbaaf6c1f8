"""When a post may ring, found minute by minute: an oracle for pipeline.delivery.timing that shares nothing with it.

It walks over a person's time in steps of a minute, looks at the clock on their wall, and asks at each whether it may
ring. It knows neither moments nor windows ahead, so it is slow, and simple enough to be believed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
EIGHT = 8 * 60
"""When a daily pace and what is over the cap go, where the person has no digests."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """A person in numbers: minutes since midnight, weekdays from 0 (Monday)."""

    zone: ZoneInfo
    # Start, end, and the days on which it begins; an end that is not after the start is on the next day.
    quiet: tuple[tuple[int, int, frozenset[int]], ...] = ()
    digests: tuple[int, ...] = ()
    cap: int | None = None
    urgent_passes: bool = False
    snooze_until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A post for that person."""

    at: datetime
    ttl: timedelta = timedelta(days=3)
    # now, hourly, daily, inbox, or None: as the person has it.
    pace: str | None = None
    urgent: bool = False
    # What rang for the person since their midnight.
    rang_today: int = 0


def is_quiet(person: Person, at: datetime) -> bool:
    """Whether the clock on the wall shows a quiet time."""
    wall = at.astimezone(person.zone)
    minute, today = wall.hour * 60 + wall.minute, wall.weekday()
    yesterday = (today - 1) % 7
    for start, end, days in person.quiet:
        if start < end:
            if today in days and start <= minute < end:
                return True
        elif (today in days and minute >= start) or (yesterday in days and minute < end):
            return True
    return False


def may_ring(person: Person, post: Arrival, at: datetime) -> bool:
    """Whether anything forbids that it rings at this moment: a snooze, or a quiet time that it does not pass."""
    if person.snooze_until is not None and at < person.snooze_until:
        return False
    return (post.urgent and person.urgent_passes) or not is_quiet(person, at)


def latest(person: Person, post: Arrival, spread: timedelta) -> datetime | None:
    """The last moment at which it is in time; None if it never rings.

    That is the first minute from which on neither pace, digests nor cap keep it, and at which it may ring, and the
    spread.
    """
    if post.pace == "inbox":
        return None
    let_go = False
    for at, before in _minutes(post.at):
        if at >= post.at + post.ttl:
            return None
        let_go = let_go or _lets_go(person, post, at, before)
        if let_go and may_ring(person, post, at):
            return at + MINUTE + spread + _repeated(person, post.at, at + timedelta(hours=2))
    raise AssertionError


def _minutes(begin: datetime) -> Iterator[tuple[datetime, datetime]]:
    at = begin.astimezone(UTC)
    while True:
        yield at, at - MINUTE
        at += MINUTE


def _repeated(person: Person, begin: datetime, end: datetime) -> timedelta:
    """By how much clocks are set back meanwhile: a time that comes twice may be waited for twice."""
    before, after = (moment.astimezone(person.zone).utcoffset() or timedelta() for moment in (begin, end))
    return max(before - after, timedelta())


def _lets_go(person: Person, post: Arrival, at: datetime, before: datetime) -> bool:
    if post.urgent and person.urgent_passes:
        return True
    if post.pace == "daily":
        return _shown(person, post, at, before, person.digests[:1] or (EIGHT,))
    if person.digests and post.pace != "now":
        return _shown(person, post, at, before, person.digests)
    if post.pace == "hourly":
        return at >= post.at + timedelta(hours=1)
    if person.cap is not None and post.rang_today >= person.cap:
        if person.digests:
            return _shown(person, post, at, before, person.digests)
        another_day = at.astimezone(person.zone).date() != post.at.astimezone(person.zone).date()
        return another_day and _shown(person, post, at, before, (EIGHT,))
    return True


def _shown(person: Person, post: Arrival, at: datetime, before: datetime, times: tuple[int, ...]) -> bool:
    """Whether the clock came to one of some times in this minute, or jumped over it, after the post arrived."""
    if at == post.at:
        return False
    wall, was = (moment.astimezone(person.zone).replace(tzinfo=None) for moment in (at, before))
    for minute in times:
        shown = wall.replace(hour=minute // 60, minute=minute % 60)
        if shown.replace(second=0) == wall.replace(second=0) or was < shown <= wall:
            return True
    return False
