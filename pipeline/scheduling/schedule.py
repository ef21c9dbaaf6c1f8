"""When a site is due next. Pure: `after`, the moment from which to look ahead, is always given.

Celery's crontab knows which local times a line means. It is asked in local time, one stretch of constant UTC offset
after the other, because its own arithmetic across a change of the clock leaves out the repeated hour: what it would
do in a time zone is what it does here in each stretch.
"""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from pipeline.scheduling.parsing import (
    ActiveHours,
    Adaptive,
    LocalCrontab,
    Schedule,
    ScheduleError,
    parse_active_hours,
    parse_timezone,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
# The least step: "strictly after a microsecond before" means "at or after".
_TICK = timedelta(microseconds=1)


def next_run(
    schedule: Schedule,
    *,
    after: datetime,
    timezone: str,
    jitter_key: str | None = None,
    active_hours: str | None = None,
) -> datetime:
    """The first moment after `after` at which a site is due, in UTC.

    Everything between the last run and `after` is made good by one run: there is no answer in the past, however long
    a site was off. Likewise a clock that was set back leaves nobody waiting for it to catch up.

    An interval keeps to a grid, so that it does not drift. With a `jitter_key` (the site's name) the grid is its own:
    many sites of one interval spread over it, each always in the same place. Without, the grid goes through `after`. An
    interval longer than the active hours gives one run in these hours, on each day for which one is due.

    A crontab line is in the site's own time zone and never spread. In the hour that an autumn night repeats it runs
    again. What falls into the hour that a spring night skips runs right after it, unless the next run comes as soon
    as the skipped one would have.

    Raises ScheduleError for an unknown time zone, wrong hours, or a line that never falls into the active hours.
    """
    if after.tzinfo is None:
        raise ValueError(f"a moment without a time zone says nothing: {after!r}")
    after = after.astimezone(UTC)
    zone = parse_timezone(timezone)
    hours = parse_active_hours(active_hours) if active_hours else None
    rule = schedule.rule
    if isinstance(rule, LocalCrontab):
        _check_reachable(schedule, rule, hours)
        return _within(hours, after, zone, lambda moment: _next_crontab(rule, moment, zone))
    # Whoever knows how often the site posts asks for the interval of the moment; without that, as often as it may be.
    interval = rule.floor if isinstance(rule, Adaptive) else rule
    fraction = _fraction(jitter_key) if jitter_key else 0.0
    # In whole seconds, so that the times read well.
    origin = _EPOCH + timedelta(seconds=int(fraction * interval.total_seconds())) if jitter_key else after
    if hours and interval > hours.length:
        return _once_in_hours(hours, after, zone, fraction, lambda moment: _on_grid(origin, interval, moment))
    return _within(hours, after, zone, lambda moment: _on_grid(origin, interval, moment))


def next_runs(
    schedule: Schedule,
    *,
    after: datetime,
    timezone: str,
    jitter_key: str | None = None,
    active_hours: str | None = None,
    count: int = 5,
) -> list[datetime]:
    """The next `count` moments at which a site is due, each found from the one before. Raises as next_run does."""
    runs: list[datetime] = []
    for _ in range(count):
        after = next_run(schedule, after=after, timezone=timezone, jitter_key=jitter_key, active_hours=active_hours)
        runs.append(after)
    return runs


def adaptive_interval(*, posts: int, period: timedelta, floor: timedelta, ceiling: timedelta) -> timedelta:
    """How often to crawl a site that had `posts` new posts in the last `period`.

    Half the mean time between two posts, between `floor` and `ceiling`, and rounded down to the floor doubled some
    times over: small changes in the count would move the site to another grid at each run. Without posts, the
    ceiling. Raises ScheduleError when the floor is over the ceiling or under a second.
    """
    if not timedelta(seconds=1) <= floor <= ceiling:
        raise ScheduleError(f"the floor {floor} must be at least a second and at most the ceiling, {ceiling}")
    if posts <= 0:
        return ceiling
    wanted = min(period / posts / 2, ceiling)
    interval = floor
    while interval * 2 <= wanted:
        interval *= 2
    return interval


def _fraction(key: str) -> float:
    """A number from 0 to below 1 that is always the same for a key, and evenly spread over keys."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4]) / 2**32


def _on_grid(origin: datetime, interval: timedelta, after: datetime) -> datetime:
    """The first point after `after` of the grid that goes through `origin`."""
    return origin + ((after - origin) // interval + 1) * interval


def _minute_of_day(moment: datetime, zone: ZoneInfo) -> int:
    local = moment.astimezone(zone)
    return local.hour * 60 + local.minute


def _within(
    hours: ActiveHours | None, after: datetime, zone: ZoneInfo, following: Callable[[datetime], datetime]
) -> datetime:
    """The first moment after `after` that lies in the active hours; `following` gives the next candidate."""
    found = following(after)
    while hours and not hours.includes(_minute_of_day(found, zone)):
        day = found.astimezone(zone).date()
        opening = hours.window(day, zone)[0]
        while opening <= found:
            day += _DAY
            opening = hours.window(day, zone)[0]
        found = following(opening - _TICK)
    return found


def _check_reachable(schedule: Schedule, rule: LocalCrontab, hours: ActiveHours | None) -> None:
    if hours and not any(hours.includes(hour * 60 + minute) for hour in rule.hour for minute in rule.minute):
        raise ScheduleError(
            f"the schedule {schedule.text!r} never falls into the active hours: change its hour field or these hours"
        )


def _once_in_hours(
    hours: ActiveHours, after: datetime, zone: ZoneInfo, fraction: float, on_grid: Callable[[datetime], datetime]
) -> datetime:
    """The next run of an interval that is longer than the active hours, which may hold none of its points.

    Each point of the grid is moved to the hours in which it lies, or else to those that come next.
    """
    day = after.astimezone(zone).date() - _DAY
    closed = hours.window(day - _DAY, zone)[1]
    while True:
        opening, closing = hours.window(day, zone)
        run = opening + fraction * (closing - opening)
        # On a spring night the hours may not exist at all; their point waits for the next ones.
        if opening < closing:
            if run > after and on_grid(closed - _TICK) < closing:
                return run
            closed = closing
        day += _DAY


def _next_crontab(rule: LocalCrontab, after: datetime, zone: ZoneInfo) -> datetime:
    """The first moment after `after` that a crontab line means in a time zone."""
    offset = _offset(after, zone)
    while True:
        found = _next_local(rule, after + offset) - offset
        change = _offset_change(zone, offset, after + _TICK, found)
        if change is None:
            return found
        new_offset = _offset(change, zone)
        # From here on in the new offset, the moment of the change included.
        after = change - _TICK
        if found < change + (new_offset - offset):
            # The local time of this run is skipped.
            resumed = _next_local(rule, after + new_offset) - new_offset
            return resumed if resumed <= found else change
        offset = new_offset


def _next_local(rule: LocalCrontab, local: datetime) -> datetime:
    """The first local time after `local` that a line means, both with the label UTC."""
    start, delta, _ = rule.remaining_delta(local)
    following: datetime = start + delta
    return following


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _offset_change(zone: ZoneInfo, offset: timedelta, start: datetime, end: datetime) -> datetime | None:
    """The first moment from `start` to `end` at which the UTC offset is not `offset`; None when it never changes.

    Looks once a day, then closer: no time zone changes twice within one.
    """
    same, moment = start, start
    while _offset(moment, zone) == offset:
        if moment == end:
            return None
        same, moment = moment, min(moment + _DAY, end)
    # The clocks change on whole seconds.
    early, late = int((same - _EPOCH).total_seconds()), int((moment - _EPOCH).total_seconds())
    while late - early > 1:
        middle = (early + late) // 2
        if _offset(_EPOCH + timedelta(seconds=middle), zone) == offset:
            early = middle
        else:
            late = middle
    return _EPOCH + timedelta(seconds=late)
