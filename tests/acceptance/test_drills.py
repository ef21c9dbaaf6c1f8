"""Drills: what may go away goes away in the middle of a fan-out, and everybody gets the post once all the same."""

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import redis
from sqlalchemy import select, text, update
from sqlalchemy.engine import make_url

from pipeline.celery import NOTIFY_LEASE_S
from scripts.local.embedded_postgres import PostgresServer, find_postgres
from scripts.local.proxy import Proxy
from storage.migrate import upgrade
from storage.models import CrawlRun, Notification, Post
from storage.postgres import LOCK_S
from tests.acceptance.installation import Installation, installed
from tests.support.builders import add_user
from tests.support.services import require

# A drill that goes wrong waits for what really takes a minute: the sweep's patience. So may a start, on a machine that
# others keep busy; a wait that ends when its condition comes true costs nothing.
# Every day test_drill_command.py kills and flushes, at moments that its seed decides.
pytestmark = [pytest.mark.full, pytest.mark.timeout(1200)]

PATIENCE_S = 300
IDLE_MOST = timedelta(seconds=30)
"""A busy machine hands over within this time; what nobody hands over waits for the sweep, which has a minute."""
WORKERS = ("crawler", "dispatcher", "notifier")

READERS = 300
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ONE_SLICE, ONE_OF_MANY = b"LPUSH\r\n$12\r\nnotify_tasks", b"LPUSH\r\n$15\r\nnotify_tasks\x06\x163"
"""What only whoever publishes notify_user writes to Redis, of a post for few people and of one for many (kombu's key
for a priority); the words of the message a notifier writes, too."""
PHRASE = "특강초청"
"""A phrase that stands in the board's only post, and in none that it makes itself."""


def prepare(installation: Installation, *, slice_users: int = READERS, latency_ms: int = 0) -> None:
    """One post that is new, readers of it, and a sweep every second."""
    installation.add_board("board", "--schedule", "1h", "--notify-existing")
    with installation.database.writing() as session:
        for number in range(READERS):
            add_user(session, f"user-{number}", PHRASE, platform="fcm")
    installation.gateway.set_faults(latency_ms=latency_ms)
    installation.environment |= {"FANOUT_SLICE": str(slice_users), "SWEEP_S": "1", "NOTIFY_CONCURRENCY": "16"}


@contextmanager
def redis_behind_proxy(installation: Installation) -> Iterator[Proxy]:
    """The processes reach Redis through a proxy, so that it can be held, or come back on another port."""
    with Proxy(make_url(installation.redis.url).port or 0) as proxy:
        installation.environment["REDIS_URL"] = re.sub(r":\d+/0$", f":{proxy.port}/0", installation.redis.url)
        yield proxy
        installation.close()


def count(installation: Installation, *, status: str | None = None) -> int:
    with installation.database.reading() as session:
        rows = session.scalars(select(Notification.status)).all()
    return len(rows) if status is None else rows.count(status)


def a_minute_passes(installation: Installation) -> None:
    """Leases of the dead end, and messages that did not come count as lost."""
    with installation.database.writing() as session:
        session.execute(update(Notification).where(Notification.status == "sending").values(lease_until=LONG_AGO))
        session.execute(update(Notification).where(Notification.status == "pending").values(enqueued_at=LONG_AGO))
        session.execute(update(Post).where(Post.fanout_lease_until.is_not(None)).values(fanout_lease_until=LONG_AGO))
        session.execute(update(Post).values(fanout_enqueued_at=LONG_AGO))
        session.execute(update(CrawlRun).where(CrawlRun.status == "queued").values(enqueued_at=LONG_AGO))


def wait_for_first_pushes(installation: Installation) -> None:
    installation.wait_until(lambda: installation.sends() >= 20, "the first pushes", seconds=PATIENCE_S)


def expect_everybody_served_once(installation: Installation) -> None:
    def served() -> bool:
        return count(installation, status="sent") == READERS

    installation.wait_until(served, "everybody's push", seconds=PATIENCE_S)
    assert count(installation) == READERS
    assert sorted(installation.shown().values()) == [1] * READERS


def test_redis_forgets_everything_in_the_middle_of_a_fan_out(sqlite_installation):
    installation = sqlite_installation
    prepare(installation, slice_users=50, latency_ms=50)
    installation.start()
    wait_for_first_pushes(installation)
    with redis.Redis.from_url(installation.redis.url) as client:
        client.flushall()
    a_minute_passes(installation)
    expect_everybody_served_once(installation)


@pytest.mark.parametrize(
    ("slice_users", "publishing", "passing", "committed"),
    [(READERS + 1, ONE_SLICE, 0, READERS), (50, ONE_OF_MANY, 3, 200)],
    ids=["before the first message", "before those of the fourth slice"],
)
def test_the_dispatcher_is_killed(sqlite_installation, slice_users, publishing, passing, committed):
    installation = sqlite_installation
    prepare(installation, slice_users=slice_users)
    with redis_behind_proxy(installation) as proxy:
        # Given a dispatcher that has committed its slice and cannot go on with the messages
        proxy.hold_at(publishing, passing=passing)
        installation.start()
        assert proxy.wait_until_held(PATIENCE_S)
        assert count(installation) == committed
        # When it is killed there
        installation.kill("dispatcher")
        installation.wait_until(
            lambda: passing == 0 or count(installation, status="sent"), "the part that was sent", seconds=PATIENCE_S
        )
        assert count(installation, status="sent") < committed
        # Then the next one goes on
        installation.start("dispatcher")
        a_minute_passes(installation)
        expect_everybody_served_once(installation)


