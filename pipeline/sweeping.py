"""Making good what was lost: whatever the database owes and nobody works on is enqueued again.

Safe to run at any time, twice at once, and with a broker that forgot everything.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipeline.crawling import close_run
from pipeline.resources import now
from storage import crawl_runs, notifications, posts
from storage.crawl_runs import RunFigures
from storage.models import CrawlRun
from storage.session import Database

logger = logging.getLogger(__name__)

GRACE_S = 60.0
"""A message younger than this may be in a worker's hands: it is not looked for."""
SLICE = 1000
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Broker:
    """What the sweep asks of the broker."""

    publish: Callable[[str, Iterable[Sequence[int]]], object]
    # The ids in the oldest message that waits for a task of this name; None when no message waits.
    oldest: Callable[[str], tuple[int, ...] | None]
    # How many messages wait for tasks of this name, and how many may before nothing is added.
    length: Callable[[str], int]
    notify_queue_max: int


@dataclass(frozen=True, kw_only=True)
class Swept:
    """How much a sweep found."""

    dead_runs: int
    runs: int
    fan_outs: int
    notifications: int

    def __bool__(self) -> bool:
        return any((self.dead_runs, self.runs, self.fan_outs, self.notifications))


def sweep(database: Database, broker: Broker) -> Swept:
    """Close dead runs, and enqueue again the runs, fan-outs and notifications whose message is gone."""
    dead, ready = _close_dead_runs(database)
    runs = _stranded_runs(database, broker)
    broker.publish("crawl_site", [(run_id,) for run_id in runs])
    with database.writing() as session:
        stranded = posts.stranded(session, enqueued_before=_grace(), now=now())
    broker.publish("fan_out_post", [(post_id,) for post_id in [*ready, *stranded]])
    swept = Swept(
        dead_runs=dead,
        runs=len(runs),
        fan_outs=len(stranded),
        notifications=send_due(database, broker, lost_before=_lost_before(database, broker)),
    )
    if swept:
        logger.warning("sweep found owed work", extra={"fields": swept.__dict__})
    return swept


def send_due(database: Database, broker: Broker, *, lost_before: datetime = LONG_AGO) -> int:
    """Enqueue the notifications that are due and have no message, slice after slice; returns how many.

    With `lost_before`, also those whose message was sent before that and is gone.
    """
    count = 0
    while broker.length("notify_user") <= broker.notify_queue_max:
        with database.writing() as session:
            keys = notifications.due(session, now=now(), lost_before=lost_before, limit=SLICE)
        broker.publish("notify_user", keys)
        count += len(keys)
        if len(keys) < SLICE:
            break
    return count


def _grace() -> datetime:
    return now() - timedelta(seconds=GRACE_S)


def _lost_before(database: Database, broker: Broker) -> datetime:
    """Messages sent before this moment are gone: older than the oldest that waits, and than any in a worker's hands."""
    key = broker.oldest("notify_user")
    if key is None:
        return _grace()
    with database.reading() as session:
        oldest = notifications.enqueued_at(session, (key[0], key[1]))
    return min(oldest, _grace()) if oldest else _grace()


def _stranded_runs(database: Database, broker: Broker) -> list[int]:
    oldest = broker.oldest("crawl_site")
    with database.writing() as session:
        waiting = session.get(CrawlRun, oldest[0]) if oldest else None
        before = min(waiting.enqueued_at, _grace()) if waiting and waiting.enqueued_at else _grace()
        return crawl_runs.stranded(session, enqueued_before=before, now=now())


def _close_dead_runs(database: Database) -> tuple[int, list[int]]:
    """Close runs whose worker is gone, and decide about posts that came after their run was closed."""
    ready: list[int] = []
    with database.writing() as session:
        dead = crawl_runs.dead(session, now=now())
        for run in dead:
            _, _, owed = close_run(session, run, RunFigures(finish_reason="lost", ok=False))
            ready += owed
        for run_id in posts.runs_with_undecided_posts(session):
            ready += crawl_runs.decide_late_posts(session, run_id, now=now())
    return len(dead), ready
