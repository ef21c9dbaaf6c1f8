"""A crawl from the parent's side, with a child that only says how it ended."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from redis import Redis
from sqlalchemy import select

from pipeline.crawling import closing, run_lease
from pipeline.crawling import crawler as crawling
from pipeline.crawling.child import Stop
from pipeline.crawling.crawler import Crawler, HostBusyError
from pipeline.crawling.order import CrawlOrder, CrawlReport
from pipeline.resources import now
from pipeline.settings import Settings, load
from pipeline.upkeep import sweeping
from storage import crawl_runs, pauses, sites
from storage.models import CrawlRun, Site
from storage.pauses import Scope
from storage.run_figures import RunFigures
from storage.session import Database
from tests.integration.pipeline.crawling.scripted_child import GOOD, Child
from tests.support.builders import add_site

FAILED = CrawlReport(finish_reason="start_error", ok=False, first_error="no answer")
EMPTY = CrawlReport(finish_reason="finished", ok=True)
URL = {"url": "https://board.test/list", "row": "tr"}


@pytest.fixture
def crawl(database: Database, redis: Redis, child: Child) -> Callable[[int], crawling.CrawlEnd | None]:
    crawler = Crawler(load(), database, redis)
    return lambda run_id: crawler.crawl(run_id, stop=threading.Event(), hand_back=False)


def queue(database: Database, name: str, trigger: str = "beat") -> int | None:
    with database.writing() as session:
        return sites.queue_run(session, sites.by_name(session, name).id, trigger=trigger, now=now())


def test_two_sites_of_one_host_are_never_crawled_at_once_by_two_crawlers(database, redis, child):
    # Given two sites on one host, one on another, and two crawlers
    with database.writing() as session:
        for name, host in (("a", "board.test"), ("b", "board.test"), ("c", "other.test")):
            add_site(session, name, params={**URL, "url": f"https://{host}/{name}"})
    runs = {name: queue(database, name) for name in "abc"}
    one, two = (Crawler(load(), database, redis) for _ in range(2))
    child.may_end.clear()
    stop = threading.Event()
    thread = threading.Thread(target=lambda: one.crawl(runs["a"] or 0, stop=stop, hand_back=True))
    thread.start()
    assert child.began.wait(60)

    # When the second crawler is asked for the other site of the host, that one stays in the line of its host
    with pytest.raises(HostBusyError):
        two.crawl(runs["b"] or 0, stop=stop, hand_back=True)
    child.may_end.set()
    thread.join()
    with database.reading() as session:
        assert session.get_one(CrawlRun, runs["b"]).status == "queued"

    # And afterwards it has its turn
    assert two.crawl(runs["b"] or 0, stop=stop, hand_back=True) is not None
    assert two.crawl(runs["c"] or 0, stop=stop, hand_back=True) is not None
    assert child.most_at_once == 1


def test_a_second_crawl_of_a_running_site_is_refused_even_when_redis_forgets_everything(database, redis, child):
    with database.writing() as session:
        add_site(session, "a", params=URL)
    run = queue(database, "a")
    assert run is not None
    crawler = Crawler(load(), database, redis)
    child.may_end.clear()
    stop = threading.Event()
    thread = threading.Thread(target=lambda: crawler.crawl(run, stop=stop, hand_back=True))
    thread.start()
    assert child.began.wait(60)
    redis.flushall()
    try:
        assert queue(database, "a", "manual") is None
        # Nor does a message that comes twice begin a second child.
        assert crawler.crawl(run, stop=stop, hand_back=True) is None
    finally:
        child.may_end.set()
        thread.join()
    assert child.most_at_once == 1


def _pause(database: Database, run: int) -> None:
    with database.writing() as session:
        assert pauses.begin(session, Scope(activity="crawl", site="a"), now=now())


def _lose_lease(database: Database, run: int) -> None:
    with database.writing() as session:
        session.get_one(CrawlRun, run).owner = "somebody else"


@pytest.mark.parametrize(("end", "status"), [(_pause, "queued"), (_lose_lease, "running")])
def test_a_crawl_that_is_paused_or_lost_ends_and_the_worker_s_others_go_on(database, redis, monkeypatch, end, status):
    # Given a worker with two crawls, and a child that crawls until it is told to stop
    with database.writing() as session:
        for name in "ab":
            add_site(session, name, params={**URL, "url": f"https://{name}.test"})
    runs = {name: queue(database, name) or 0 for name in "ab"}
    began, may_end = threading.Semaphore(0), threading.Event()

    def child(order: CrawlOrder, *, stop: Stop, **_: object) -> CrawlReport:
        began.release()
        while not (stop.is_set() or may_end.wait(0.01)):
            pass
        return replace(GOOD, finish_reason="stopped", ok=False) if stop.is_set() else GOOD

    monkeypatch.setattr(crawling, "run_child", child)
    monkeypatch.setattr(run_lease, "RENEW_EVERY_S", 0.05)
    crawler, worker_stops = Crawler(load(), database, redis), threading.Event()
    with ThreadPoolExecutor() as threads:
        crawls = {
            name: threads.submit(crawler.crawl, run, stop=worker_stops, hand_back=True) for name, run in runs.items()
        }
        for _ in runs:
            assert began.acquire(timeout=60)

        # When one of them must end
        end(database, runs["a"])
        ended = crawls["a"].result(60)
        assert ended.handed_back

        # Then the other goes on to its own end
        assert not worker_stops.is_set()
        assert not crawls["b"].done()
        may_end.set()
        finished = crawls["b"].result(60)
    assert finished.report == GOOD
    with database.reading() as session:
        assert session.get_one(CrawlRun, runs["a"]).status == status


def test_a_redis_that_is_gone_leaves_the_run_in_its_line(database, child):
    from redis.exceptions import RedisError

    with database.writing() as session:
        add_site(session, "a", params=URL)
    run = queue(database, "a")
    nowhere = Redis.from_url("redis://127.0.0.1:1/0")
    with pytest.raises(RedisError):
        Crawler(load(), database, nowhere).crawl(run or 0, stop=threading.Event(), hand_back=True)
    with database.reading() as session:
        assert session.get_one(CrawlRun, run).status == "queued"
    assert not child.began.is_set()


def test_a_dead_workers_run_is_closed_and_its_site_free_within_two_minutes(database, monkeypatch):
    # The lease ends a minute after the last sign of life, and a sweep comes every half minute.
    assert crawling.RUN_LEASE_S + load().sweep_s <= 120
    with database.writing() as session:
        add_site(session, "a", params=URL)
    run = queue(database, "a") or 0
    at = now()
    with database.writing() as session:
        lease_until = at + timedelta(seconds=crawling.RUN_LEASE_S)
        assert crawl_runs.claim(session, run, owner="dead", now=at, lease_until=lease_until)
    later = at + timedelta(seconds=crawling.RUN_LEASE_S + load().sweep_s)
    with database.writing() as session:
        (dead,) = crawl_runs.dead(session, now=later)
        closing.close_run(session, dead, RunFigures(finish_reason="lost", ok=False))
    assert queue(database, "a", "manual") is not None
    assert sweeping.GRACE_S <= 60


def test_trouble_is_announced_once_and_its_end_too(database, crawl, child, caplog):
    caplog.set_level(logging.INFO, logger="pipeline.crawling.closing")
    with database.writing() as session:
        add_site(session, "a", params=URL, schedule="5m")
    # A site that fails is left alone longer and longer, and a manual crawl overrides that.
    suspensions = []
    for report in [GOOD, *[FAILED] * 5, GOOD, FAILED, GOOD, GOOD, EMPTY, EMPTY, EMPTY, GOOD, GOOD]:
        child.report = report
        run = queue(database, "a", "manual")
        assert run is not None
        assert crawl(run) is not None
        with database.reading() as session:
            until = session.scalars(select(Site.suspended_until)).one()
        suspensions.append((until - now()).total_seconds() if until else 0)
    assert [record.message for record in caplog.records] == [
        "site broken",
        "site recovered",
        "site suspect",
        "site recovered",
    ]
    assert suspensions[0] == suspensions[6] == 0
    # Each backoff is half to all of 1, 2, 4, 8, 16 minutes.
    assert all(20 * 2**n <= suspensions[n + 1] <= 60 * 2**n for n in range(5))


@pytest.mark.parametrize(
    ("database_url", "contact", "missing"),
    [
        ("postgresql://host/db", "", True),
        ("postgres://host/db", "", True),
        ("postgresql://host/db", "mailto:me@example.org", False),
        ("sqlite:///crawlpush.db", "", False),
    ],
)
def test_a_deployment_without_a_contact_is_told_of_it(database_url, contact, missing):
    settings = Settings(database_url=database_url, crawl_contact=contact)
    sentence = crawling.missing_contact(settings)
    assert (sentence is not None) == missing
    assert ("+mailto:me@example.org" in settings.user_agent) == bool(contact)


def boards(database: Database, *names: str) -> dict[str, int]:
    """Sites of one host, each with a run that is owed, in this order."""
    with database.writing() as session:
        for name in names:
            add_site(session, name, params={**URL, "url": f"https://board.test/{name}"})
    return {name: queue(database, name) or 0 for name in names}


def test_the_crawls_of_one_host_take_turns_in_the_order_in_which_they_were_owed(database, redis, monkeypatch):
    # Given four boards of one host, and as many messages, of which the last comes first
    runs = boards(database, "a", "b", "c", "d")
    messages, crawled, busy = list(reversed(runs.values())), [], threading.Semaphore(0)
    crawler = Crawler(load(), database, redis)

    def child(order: CrawlOrder, **_: object) -> CrawlReport:
        # While it crawls, all the others' messages are taken, and find the host busy.
        while messages:
            with pytest.raises(HostBusyError):
                crawler.crawl(messages.pop(), stop=threading.Event(), hand_back=True)
        # Nor does the sweep send for them.
        with database.writing() as session:
            assert crawl_runs.stranded(session, enqueued_before=now() + timedelta(minutes=1), now=now()) == []
        crawled.append(order.site_name)
        busy.release()
        return GOOD

    monkeypatch.setattr(crawling, "run_child", child)
    # When each end sends for the next, as the task does
    following: int | None = messages.pop(0)
    while following is not None:
        end = crawler.crawl(following, stop=threading.Event(), hand_back=True)
        following = crawler.next_in_line(end.run_id)
    assert crawled == ["a", "b", "c", "d"]


def test_a_paused_site_lets_the_others_of_its_host_pass(database, redis, child):
    runs = boards(database, "a", "b")
    with database.writing() as session:
        assert pauses.begin(session, Scope(activity="crawl", site="a"), now=now())
    end = Crawler(load(), database, redis).crawl(runs["a"], stop=threading.Event(), hand_back=True)
    assert end.site == "b"


def test_a_person_s_crawl_goes_out_of_turn(database, redis, child):
    runs = boards(database, "a", "b")
    end = Crawler(load(), database, redis).crawl(runs["b"], stop=threading.Event(), hand_back=False, out_of_turn=True)
    assert end.site == "b"


def test_a_page_is_asked_for_without_a_condition_once_a_day(database, child, crawl, monkeypatch):
    # Given a site whose server gives an ETag, and answers 304 from then on
    with database.writing() as session:
        add_site(session, params=URL)
    child.report = replace(GOOD, validators={URL["url"]: ('"1"', None)})
    crawl(queue(database, "board") or 0)
    child.report = replace(EMPTY, not_modified=True)
    asked = []
    began = now()
    for hours in (1, 23, 25):
        monkeypatch.setattr(crawling, "now", lambda hours=hours: began + timedelta(hours=hours))
        crawl(queue(database, "board") or 0)
        asked.append(dict(child.order.validators))

    # Then the condition is left out when the page last came a day ago
    assert asked == [{URL["url"]: ('"1"', None)}, {URL["url"]: ('"1"', None)}, {}]


def test_an_old_robots_txt_is_given_along_for_a_server_that_has_lost_its_own(database, child, crawl):
    with database.writing() as session:
        add_site(session, params=URL)
        for origin, days in (
            ("https://board.test", 0),
            ("http://board.test:8080", 2),
            ("http://board.test", 31),
            ("https://board.test.example", 0),
        ):
            sites.keep_robots(session, {origin: origin}, now=now() - timedelta(days=days))
    crawl(queue(database, "board") or 0)
    assert child.order.robots == {"https://board.test": "https://board.test"}
    assert child.order.old_robots == {"http://board.test:8080": "http://board.test:8080"}


def test_a_run_is_closed_as_failed_when_its_report_cannot_be_stored(database, child, crawl):
    with database.writing() as session:
        add_site(session, params=URL)
    child.report = replace(GOOD, validators={URL["url"]: ("\ud800", None)})
    run_id = queue(database, "board") or 0
    end = crawl(run_id)
    assert (end.report.finish_reason, end.report.ok) == ("unstorable", False)
    with database.reading() as session:
        assert session.get_one(CrawlRun, run_id).status == "failed"