def test_redis_is_stopped_and_started(sqlite_installation):
    installation = sqlite_installation
    prepare(installation, slice_users=50, latency_ms=50)
    installation.start()
    wait_for_first_pushes(installation)
    installation.redis.stop()
    time.sleep(2)
    installation.redis.start()
    a_minute_passes(installation)
    expect_everybody_served_once(installation)
    # Where one ends by itself, `scripts/start` stops everything.
    assert installation.ended() == []


@contextmanager
def on_postgres(folder: Path) -> Iterator[tuple[Installation, PostgresServer]]:
    """An installation with a PostgreSQL of its own, which may be halted."""
    programs = find_postgres()
    require(programs is not None, "PostgreSQL")
    assert programs is not None
    with PostgresServer(programs, ()) as server:
        url = server.url.render_as_string(hide_password=False)
        upgrade(url)
        with installed(folder, url, posts=[f"처음부터 있던 {PHRASE}"]) as installation:
            prepare(installation, slice_users=50, latency_ms=50)
            yield installation, server


def test_the_database_is_away_for_ten_seconds(tmp_path):
    with on_postgres(tmp_path) as (installation, server):
        installation.start()
        wait_for_first_pushes(installation)
        server.halt(at_once=True)
        time.sleep(10)
        server.resume()
        a_minute_passes(installation)
        expect_everybody_served_once(installation)


def test_processes_that_start_while_their_servers_are_away_wait_for_them(tmp_path):
    with on_postgres(tmp_path) as (installation, server):
        server.halt(at_once=True)
        installation.redis.stop()
        installation.start()

        def waiting(what: str) -> bool:
            return all(installation.logged(name, f"{what} away or refusing") == 1 for name in WORKERS)

        installation.wait_until(lambda: waiting("database"), "each to wait for the database", seconds=PATIENCE_S)
        server.resume()
        installation.wait_until(lambda: waiting("redis"), "each to wait for Redis", seconds=PATIENCE_S)
        installation.redis.start()
        expect_everybody_served_once(installation)
        assert installation.ended() == []


def test_somebody_locks_the_devices(tmp_path):
    with on_postgres(tmp_path) as (installation, _):
        installation.start()
        wait_for_first_pushes(installation)
        with installation.database.writing() as session:
            session.execute(text("LOCK TABLE devices IN ACCESS EXCLUSIVE MODE"))
            # Longer than anybody waits for a lock.
            time.sleep(LOCK_S + 5)
        a_minute_passes(installation)
        expect_everybody_served_once(installation)
        assert installation.ended() == []


def busy_sessions(installation: Installation) -> int:
    """How many have a transaction, whose locks a process that stands still would keep."""
    others = text("SELECT count(*) FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid()")
    with installation.database.reading() as session:
        return int(session.scalar(others) or 0)


def test_a_notifier_that_stood_still_sends_nothing_of_what_others_have_taken_over(tmp_path):
    with on_postgres(tmp_path) as (installation, _):
        installation.start()
        wait_for_first_pushes(installation)
        # Given a notifier that is stopped in the middle of a batch, until it is longer ago than it may send
        stopped = installation.pid("notifier")

        def stop() -> bool:
            os.kill(stopped, signal.SIGSTOP)
            if count(installation, status="sending") and not busy_sessions(installation):
                return True
            os.kill(stopped, signal.SIGCONT)
            return False

        installation.wait_until(stop, "a moment at which it waits for the vendor", seconds=PATIENCE_S)
        until = time.monotonic() + NOTIFY_LEASE_S / 2
        held = count(installation, status="sending")
        a_minute_passes(installation)
        # When another one has served everybody
        installation.start("notifier-2")
        expect_everybody_served_once(installation)
        assert installation.sends() <= READERS + held
        time.sleep(max(until - time.monotonic(), 0))
        sends = installation.sends()
        # Then the first one sends nothing any more, and goes on working
        os.kill(stopped, signal.SIGCONT)
        installation.terminate("notifier-2")
        installation.wait_until_ready_on("notify_tasks")
        assert installation.sends() == sends
        assert sorted(installation.shown().values()) == [1] * READERS


@pytest.fixture
def host_of_six(sqlite_installation: Installation) -> Installation:
    for number in range(6):
        sqlite_installation.add_board(f"board-{number}", "--schedule", "1h")
    return sqlite_installation


def test_boards_of_one_host_are_crawled_in_turn_and_the_host_never_idles(host_of_six):
    host_of_six.start("crawler", "dispatcher", "beat")

    def runs() -> list[CrawlRun]:
        with host_of_six.database.reading() as session:
            finished = select(CrawlRun).where(CrawlRun.finished_at.is_not(None)).order_by(CrawlRun.started_at)
            return list(session.scalars(finished))

    host_of_six.wait_until(lambda: len(runs()) == 6, "a crawl of each", seconds=PATIENCE_S)
    # First come, first served
    assert [run.id for run in runs()] == sorted(run.id for run in runs())
    for before, after in pairwise(runs()):
        assert timedelta(0) <= after.started_at - before.finished_at < IDLE_MOST
