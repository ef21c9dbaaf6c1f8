"""The processes of the Procfile, and what the phones get."""

import os
import time

import psutil
import pytest
import redis
from sqlalchemy import select, update

from pipeline.broker.publish import publish_many, queue_length
from pipeline.celery import create_app
from pipeline.settings import get_settings
from scripts.local.supervisor import GRACE_S
from storage.models import CrawlRun, Notification, Site
from tests.acceptance.installation import PROCESSES, Installation, token_of
from tests.acceptance.test_drills import a_minute_passes
from tests.support.builders import add_user

PHRASE = "특강초청"
"""A phrase that stands in none of the board's own posts."""
TITLE, OTHER = "[특강초청] 국가 신청 안내", "[채용] Hiring: library assistant"


def statuses(installation: Installation) -> list[str]:
    with installation.database.reading() as session:
        return sorted(session.scalars(select(Notification.status)))


def finished_runs(installation: Installation) -> int:
    with installation.database.reading() as session:
        return len(session.scalars(select(CrawlRun.id).where(CrawlRun.status == "finished")).all())


def make_due(installation: Installation) -> None:
    with installation.database.writing() as session:
        session.execute(update(Site).values(next_crawl_at=Site.created_at))


@pytest.mark.parametrize("installation", ["sqlite", "postgres"], indirect=True)
def test_each_matched_phone_rings_once_for_each_new_post(installation):
    # Given users with an Android phone, an iPhone, both, and one with another interest
    installation.add_board("board", "--schedule", "1h")
    installation.add_user("minji", PHRASE, "fcm")
    installation.add_user("james", "scholarship", "apns")
    installation.add_user("sora", PHRASE, "fcm", "apns", "console")
    installation.add_user("nobody", "기숙사", "fcm")
    installation.start()

    # When the site is crawled for the first time, nobody hears of what was there before
    installation.wait_until(lambda: finished_runs(installation) == 1, "the baseline crawl")
    assert statuses(installation) == []

    # And when posts appear, each phone gets those that match, once
    installation.board.add_post(TITLE)
    installation.board.add_post(OTHER)
    make_due(installation)
    expected = {
        (token_of("minji", "fcm"), TITLE): 1,
        (token_of("sora", "fcm"), TITLE): 1,
        (token_of("sora", "apns"), TITLE): 1,
    }
    installation.wait_until(lambda: statuses(installation) == ["sent", "sent"], "both users' notifications")
    assert installation.shown() == expected
    installation.wait_until(lambda: installation.logged("notifier", "push shown") == 1, "the console's push")

    # And a second crawl, and a message delivered twice, send nothing
    sends = installation.sends()
    make_due(installation)
    installation.wait_until(lambda: finished_runs(installation) == 3, "another crawl")
    with installation.database.reading() as session:
        keys = session.execute(select(Notification.post_id, Notification.user_id)).all()
        runs = session.scalars(select(CrawlRun.id)).all()
    app = create_app(get_settings())
    app.conf.broker_url = installation.redis.url
    publish_many(app, "notify_user", [tuple(key) for key in keys] * 3)
    publish_many(app, "fan_out_post", [(post_id,) for post_id, _ in keys])
    publish_many(app, "crawl_site", [(run_id,) for run_id in runs])
    installation.wait_until(lambda: all(queue_length(app, q) == 0 for q in app.amqp.queues), "empty queues")
    # One more post goes all the way through the same queues, behind the repeats.
    installation.board.add_post("마지막 특강초청")
    make_due(installation)
    installation.wait_until(lambda: statuses(installation) == ["sent"] * 4, "the last post's notifications")
    assert installation.sends() == sends + 3
    assert installation.shown() == expected | {
        (token, "마지막 특강초청"): 1 for token, title in expected if title == TITLE
    }


