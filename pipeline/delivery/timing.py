"""When a post is pushed to a person: at once, at some later time because of something, or never. Pure.

Asked at the fan-out, and again at the claim: settings and clocks change. docs/timing.md has the rules as a table.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from pipeline.basics.preferences import Pace, Preferences, QuietHours

MORNING: Final = time(8)
"""When, on a person's clock, a daily pace and what was over yesterday's cap are sent, where there are no digests."""
FARTHEST: Final = 14
"""Windows that follow each other without a gap: after so many it is looked again later."""


class Reason(StrEnum):
    """Why something is not pushed at once; short words that are kept in `notifications.deferred` and shown."""

    QUIET = "quiet hours"
    DIGEST = "digest"
    HOURLY = "hourly pace"
    DAILY = "daily pace"
    CAP = "daily cap"
    SNOOZE = "snooze"
    INBOX = "inbox pace"
    EXPIRED = "too old"
    PAUSED = "user paused"


NEVER_WAITED_FOR: Final = frozenset({Reason.INBOX, Reason.EXPIRED, Reason.PAUSED})
"""Reasons for the inbox only."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of one post and one person at one moment."""

    now: datetime
    created_at: datetime
    # Seconds after created_at at which nobody wants to see it any more.
    ttl_s: float
    preferences: Preferences
    zone: tzinfo
    # The person's place in the span over which the windows of all are spread (offset_of).
    offset: timedelta = timedelta()
    snooze_until: datetime | None = None
    paused: bool = False
    # The liveliest pace of the subscriptions that match.
    pace: Pace | None = None
    urgent: bool = False
    # Pushes since the person's midnight (day_begin).
    pushed_today: int = 0
    # Its window has come: pace, digests and cap are behind it.
    waited: bool = False


@dataclass(frozen=True)
class SendNow:
    """It may ring at once."""


@dataclass(frozen=True)
class WaitUntil:
    """It waits for a time."""

    time: datetime
    reason: Reason
    # The time is its end: unless the person changes something before, it is in the inbox only.
    expires: bool = False


@dataclass(frozen=True)
class InboxOnly:
    """It never rings; the inbox has it."""

    reason: Reason


Decision = SendNow | WaitUntil | InboxOnly


def when(facts: Facts) -> Decision:
    """What becomes of a post for a person."""
    expires_at = facts.created_at + timedelta(seconds=facts.ttl_s)
    if facts.now >= expires_at:
        return InboxOnly(Reason.EXPIRED)
    if facts.paused:
        return InboxOnly(Reason.PAUSED)
    if facts.pace is Pace.INBOX and not facts.waited:
        return InboxOnly(Reason.INBOX)
    passes = facts.urgent and facts.preferences.urgent_passes
    at, reason = (facts.now, None) if passes or facts.waited else _paced(facts)
    if facts.snooze_until is not None and facts.snooze_until > at:
        at, reason = facts.snooze_until, Reason.SNOOZE
    if not passes:
        loud = after_quiet(at, facts.preferences.quiet, facts.zone, facts.offset)
        if loud > at:
            at, reason = loud, Reason.QUIET
    if reason is None:
        return SendNow()
    return WaitUntil(at, reason) if at < expires_at else WaitUntil(expires_at, reason, expires=True)


def _paced(facts: Facts) -> tuple[datetime, Reason | None]:
    """When pace, digests and cap let it go, whatever the quiet hours say."""
    digests = facts.preferences.digests
    if facts.pace is Pace.DAILY:
        return _next(facts, digests[:1] or (MORNING,)), Reason.DAILY
    if digests and facts.pace is not Pace.NOW:
        return _next(facts, digests), Reason.DIGEST
    if facts.pace is Pace.HOURLY:
        return _next_hour(facts), Reason.HOURLY
    cap = facts.preferences.daily_cap
    if cap is not None and facts.pushed_today >= cap:
        return _next(facts, digests) if digests else _tomorrow(facts), Reason.CAP
    return facts.now, None


