"""`crawlpush status` on real servers, which come and go."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import make_url, update

from pipeline.locks import open_redis
from pipeline.resources import now
from pipeline.settings import get_settings
from pipeline.state.report import Reporter
from scripts.local.proxy import Proxy
from scripts.output import in_words
from storage import channels, overview
from storage.models import CrawlRun
from storage.session import Database
from tests.support.builders import add_site, add_user
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[4]


@pytest.fixture
def reporter(
    database: Database, database_url: str, redis_url: str, configure: Callable[..., None]
) -> Iterator[Reporter]:
    configure(DATABASE_URL=database_url, REDIS_URL=redis_url)
    settings = get_settings()
    with open_redis(settings) as redis:
        yield Reporter(settings, database, redis)


def test_the_age_of_a_queue_is_that_of_its_oldest_message(reporter, database):
    from pipeline.broker.publish import publish_many
    from pipeline.celery import app
    from storage import sites

    with database.writing() as session:
        runs = [
            sites.queue_run(session, add_site(session, name).id, trigger="beat", now=now() - timedelta(seconds=age))
            for name, age in (("a", 90), ("b", 5))
        ]
    publish_many(app, "crawl_site", [(run,) for run in runs if run is not None])
    report = reporter.report()
    assert report.problems == []
    queue = report.queues["crawl_tasks"]
    assert queue.length == 2
    assert queue.oldest_s > 89


def test_a_paused_channel_is_shown_with_its_end(reporter, database):
    until = now() + timedelta(minutes=1)
    with database.writing() as session:
        channels.pause(session, "fcm", code="UNAUTHENTICATED", reason="Check the key.", now=now(), until=until)
    report = reporter.report()
    faults = {channel.channel: channel.fault for channel in report.database.channels}
    assert faults["fcm"].paused_until == until
    assert faults["console"] is None


def test_what_is_many_is_not_counted_to_the_end(database, monkeypatch):
    monkeypatch.setattr(overview, "COUNTED", 3)
    with database.writing() as session:
        for number in range(5):
            add_user(session, f"user-{number}", "장학")
    with database.reading() as session:
        counts = overview.counts(session)
    assert (in_words(counts["devices"]), in_words(counts["phrases"])) == ("3+", "1")
    assert in_words(counts["users"]) in {"3+", "about 5"}


def test_an_unfinished_run_is_owed(database):
    from storage import sites

    with database.writing() as session:
        for name in ("a", "b", "c"):
            sites.queue_run(session, add_site(session, name).id, trigger="beat", now=now())
        session.execute(update(CrawlRun).where(CrawlRun.id == 1).values(status="finished"))
    with database.reading() as session:
        assert overview.owed(session).runs.count == 2


def test_a_watched_screen_outlives_its_servers_and_ends_with_ctrl_c(postgres_url, redis_url, tmp_path):
    database, redis = make_url(postgres_url), make_url(redis_url)
    screen = tmp_path / "screen"
    with Proxy(database.port or 0) as to_database, Proxy(redis.port or 0) as to_redis, screen.open("wb") as output:
        environment = {
            **os.environ,
            "ENV_FILE": "",
            "DATABASE_URL": database.set(port=to_database.port).render_as_string(hide_password=False),
            "REDIS_URL": redis.set(port=to_redis.port).render_as_string(hide_password=False),
        }
        watching = subprocess.Popen(
            [sys.executable, "-c", "from scripts.cli import main; main()", "status", "--watch", "0.5"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            said = partial(_wait_for, screen, process=watching)
            said("queues: crawl_tasks 0 waiting")
            to_redis.cut()
            said("Redis cannot be reached")
            to_database.cut()
            said("the database of DATABASE_URL cannot be reached")
            # What comes back is shown again.
            to_redis.mend()
            to_database.mend()
            seen = len(screen.read_text())
            said("queues: crawl_tasks 0 waiting", after=seen)
            said("sites: 0", after=seen)
            watching.send_signal(signal.SIGINT)
            assert watching.wait(60) == 0
        finally:
            watching.kill()
            watching.wait()
    assert "Traceback" not in screen.read_text()


def _wait_for(screen: Path, text: str, *, process: subprocess.Popen[bytes], after: int = 0) -> None:
    def shown() -> bool:
        assert process.poll() is None, screen.read_text()
        return text in screen.read_text()[after:]

    wait_until(shown, text, seconds=180)
