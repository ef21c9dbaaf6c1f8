"""Real crawls: a forkserver with the faulty spiders, a faulty site, a database with a run."""

import os
from collections.abc import Callable, Iterator

import pytest

from pipeline.crawling.child import CrawlOrder, start_forkserver, stop_forkserver
from storage.models import Post
from storage.session import Database
from tests.support.builders import add_site, running_run
from tests.support.faulty_site import FaultySite, faulty_site
from tests.support.parent import Parent

OrderFor = Callable[..., CrawlOrder]


@pytest.fixture(scope="session")
def _faulty_spiders() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRAWL_SPIDER_MODULES", "tests.support.faulty_spiders")
        patch.setenv("PYTHONPATH", os.getcwd())  # noqa: PTH109 - PYTHONPATH holds strings
        yield


@pytest.fixture(scope="session")
def _forkserver(_faulty_spiders: None) -> Iterator[None]:
    start_forkserver()
    yield
    stop_forkserver()


@pytest.fixture
def site() -> Iterator[FaultySite]:
    with faulty_site() as serving:
        yield serving


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    database = Database(sqlite_url)
    yield database
    database.close()


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
            "soft_limit_s": 20,
            "hard_limit_s": 25,
            "memory_mb": 256,
            "download_max_bytes": 1_000_000,
            "max_pages": 10,
            "download_delay_s": 0,
        }
        return CrawlOrder(**{**values, **changes})  # type: ignore[arg-type]

    return order


@pytest.fixture
def stored(database: Database) -> Callable[[], int]:
    """How many posts the database holds."""

    def count() -> int:
        with database.reading() as session:
            return session.query(Post).count()

    return count


@pytest.fixture
def parent_of() -> Iterator[Callable[..., Parent]]:
    """Starts processes that crawl as a worker does, and ends them with the test."""
    parents: list[Parent] = []

    def start(order: CrawlOrder, **environment: str) -> Parent:
        parents.append(Parent(order, **environment))
        return parents[-1]

    yield start
    for parent in parents:
        parent.end()
