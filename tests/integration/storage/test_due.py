"""Every promise about when a site is due, with an injected clock, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from pipeline.scheduling import due
from pipeline.upkeep import sweeping
from storage import crawl_runs, posts, sites
from storage.models import CrawlRun, Site
from storage.session import Database
from tests.support.builders import NOW, add_site, found, running_run, stored_posts
from tests.support.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(NOW)
    monkeypatch.setattr(due, "now", clock)
    return clock


def tick(database: Database) -> list[int]:
    """A tick, whose crawls are all done at once."""
    with database.writing() as session:
        runs = due.claim_due(session)
        for run_id in runs:
            session.get_one(CrawlRun, run_id).status = "finished"
    return runs


def run_count(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(CrawlRun)) or 0


def test_a_new_site_is_crawled_at_once_and_then_by_its_schedule(database, clock):
    with database.writing() as session:
        site_id = add_site(session, schedule="5m").id
    assert len(tick(database)) == 1
    with database.reading() as session:
        following = session.get_one(Site, site_id).next_crawl_at
    assert NOW < following <= NOW + timedelta(minutes=5)
    clock.at = following - timedelta(microseconds=1)
    assert tick(database) == []
    clock.at = following
    assert len(tick(database)) == 1


@pytest.mark.parametrize("off", [timedelta(hours=1), timedelta(days=366)])
def test_a_beat_that_was_down_crawls_each_site_once(database, clock, off):
    with database.writing() as session:
        for number in range(5):
            add_site(session, f"site-{number}", schedule="1m")
    assert len(tick(database)) == 5
    clock.at += off
    assert len(tick(database)) == 5
    clock.at += timedelta(seconds=1)
    assert len(tick(database)) <= 1


def test_a_site_enabled_after_a_year_is_crawled_once_and_at_once(database, clock):
    with database.writing() as session:
        add_site(session, schedule="1m")
        sites.set_enabled(session, "board", enabled=False, now=clock.at)
    clock.at += timedelta(days=365)
    assert tick(database) == []
    with database.writing() as session:
        sites.set_enabled(session, "board", enabled=True, now=clock.at)
    assert len(tick(database)) == 1
    assert tick(database) == []


def test_five_hundred_sites_spread_over_their_interval(database, clock):
    with database.writing() as session:
        for number in range(500):
            add_site(session, f"site-{number}", schedule="5m")
    assert len(tick(database)) == 500
    # In the next five minutes each of them is due once, and no tick finds a heap.
    sizes = []
    for _ in range(20):
        clock.at += timedelta(seconds=15)
        sizes.append(len(tick(database)))
    assert sum(sizes) == 500
    assert max(sizes) < 60


def test_a_clock_that_was_a_year_ahead_leaves_nobody_waiting(database, clock):
    # Given sites that were crawled, and one that was suspended, while the clock was a year ahead
    with database.writing() as session:
        add_site(session, "often", schedule="5m")
        add_site(session, "daily", schedule="0 3 * * *", timezone="Asia/Seoul")
        add_site(session, "failing", schedule="5m", suspended_until=NOW + timedelta(days=366))
    clock.at = NOW + timedelta(days=365)
    tick(database)
    # And one whose schedule is so rare that its next crawl is rightly far away
    with database.writing() as session:
        add_site(session, "yearly", schedule="0 0 11 5 *", next_crawl_at=datetime(2027, 5, 11, tzinfo=UTC))

    # When the clock is set right, no tick finds them
    clock.at = NOW
    tick(database)

    # Then the correction brings each back to when its schedule says, and does so once
    with database.writing() as session:
        assert due.correct_schedules(session) == 3
    with database.writing() as session:
        assert due.correct_schedules(session) == 0
        times = {site.name: sites.due_at(site) for site in sites.all_sites(session)}
    assert times["often"] <= NOW + timedelta(minutes=5)
    assert times["failing"] == NOW
    assert times["daily"] == datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
    assert times["yearly"] == datetime(2027, 5, 11, tzinfo=UTC)


def test_a_run_that_a_clock_ahead_began_or_queued_is_made_good(session):
    year = timedelta(days=365)
    running = running_run(session, add_site(session, "running"), now=NOW + year)
    queued = sites.queue_run(session, add_site(session, "queued").id, trigger="beat", now=NOW + year)
    assert [run.id for run in crawl_runs.dead(session, now=NOW)] == [running.id]
    assert crawl_runs.stranded(session, enqueued_before=NOW, now=NOW) == [queued]


def test_a_bad_line_past_the_command_stops_nobody_else(database, clock):
    with database.writing() as session:
        add_site(session, "bad", schedule="whenever")
        add_site(session, "good", schedule="5m")
    assert len(tick(database)) == 2
    with database.reading() as session:
        assert sites.by_name(session, "bad").next_crawl_at == clock.at + timedelta(days=1)


def test_an_adaptive_schedule_follows_how_often_the_site_posts(session, clock):
    site = add_site(session, schedule="adaptive 5m-2h")
    # The silent baseline says nothing of how often the site posts.
    stored_posts(session, site, [found(n) for n in range(100, 150)], fanout="silent")

    # Not yet watched for a day: as often as it may be
    due.adapt(session, site, NOW + timedelta(hours=23))
    assert due.schedule_of(site).text == "5m"

    # Nothing was posted
    due.adapt(session, site, NOW + timedelta(days=2))
    assert due.schedule_of(site).text == "2h"
    assert NOW < due.next_crawl(site, NOW) <= NOW + timedelta(hours=2)

    # A hundred posts in two days: half of 29 minutes, rounded down to the floor doubled
    run = running_run(session, site)
    new = [found(n) for n in range(100)]
    posts.store(session, site_id=site.id, run_id=run.id, found=new, now=NOW + timedelta(days=1))
    due.adapt(session, site, NOW + timedelta(days=2))
    assert due.schedule_of(site).text == "10m"

    # Narrower ends hold at once, and another schedule forgets
    site.schedule = "adaptive 20m-1h"
    assert due.schedule_of(site).text == "20m"
    site.schedule = "1h"
    due.adapt(session, site, NOW)
    assert site.adaptive_interval_s is None


def test_the_sites_that_are_next_come_in_order(session):
    add_site(session, "suspended", suspended_until=NOW + timedelta(hours=2))
    add_site(session, "later", next_crawl_at=NOW + timedelta(hours=1))
    add_site(session, "now")
    add_site(session, "off", enabled=False)
    assert [site.name for site in sites.upcoming(session, limit=10)] == ["now", "later", "suspended"]


def test_a_tick_that_dies_before_it_enqueues_is_made_good(database, clock):
    # Given a tick whose transaction was committed and whose messages were never sent
    with database.writing() as session:
        add_site(session, schedule="5m")
        (run_id,) = due.claim_due(session)

    # Then the sweep finds the run once its message should have come, and not again right after
    def swept(at: datetime) -> list[int]:
        with database.writing() as session:
            return crawl_runs.stranded(session, enqueued_before=at - timedelta(seconds=sweeping.GRACE_S), now=at)

    assert swept(NOW + timedelta(seconds=59)) == []
    assert swept(NOW + timedelta(seconds=61)) == [run_id]
    assert swept(NOW + timedelta(seconds=62)) == []


@pytest.mark.parametrize(
    ("failures", "reason", "ahead", "is_kept"),
    [
        (1, "start_error", timedelta(minutes=1), True),
        # A clock that was half a day ahead when the run ended.
        (1, "start_error", timedelta(hours=12), False),
        (9, "timeout", timedelta(hours=4), True),
        (30, "timeout", timedelta(hours=24), True),
        # What a site asks for is up to a day, however often it failed.
        (0, "retry_after", timedelta(hours=23), True),
        (0, "retry_after", timedelta(hours=25), False),
    ],
)
def test_a_suspension_lasts_no_longer_than_its_reason_lets_it(session, clock, failures, reason, ahead, is_kept):
    site = add_site(session, failures=failures, suspended_until=NOW + ahead)
    run = session.get_one(CrawlRun, sites.queue_run(session, site.id, trigger="beat", now=NOW))
    run.status, run.finish_reason = "failed", reason
    session.flush()
    due.correct_schedules(session)
    assert (site.suspended_until is not None) == is_kept
