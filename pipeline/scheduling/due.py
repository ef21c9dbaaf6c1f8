"""Which sites are due, and when each is due next: the schedules' side of a crawl."""

import logging
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from pipeline.resources import now
from pipeline.scheduling.parsing import Adaptive, Schedule, ScheduleError, interval_schedule, parse_schedule
from pipeline.scheduling.schedule import adaptive_interval, next_runs
from storage import crawl_runs, sites
from storage.models import Site

logger = logging.getLogger(__name__)

LONGEST_BACKOFF = timedelta(days=1)
"""For no longer is a site left alone, whatever it answers."""
FIRST_BACKOFF = timedelta(minutes=1)
ADAPTIVE_PERIOD = timedelta(days=14)
"""How far back an adaptive schedule looks for posts."""
ADAPTIVE_LEAST = timedelta(days=1)
"""A site that was watched for a shorter time is crawled at the floor: of its habits nothing is known."""
SOON = timedelta(minutes=10)
"""A crawl that is due within this is not worth a correction."""


def longest_backoff(failures: int) -> timedelta:
    """For how long at most a site is left alone after so many failed runs in a row: doubling, up to a day."""
    doublings = min(max(failures, 1) - 1, 20)
    return min(FIRST_BACKOFF * (1 << doublings), LONGEST_BACKOFF)


def claim_due(session: Session) -> list[int]:
    """Queue a run for each site that is due, and return the runs' ids."""
    at = now()
    return sites.claim_due(session, now=at, next_run=lambda site: next_crawl(site, at))


def next_crawl(site: Site, at: datetime) -> datetime:
    """When a site that is crawled now is due again."""
    try:
        return next_crawls(site, after=at, count=1)[0]
    except ScheduleError as error:
        # One bad line, written past the command that checks it, must not stop every other site.
        logger.error("schedule not understood", extra={"fields": {"site": site.name, "error": str(error)}})  # noqa: TRY400
        return at + timedelta(days=1)


def next_crawls(site: Site, *, after: datetime, count: int) -> list[datetime]:
    """The next moments after `after` at which a site is due by its schedule as it is now. Raises ScheduleError."""
    return next_runs(
        schedule_of(site),
        after=after,
        timezone=site.timezone,
        jitter_key=site.name,
        active_hours=site.active_hours,
        count=count,
    )


def schedule_of(site: Site) -> Schedule:
    """A site's schedule as it is now: an adaptive one is the interval that it stands at. Raises ScheduleError."""
    schedule = parse_schedule(site.schedule)
    if not isinstance(schedule.rule, Adaptive):
        return schedule
    floor, ceiling = schedule.rule.floor, schedule.rule.ceiling
    wanted = timedelta(seconds=site.adaptive_interval_s) if site.adaptive_interval_s else floor
    return interval_schedule(min(max(wanted, floor), ceiling))


def adapt(session: Session, site: Site, at: datetime) -> None:
    """After a run, let an adaptive schedule follow how often the site really posts; any other stays as it is."""
    try:
        rule = parse_schedule(site.schedule).rule
    except ScheduleError:
        return
    if not isinstance(rule, Adaptive):
        site.adaptive_interval_s = None
        return
    period = min(ADAPTIVE_PERIOD, at - site.created_at)
    if period < ADAPTIVE_LEAST:
        return
    posts = crawl_runs.post_count(session, site.id, since=at - period)
    interval = adaptive_interval(posts=posts, period=period, floor=rule.floor, ceiling=rule.ceiling)
    site.adaptive_interval_s = int(interval.total_seconds())


def correct_schedules(session: Session) -> int:
    """Bring back the sites that are due later than their schedules say, and return how many those were.

    A clock that ran ahead leaves such sites when it is set right; without this, a year's error would be a year's wait.
    """
    at = now()
    corrected = sites.end_long_suspensions(session, now=at, longest=longest_backoff, asked_for=LONGEST_BACKOFF)
    for site in sites.far_ahead(session, since=at + SOON):
        due = next_crawl(site, at)
        if site.next_crawl_at is not None and due < site.next_crawl_at:
            site.next_crawl_at = due
            corrected += 1
    if corrected:
        logger.warning("schedules corrected", extra={"fields": {"sites": corrected}})
    return corrected


def check_kept(schedule: Schedule, tick_s: float) -> None:
    """Raise ScheduleError for a schedule that is shorter than the time between two looks at what is due."""
    rule = schedule.rule
    interval = rule.floor if isinstance(rule, Adaptive) else rule
    if isinstance(interval, timedelta) and interval < timedelta(seconds=tick_s):
        raise ScheduleError(
            f"the schedule {schedule.text!r} would not be kept: due sites are looked for every {tick_s:g} s. "
            f"Choose an interval of at least that, or lower TICK_S"
        )