@pytest.mark.full
@pytest.mark.parametrize("installation", ["sqlite", "postgres"], indirect=True)
def test_an_edit_replaces_what_phones_show_and_rings_nobody_though_a_notifier_is_killed(installation):
    wait = installation.wait_until
    installation.add_board("board", "--schedule", "1h", "--edits", "replace")
    tokens = {}
    for number in range(30):
        installation.add_user(f"reader-{number}", PHRASE, "fcm", "apns")
        tokens |= {token_of(f"reader-{number}", platform): platform for platform in ("fcm", "apns")}
    installation.start()
    wait(lambda: finished_runs(installation) == 1, "the baseline crawl")
    post = installation.board.add_post(TITLE)
    make_due(installation)
    wait(lambda: installation.shown() == {(token, TITLE): 1 for token in tokens}, "the first text")
    wait(lambda: statuses(installation) == ["sent"] * 30, "their notifications")
    rings = installation.sends()

    # The answers take their time, so that the notifier is in the middle of it when it dies.
    installation.gateway.set_faults(latency_ms=200, jitter_ms=3000)
    installation.board.edit_post(post["id"], f"{TITLE} (연장)")
    make_due(installation)
    wait(lambda: installation.sends() > rings, "replacements under way")
    installation.kill("notifier")
    installation.gateway.set_faults()
    installation.start("notifier")
    edited = {(token, f"{TITLE} (연장)"): 1 for token in tokens}
    wait(lambda: installation.shown() == edited, "the new text on every phone")

    def is_over() -> bool:
        with installation.database.reading() as session:
            return not session.scalars(select(Notification.id).where(Notification.to_show.is_not(None))).all()

    wait(is_over, "the end of it")
    assert statuses(installation) == ["sent"] * 30
    silent = [push["message"] for push in installation.gateway.received()][rings:]
    for message in silent:
        aps = message["aps"] if "aps" in message else message["apns"]["payload"]["aps"]
        assert ("sound" in aps, "badge" in aps, aps["interruption-level"]) == (False, False, "passive")
    # Nothing came after it, and only what was in flight when the notifier died came twice.
    assert 60 <= len(silent) <= 120
    sends = installation.sends()
    make_due(installation)
    wait(lambda: finished_runs(installation) == 4, "another crawl")
    installation.board.add_post("마지막 특강초청")
    make_due(installation)
    wait(lambda: statuses(installation) == ["sent"] * 60, "the next post")
    assert installation.sends() == sends + 60


def test_every_process_stops_soon_after_a_signal_to_all(sqlite_installation):
    installation = sqlite_installation
    installation.add_board("board", "--schedule", "1s")
    installation.start()
    installation.wait_until_ready()
    installation.wait_until(lambda: finished_runs(installation) >= 1, "a crawl")
    groups = {installation.pid(name) for name in PROCESSES}
    began = time.monotonic()
    codes = installation.terminate()
    assert time.monotonic() - began < GRACE_S
    assert set(codes.values()) == {0}
    # A helper of one may notice a moment later that it is gone
    installation.wait_until(lambda: not [p for p in psutil.process_iter() if _group(p) in groups], "all to be gone")


def _group(process: psutil.Process) -> int | None:
    try:
        return os.getpgid(process.pid)
    except (ProcessLookupError, PermissionError):
        return None


def test_a_crawl_that_a_stop_interrupts_is_done_by_the_next_crawler(sqlite_installation):
    # Given a crawl that takes its time
    installation = sqlite_installation
    installation.environment["CRAWL_DELAY_S"] = "30"
    installation.add_board("board", "--schedule", "1h", "-p", "max_pages=3")
    for number in range(40):
        installation.board.add_post(f"공지 {number}")
    installation.start("crawler", "dispatcher", "beat")
    installation.wait_until(lambda: _running(installation), "a running crawl")

    # When the crawler is stopped, the run goes back to the queue
    installation.terminate("crawler")
    with installation.database.reading() as session:
        assert session.scalars(select(CrawlRun.status)).all() == ["queued"]

    # And the next crawler does it
    installation.environment["CRAWL_DELAY_S"] = "0"
    installation.start("crawler")
    installation.wait_until(lambda: finished_runs(installation) == 1, "the crawl, done again")


def _running(installation: Installation) -> bool:
    with installation.database.reading() as session:
        return "running" in session.scalars(select(CrawlRun.status)).all()


def test_a_redis_that_forgets_everything_costs_nobody_a_push(sqlite_installation):
    # Given messages that nobody has taken yet
    installation = sqlite_installation
    installation.add_board("board", "--schedule", "1h", "--notify-existing")
    with installation.database.writing() as session:
        for number in range(10):
            add_user(session, f"user-{number}", PHRASE, platform="fcm")
    installation.start("crawler", "dispatcher", "beat")
    installation.wait_until(lambda: len(statuses(installation)) == 10, "the notification rows")

    # When Redis loses them, and some time passes
    with redis.Redis.from_url(installation.redis.url) as client:
        client.flushall()
    a_minute_passes(installation)
    installation.start("notifier")

    # Then the sweep sends them again
    installation.command("sweep")
    installation.wait_until(lambda: statuses(installation) == ["sent"] * 10, "all pushes")
    assert list(installation.shown().values()) == [1] * 10
