"""Fixtures for every test. Databases come migrated unless their name says `empty`."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
import redis
from hypothesis import HealthCheck, settings

from pipeline.settings import Settings, get_settings
from scripts.local.embedded_postgres import PostgresServer, find_postgres
from scripts.local.embedded_redis import EmbeddedRedis, find_server
from storage.migrate import upgrade
from tests.support.rabbitmq import RabbitMQServer, find_rabbitmq
from tests.support.services import PostgresDatabases, require

DATABASES = ("sqlite", "postgres")
MOST_WORKERS = 4
"""More would wait for the longest tests, and pay for more servers. Up to it, one more than there are cores: while the
tests of one wait for processes and for time to pass, another's go on."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="also run the tests that are marked `full`")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "full: too slow for every day; run with --full, as CI does")
    # What configures a developer's crawlpush must not reach the tests, nor the processes that they start.
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
    os.environ["ENV_FILE"] = ""
    # They step back behind the tests, which wait for them.
    os.environ["WORKER_NICE"] = "0"
    # How long an example takes is the machine's business; so it is for Hypothesis itself where CI is set.
    settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("busy")

    # A runner that gives up sends SIGTERM, which would end pytest without the fixtures' clean-up.
    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    # What a shell starts in the background ignores Ctrl-C, and so would the processes that the tests send it to.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many processes share the tests in scripts/test; each starts its own servers, so one where those are given."""
    shared = {"TEST_REDIS_URL", "TEST_RABBITMQ_URL"} & os.environ.keys()
    return 0 if shared else min((os.cpu_count() or 1) + 1, MOST_WORKERS)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--full"):
        for item in items:
            if item.get_closest_marker("full"):
                item.add_marker(pytest.mark.skip(reason="slow: runs with --full"))


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A crawlpush that runs in this project has its servers' addresses in the project's data folder.
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def _redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if configured := os.environ.get("TEST_REDIS_URL"):
        yield configured
        return
    require(find_server() is not None, "a redis-server")
    with EmbeddedRedis(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture(scope="session")
def rabbitmq_url() -> Iterator[str]:
    """A RabbitMQ: TEST_RABBITMQ_URL, else one of this test run's own, where the server is installed."""
    if configured := os.environ.get("TEST_RABBITMQ_URL"):
        yield configured
        return
    program = find_rabbitmq()
    require(program is not None, "RabbitMQ")
    assert program is not None
    with RabbitMQServer(program) as server:
        yield server.url


@pytest.fixture
def redis_url(_redis_server: str) -> str:
    """An empty Redis database."""
    with redis.Redis.from_url(_redis_server) as client:
        client.flushdb()
    return _redis_server


@pytest.fixture(scope="session")
def _migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(_migrated_sqlite: Path, tmp_path: Path) -> str:
    """A migrated SQLite database of this test's own."""
    path = tmp_path / "crawlpush.db"
    shutil.copyfile(_migrated_sqlite, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def _postgres_databases() -> Iterator[PostgresDatabases]:
    if configured := os.environ.get("TEST_DATABASE_URL"):
        databases = PostgresDatabases(configured)
        yield databases
        databases.drop_all()
        return
    programs = find_postgres()
    require(programs is not None, "PostgreSQL")
    assert programs is not None
    with PostgresServer(programs) as server:
        yield PostgresDatabases(server.url)


@pytest.fixture
def postgres_url(_postgres_databases: PostgresDatabases) -> Iterator[str]:
    """A migrated PostgreSQL database of this test's own."""
    url = _postgres_databases.create(migrated=True)
    yield url
    _postgres_databases.drop(url)


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database of this test's own; the test runs once on each kind."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path / 'empty.db'}"


@pytest.fixture
def empty_postgres_url(_postgres_databases: PostgresDatabases) -> Iterator[str]:
    """A PostgreSQL database without tables."""
    url = _postgres_databases.create(migrated=False)
    yield url
    _postgres_databases.drop(url)


@pytest.fixture(params=DATABASES)
def empty_database_url(request: pytest.FixtureRequest) -> str:
    """A database without tables; the test runs once on each kind."""
    return str(request.getfixturevalue(f"empty_{request.param}_url"))
