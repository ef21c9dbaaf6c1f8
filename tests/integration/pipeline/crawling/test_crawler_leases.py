"""A crawl's lease that cannot be renewed, and an end that cannot be written at once."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from pipeline.crawling import crawler as crawling
from pipeline.crawling import run_lease
from pipeline.crawling.child import Stop
from pipeline.crawling.crawler import Crawler
from pipeline.crawling.order import CrawlOrder, CrawlReport
from pipeline.settings import load
from storage import crawl_runs
from storage.models import CrawlRun, Site
from tests.integration.pipeline.crawling.scripted_child import GOOD
from tests.integration.pipeline.crawling.test_crawler import boards

AWAY = OperationalError("UPDATE", {}, Exception("away"))


@pytest.mark.parametrize("trouble", [AWAY, InterfaceError("x", {}, Exception()), PoolTimeoutError(), ValueError("odd")])
def test_whatever_keeps_a_lease_from_being_renewed_passes_and_the_crawl_goes_on(
    database, redis, monkeypatch, caplog,
    trouble
):  # fmt: skip
    (run,) = boards(database, "a").values()
    tried = threading.Semaphore(0)
    extend = crawl_runs.extend
    failures = iter([trouble] * 3)

    def shaky(*arguments: Any, **options: Any) -> bool:
        if (failure := next(failures, None)) is not None:
            raise failure
        held = extend(*arguments, **options)
        tried.release()
        return held

    def child(_order: CrawlOrder, *, stop: Stop, **_: object) -> CrawlReport:
        assert tried.acquire(timeout=60)
        assert not stop.is_set()
        return GOOD

    monkeypatch.setattr(crawl_runs, "extend", shaky)
    monkeypatch.setattr(crawling, "run_child", child)
    monkeypatch.setattr(run_lease, "RENEW_EVERY_S", 0.02)
    end = Crawler(load(), database, redis).crawl(run, stop=threading.Event(), hand_back=True)
    assert end.report == GOOD
    assert [line.message for line in caplog.records if "lease" in line.message] == [
        "lease of a away or refusing, waiting",
        "lease of a is back",
    ]


def test_a_lease_that_cannot_be_renewed_in_time_ends_the_crawl(database, redis, monkeypatch):
    (run,) = boards(database, "a").values()

    def away(*_: Any, **__: Any) -> bool:
        raise AWAY

    def child(_order: CrawlOrder, *, stop: Stop, lease: Callable[[], float], **_: object) -> CrawlReport:
        began = time.monotonic()
        while not stop.is_set():
            assert time.monotonic() < began + 60
            time.sleep(0.01)
        assert time.monotonic() >= lease()
        return replace(GOOD, finish_reason="stopped", ok=False)

    monkeypatch.setattr(crawl_runs, "extend", away)
    monkeypatch.setattr(crawling, "run_child", child)
    monkeypatch.setattr(run_lease, "RENEW_EVERY_S", 0.02)
    monkeypatch.setattr(run_lease, "RUN_LEASE_S", 0.3)
    end = Crawler(load(), database, redis).crawl(run, stop=threading.Event(), hand_back=True)
    assert end.handed_back


def test_a_crawl_whose_end_cannot_be_written_at_once_is_written_later_and_is_no_failure_of_its_site(
    database, redis, child, monkeypatch
):
    (run,) = boards(database, "a").values()
    lock, failures = crawl_runs.lock, iter([AWAY, InternalError("x", {}, Exception("read-only"))])

    def shaky(*arguments: Any, **options: Any) -> CrawlRun | None:
        if (failure := next(failures, None)) is not None:
            raise failure
        return lock(*arguments, **options)

    monkeypatch.setattr(crawl_runs, "lock", shaky)
    monkeypatch.setattr(crawling, "WRITE_AGAIN_S", 0.01)
    end = Crawler(load(), database, redis).crawl(run, stop=threading.Event(), hand_back=True)
    assert end.report == GOOD
    with database.reading() as session:
        assert session.get_one(CrawlRun, run).status == "finished"
        assert session.scalars(select(Site.failures)).one() == 0