def offset_of(user_id: int, spread_s: float) -> timedelta:
    """A person's place in the span: always the same, and all of them evenly over it."""
    # Knuth's multiplicative hash: neighbouring ids lie far apart.
    return timedelta(seconds=int(user_id * 2_654_435_761 % 2**32 / 2**32 * spread_s))


def day_begin(now: datetime, zone: tzinfo) -> datetime:
    """The moment at which the person's day began: what a cap counts from."""
    return _moment(now.astimezone(zone).date(), time(), zone)


def is_quiet(at: datetime, windows: Iterable[QuietHours], zone: tzinfo) -> bool:
    """Whether a moment lies in one of the windows."""
    return _quiet_end(at, windows, zone) is not None


def after_quiet(at: datetime, windows: Iterable[QuietHours], zone: tzinfo, offset: timedelta) -> datetime:
    """The moment itself if it is not quiet; else the offset behind the end of the windows, which may lie in a row."""
    for _ in range(FARTHEST):
        end = _quiet_end(at, windows, zone)
        if end is None:
            return at
        at = _spread(end, windows, zone, offset)
    return at


def _spread(at: datetime, windows: Iterable[QuietHours], zone: tzinfo, offset: timedelta) -> datetime:
    """A moment and the offset; without it where only the offset would lead into quiet hours, which may be long."""
    later = at + offset
    return at if is_quiet(later, windows, zone) and not is_quiet(at, windows, zone) else later


def _quiet_end(at: datetime, windows: Iterable[QuietHours], zone: tzinfo) -> datetime | None:
    """The end of the window that a moment lies in, the latest if there are several; None outside of all.

    When clocks are set back, an hour comes twice: a window lasts from the first time its start is shown to the last
    time its end is. When they are set forward, a time that no clock shows is the moment at which they are set.
    """
    if not windows:
        return None
    today = at.astimezone(zone).date()
    ends = []
    for window in windows:
        for begins in (today - timedelta(days=1), today):
            if begins.weekday() in window.days:
                ends_on = begins if window.end > window.start else begins + timedelta(days=1)
                end = _moment(ends_on, window.end, zone, last=True)
                if _moment(begins, window.start, zone) <= at < end:
                    ends.append(end)
    return max(ends, default=None)


def _next(facts: Facts, times: Iterable[time]) -> datetime:
    """The next of some times of day, each with the person's offset, on the person's clock."""
    today = facts.now.astimezone(facts.zone).date()
    # The day before: an offset may reach over midnight.
    days = [today + timedelta(days=number) for number in (-1, 0, 1)]
    moments = (_own_moment(facts, day, at) for day in days for at in times)
    return min(moment for moment in moments if moment > facts.now)


def _own_moment(facts: Facts, day: date, at: time) -> datetime:
    """When the clock shows a time on a day, with the person's offset."""
    return _spread(_moment(day, at, facts.zone), facts.preferences.quiet, facts.zone, facts.offset)


def _next_hour(facts: Facts) -> datetime:
    hour = 3600
    place = facts.offset.total_seconds() % hour
    return datetime.fromtimestamp(((facts.now.timestamp() - place) // hour + 1) * hour + place, UTC)


def _tomorrow(facts: Facts) -> datetime:
    day = facts.now.astimezone(facts.zone).date() + timedelta(days=1)
    return _own_moment(facts, day, MORNING)


def _moment(day: date, at: time, zone: tzinfo, *, last: bool = False) -> datetime:
    """When a clock shows a time, the first or the last time that it does; in a gap, when the clock jumps over it."""
    local = datetime.combine(day, at, zone)
    first, second = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
    if first <= second:
        return second if last else first
    # PEP 495: in a gap, fold=0 reckons with the offset before the jump, and so comes out behind it.
    before, behind, jump = second, first, first.astimezone(zone).utcoffset()
    while behind - before > timedelta(seconds=1):
        middle = before + (behind - before) / 2
        if middle.astimezone(zone).utcoffset() == jump:
            behind = middle
        else:
            before = middle
    return behind.replace(microsecond=0)
