"""Schedules with a real beat and real workers, and the commands that show them."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from sqlalchemy import func, select

from pipeline.scheduling import heartbeat
from storage import sites
from storage.models import CrawlRun, Site
from tests.acceptance.installation import ROOT, Installation


def runs(installation: Installation) -> int:
    with installation.database.reading() as session:
        return session.scalar(select(func.count()).select_from(CrawlRun).where(CrawlRun.status == "finished")) or 0


def test_a_schedule_changed_while_everything_runs_takes_effect_at_the_next_tick(sqlite_installation):
    installation = sqlite_installation
    # Given a site that is due once an hour, whose first crawl is done
    installation.add_board("board", "--schedule", "1h")
    installation.start("crawler", "dispatcher", "beat")
    installation.wait_until(lambda: runs(installation) == 1, "the first crawl")

    # When its schedule is changed, nothing is restarted
    said = installation.command("sites", "schedule", "board", "2s")
    assert "every 2 seconds" in said
    with installation.database.reading() as session:
        due = session.scalars(select(Site.next_crawl_at)).one()
    assert due is not None

    # Then a tick of one second queues the crawl that is due within two
    installation.wait_until(lambda: runs(installation) >= 4, "three more crawls")
    with installation.database.reading() as session:
        second = session.scalars(select(CrawlRun).order_by(CrawlRun.id).offset(1)).first()
    # A tick, on a busy machine; not the hour that was before.
    assert (second.created_at - due).total_seconds() < 60

    # And beat says that it lives, and what it will do
    shown = installation.listed("schedule")
    assert shown["beat_problem"] is None
    assert len(shown["beats"]) == 1
    assert {entry["what"].split()[0] for entry in shown["entries"]} >= {"crawl-sites", "sweep", "upkeep"}
    assert all(entry["next"] for entry in shown["entries"])
    assert shown["sites"][0]["what"] == "crawl board"
    assert installation.listed("status")["beat_problem"] is None

    # Until it is killed
    installation.kill("beat")
    with redis.Redis.from_url(installation.redis.url) as client:
        client.delete(heartbeat.KEY)
    assert "beat is not running" in installation.command("status", code=1)


@pytest.mark.full
@pytest.mark.parametrize("installation", ["sqlite", "postgres"], indirect=True)
def test_two_beats_side_by_side_crawl_nothing_twice(installation):
    """Every day it is tests/integration/storage/test_promises.py that has several processes claim what is due."""
    # Given two sites, on hosts of different names so that they need not wait for each other, and two beats
    for name in ("one", "two"):
        installation.add_board(name, "--schedule", "5s")
    with installation.database.writing() as session:
        site = sites.by_name(session, "two")
        site.params = {**site.params, "url": site.params["url"].replace("127.0.0.1", "localhost")}
    installation.start("crawler", "dispatcher", "beat")
    installation.start("beat-2")
    try:
        with redis.Redis.from_url(installation.redis.url) as client:
            installation.wait_until(lambda: len(heartbeat.beats(client)) == 2, "both heartbeats")
        began = time.monotonic()
        # When twenty ticks of each have passed, and some crawls even on a busy machine
        installation.wait_until(lambda: time.monotonic() - began >= 20 and runs(installation) >= 8, "twenty ticks")
    finally:
        installation.terminate("beat", "beat-2")
    installation.wait_until(lambda: _unfinished(installation) == 0, "the last crawls")

    # Then no site was crawled twice for one time that it was due: two crawls of it are never of the same five seconds
    with installation.database.reading() as session:
        for site in sites.all_sites(session):
            created = session.scalars(
                select(CrawlRun.created_at).where(CrawlRun.site_id == site.id).order_by(CrawlRun.id)
            ).all()
            # The first crawl is that of a new site, at once; all others are on the site's own grid.
            numbers = [int((site.next_crawl_at - at).total_seconds() // 5) for at in created[1:]]
            assert len(numbers) == len(set(numbers)) >= 1, created
            # Nothing was left out either, but what was counted as such, and what a busy machine's late tick joined.
            assert max(numbers) - min(numbers) + 1 - len(numbers) <= site.skipped_runs + 1
    # Each is logged a moment after it is recorded
    installation.wait_until(
        lambda: installation.logged("crawler", "crawl finished") == runs(installation), "a line of each crawl"
    )


def _unfinished(installation: Installation) -> int:
    with installation.database.reading() as session:
        return session.scalar(select(func.count()).where(CrawlRun.status.in_(("queued", "running")))) or 0


def test_the_release_process_migrates_and_clears_the_locks_of_dead_owners(sqlite_installation):
    installation = sqlite_installation
    with redis.Redis.from_url(installation.redis.url) as client:
        client.set("crawlpush:lock:host:board.test", "elsewhere boot/pid:[1] 1 1 token", ex=60)
    command = [Path(sys.executable).with_name("honcho"), "start", "--no-prefix", "release"]
    done = subprocess.run(
        command, cwd=ROOT, env=installation.environment, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "released: none" in done.stdout
    (lock,) = installation.listed("locks", "list")
    assert (lock["name"], lock["owner"]) == ("host:board.test", "unknown")
    assert "released: host:board.test" in installation.command("locks", "release", "--all", "--yes")
    assert "no locks are held" in installation.command("locks", "list")
    assert "there is no lock 'x'" in installation.command("locks", "release", "x", code=1)
    installation.command("locks", "release", code=2)
