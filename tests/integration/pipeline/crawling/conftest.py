"""Crawls by real children, or by one that only says how it ended; a faulty site, and a database with a run."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.crawling import crawler as crawling
from pipeline.crawling.child import forkserver, run_child
from pipeline.crawling.order import CrawlOrder, CrawlReport
from storage.models import Post
from storage.session import Database
from tests.integration.pipeline.crawling.scripted_child import Child
from tests.support.builders import add_site, running_run
from tests.support.faulty_site import FaultySite, faulty_site
from tests.support.parent import Parent

OrderFor = Callable[..., CrawlOrder]
Crawl = Callable[..., CrawlReport]
ParentOf = Callable[..., Parent]


def run(order: CrawlOrder, *, stop: threading.Event | None = None, **options: Any) -> CrawlReport:
    """The crawl of an order, to its end."""
    return run_child(order, stop=stop or threading.Event(), **options)


@pytest.fixture(scope="session")
def _faulty_spiders() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRAWL_SPIDER_MODULES", "tests.support.faulty_spiders")
        patch.setenv("PYTHONPATH", os.getcwd())  # noqa: PTH109 - PYTHONPATH holds strings
        yield


@pytest.fixture(scope="session")
def _forkserver(_faulty_spiders: None) -> Iterator[None]:
    forkserver.start()
    yield
    forkserver.stop()


@pytest.fixture
def site() -> Iterator[FaultySite]:
    with faulty_site() as serving:
        yield serving


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One kind of database: what a child does is the same on the other."""
    return sqlite_url


@pytest.fixture
def order_for(database: Database, sqlite_url: str) -> OrderFor:
    """Makes orders for a run that is there."""
    with database.writing() as session:
        site = add_site(session)
        run = running_run(session, site)
        site_id, run_id = site.id, run.id

    def order(**changes: object) -> CrawlOrder:
        values: dict[str, object] = {
            "run_id": run_id,
            "site_id": site_id,
            "site_name": "board",
            "spider": "faulty",
            "params": {},
            "timezone": "Asia/Seoul",
            "database_url": sqlite_url,
            "user_agent": "crawlpush-tests (+mailto:tests@example.org)",
            "obey_robots": True,
            "allow_private": True,
            "soft_limit_s": 600,
            "hard_limit_s": 660,
            "memory_mb": 256,
            "download_max_bytes": 1_000_000,
            "max_pages": 10,
            "download_delay_s": 0,
        }
        return CrawlOrder(**{**values, **changes})  # type: ignore[arg-type]

    return order


@pytest.fixture
def crawl_board(site: FaultySite, order_for: OrderFor) -> Crawl:
    """Crawls a path of the site, or another address, as a listing."""

    def crawl(path: str = "/board", *, params: dict[str, Any] | None = None, **changes: Any) -> CrawlReport:
        url = path if "://" in path else site.url(path)
        listing = {"url": url, "row": "tr.row", "title": "a", **(params or {})}
        return run(order_for(spider="listing", params=listing, **changes))

    return crawl


@pytest.fixture
def stored(database: Database) -> Callable[[], int]:
    """How many posts the database holds."""

    def count() -> int:
        with database.reading() as session:
            return session.query(Post).count()

    return count


def is_gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """The file by which a faulty spider says that it has begun to misbehave."""
    return tmp_path / "note"


@pytest.fixture
def parent_of() -> Iterator[ParentOf]:
    """Starts processes that crawl as a worker does, and ends them with the test."""
    parents: list[Parent] = []

    def start(order: CrawlOrder, **environment: str) -> Parent:
        parents.append(Parent(order, **environment))
        return parents[-1]

    yield start
    for parent in parents:
        parent.end()


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Child:
    child = Child()
    monkeypatch.setattr(crawling, "run_child", child)
    return child
