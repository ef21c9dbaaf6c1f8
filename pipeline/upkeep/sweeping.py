"""Making good what was lost: whatever the database owes and nobody works on is enqueued again.

Safe to run at any time, twice at once, and with a broker that forgot everything.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Final

from pipeline.broker.notify_room import Filler, NotifyRoom, share_of
from pipeline.broker.queue_ages import oldest_sent_at
from pipeline.crawling.closing import close_run, decide_late_posts
from pipeline.resources import now
from storage import channels, crawl_runs, digests, notifications, posts, probes, stories
from storage.clock import elapsed
from storage.run_figures import RunFigures
from storage.session import Database

logger = logging.getLogger(__name__)

GRACE_S = 60.0
"""A message younger than this may be in a worker's hands, so it is not called lost.

A notify task holds its message for at most NOTIFY_LEASE_S, which is as long. So what a killed notifier held is sent for
again 60 to 90 s after it was enqueued (this and a sweep's interval), before Redis gives its messages back after their
visibility timeout of 120 s; these then find nothing to do. A notifier so slow that its messages wait longer than this
in its hands is sent for again too, once a minute and only into a queue that is not full: a bounded number of repeats.
"""
NOTIFY_LEASE = timedelta(seconds=60)
"""At least as long as a sender's claim (pipeline.celery.NOTIFY_LEASE_S)."""
SLICE = 1000
"""At most as many are sent at once."""
WORTH: Final[Mapping[Filler, float]] = MappingProxyType({Filler.OWED: 1 / 8, Filler.BESIDE: 1 / 2})
"""Less than this part of a slice is not worth its transaction. What is owed waits for no more room than a fan-out does;
what makes no sound has the time."""
TICK_S = 4.5
"""How long one tick of five seconds goes on while there is more."""
TICK_BOUNDS = 1.5
"""As many bounds of the notify queue are filled in a tick with what is owed: three seconds of sending. The rest is left
to fan-outs, which find no room while it goes on."""
ROOM_S = 0.1
"""How often it looks whether there is room again."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Broker:
    """What the sweep asks of the broker."""

    publish: Callable[[str, Iterable[Sequence[int]]], object]
    # The ids in the oldest messages that wait for a task of this name; none when the broker cannot tell.
    oldest: Callable[[str], Sequence[tuple[int, ...]]]
    # The last moment at which no message waited for a task of this name: now when none does, None when never seen.
    empty_at: Callable[[str], datetime | None]
    # In the notify queue.
    room: NotifyRoom


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What was enqueued."""

    count: int
    # Whether there may be more: the room ended first.
    more: bool


@dataclass(frozen=True, kw_only=True)
class Swept:
    """How much a sweep found."""

    dead_runs: int
    runs: int
    fan_outs: int
    # Whose lead was gone.
    digests: int
    notifications: int
    # Texts that phones show still to be replaced.
    replacements: int = 0
    # Times that a wrong clock wrote; to mend them asks for nothing again.
    brought_back: int = 0

    def __bool__(self) -> bool:
        return any((self.dead_runs, self.runs, self.fan_outs, self.digests, self.notifications))


def sweep(database: Database, broker: Broker) -> Swept:
    """Close dead runs, and enqueue again the runs, fan-outs and notifications whose message is gone."""
    moved = _bring_back(database)
    with database.writing() as session:
        stories.heal(session, now=now(), since=now() - timedelta(seconds=10 * GRACE_S))
    dead, ready = _close_dead_runs(database)
    runs = _stranded_runs(database, broker)
    broker.publish("crawl_site", [(run_id,) for run_id in runs])
    stranded = _stranded_fan_outs(database, broker)
    broker.publish("fan_out_post", [(post_id,) for post_id in [*ready, *stranded]])
    lost = _lost_before(database, broker, "notify_user")
    swept = Swept(
        dead_runs=dead,
        runs=len(runs),
        fan_outs=len(stranded),
        digests=_mend_digests(database),
        notifications=send_due(database, broker, lost_before=lost).count,
        replacements=send_replacements(database, broker, lost_before=lost).count,
        brought_back=moved,
    )
    if swept:
        logger.warning("sweep found owed work", extra={"fields": swept.__dict__})
    return swept


def _bring_back(database: Database) -> int:
    """Mend what a clock wrote that was ahead: it would wait for a day, and nobody would know why."""
    with database.writing() as session:
        moved = notifications.bring_back(session, now=now(), lease=NOTIFY_LEASE)
        moved += channels.bring_back(session, now=now(), farthest=notifications.FARTHEST_WAIT)
    if moved:
        logger.warning("times too far ahead were brought back: a clock was wrong", extra={"fields": {"rows": moved}})
    return moved


def tick(database: Database, broker: Broker) -> None:
    """Send for all that is due, as long as there is more: what was to be sent before, and what makes no sound."""
    end, owed = elapsed() + TICK_S, _send_probes(database, broker)
    jobs: list[Callable[[Database, Broker], Sent]] = [_send_slices, send_digests, send_replacements]
    while jobs and elapsed() < end:
        sent = {job: job(database, broker) for job in jobs}
        owed += sent[_send_slices].count if _send_slices in sent else 0
        is_enough = owed >= TICK_BOUNDS * broker.room.bound
        jobs = [job for job, each in sent.items() if each.more and not (job is _send_slices and is_enough)]
        if jobs and not any(each.count for each in sent.values()):
            time.sleep(ROOM_S)


def send_due(database: Database, broker: Broker, *, lost_before: datetime = LONG_AGO) -> Sent:
    """Enqueue the notifications that are due and have no message, slice after slice.

    With `lost_before`, also those whose message was sent before that and is gone. And one for each paused channel that
    is to be tried again, whatever its own time.
    """
    probes_sent = _send_probes(database, broker)
    sent = _send_slices(database, broker, lost_before)
    return Sent(count=probes_sent + sent.count, more=sent.more)


def _send_slices(database: Database, broker: Broker, lost_before: datetime = LONG_AGO) -> Sent:
    count = 0
    while True:
        sent = _send_owed(database, broker, Filler.OWED, lost_before)
        count += sent.count
        # Less than a slice was all, or all the room: what is taken meanwhile makes room for few.
        if sent.count < SLICE:
            return Sent(count=count, more=sent.more)


def send_replacements(database: Database, broker: Broker, *, lost_before: datetime = LONG_AGO) -> Sent:
    """Enqueue notifications that are to replace what phones show, if there is room beside what is new.

    With `lost_before`, also those whose message was sent before that and is gone.
    """
    return _send_owed(database, broker, Filler.BESIDE, lost_before)


def send_digests(database: Database, broker: Broker) -> Sent:
    """Make digests of what waited and is due, and enqueue them, if there is room beside what is new."""
    with broker.room.hold(Filler.BESIDE, _fits(broker, Filler.BESIDE)) as size:
        if not size:
            return Sent(count=0, more=True)
        with database.writing() as session:
            formed = digests.form(session, now=now(), limit=size)
        broker.publish("send_digest", [(digest_id,) for digest_id in formed.digests])
    return Sent(count=len(formed.digests), more=formed.notifications == size)


def _fits(broker: Broker, filler: Filler) -> Callable[[int], int]:
    """How many to send where there is room for so many; none where they would be too few."""
    usual = min(SLICE, share_of(filler, broker.room.bound))
    return lambda room: size if (size := min(room, SLICE)) >= max(usual * WORTH[filler], 1) else 0


def _send_owed(database: Database, broker: Broker, filler: Filler, lost_before: datetime) -> Sent:
    with broker.room.hold(filler, _fits(broker, filler)) as size:
        if not size:
            return Sent(count=0, more=True)
        with database.writing() as session:
            beside = filler is Filler.BESIDE
            keys = notifications.due(session, now=now(), lost_before=lost_before, limit=size, replacing=beside)
        broker.publish("notify_user", keys)
    return Sent(count=len(keys), more=len(keys) == size)


def _mend_digests(database: Database) -> int:
    with database.writing() as session:
        return digests.mend(session, now=now())


def _send_probes(database: Database, broker: Broker) -> int:
    with database.reading() as session:
        names = probes.to_probe(session, now=now())
    if not names:
        return 0
    with broker.room.hold(Filler.NEW, partial(min, len(names))) as size:
        with database.writing() as session:
            sent = (probes.send_probe(session, name, now=now()) for name in names[:size])
            keys = [key for key in sent if key is not None]
        broker.publish("notify_user", keys)
    return len(keys)


def _lost_before(database: Database, broker: Broker, task: str) -> datetime:
    """Messages for a task that were sent before this moment are gone, and not merely waiting.

    They are older than any in a worker's hands, and than the oldest that waits; where the broker shows no messages,
    they are older than the last moment its queue was seen empty.
    """
    grace = now() - timedelta(seconds=GRACE_S)
    if waiting := broker.oldest(task):
        with database.reading() as session:
            # Messages that no row knows say nothing about the queue's age: better to miss a turn than to add to it.
            return min(oldest_sent_at(session, task, waiting) or LONG_AGO, grace)
    return min(broker.empty_at(task) or LONG_AGO, grace)


def _stranded_fan_outs(database: Database, broker: Broker) -> list[int]:
    # Looked up before the transaction that writes: on SQLite nobody else writes while that one waits for the broker.
    before = _lost_before(database, broker, "fan_out_post")
    with database.writing() as session:
        return posts.stranded(session, enqueued_before=before, now=now())


def _stranded_runs(database: Database, broker: Broker) -> list[int]:
    before = _lost_before(database, broker, "crawl_site")
    with database.writing() as session:
        return crawl_runs.stranded(session, enqueued_before=before, now=now())


def _close_dead_runs(database: Database) -> tuple[int, list[int]]:
    """Close runs whose worker is gone, and decide about posts that came after their run was closed."""
    ready: list[int] = []
    with database.writing() as session:
        dead = crawl_runs.dead(session, now=now())
        for run in dead:
            ready += close_run(session, run, RunFigures(finish_reason="lost", ok=False)).ready
        for run_id in posts.runs_with_undecided_posts(session):
            ready += decide_late_posts(session, run_id)
    return len(dead), ready
