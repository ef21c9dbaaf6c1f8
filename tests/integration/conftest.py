"""A database, a Redis and a gateway of the test's own, as objects."""

from collections.abc import Iterator

import pytest
from redis import Redis
from sqlalchemy.orm import Session

from scripts.gateway.process import GatewayProcess, gateway_process
from storage.session import Database
from tests.support.broker import lead_app_to


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    """One transaction that writes, for the whole test."""
    with database.writing() as session:
        yield session


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def _app_on_redis(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The product's Celery app in this process, with that Redis as its broker."""
    lead_app_to(monkeypatch, redis_url)


@pytest.fixture(scope="session")
def running_gateway() -> Iterator[GatewayProcess]:
    with gateway_process() as gateway:
        yield gateway


@pytest.fixture
def gateway(running_gateway: GatewayProcess) -> Iterator[GatewayProcess]:
    """A loopback FCM and APNs that has received nothing and fails in nothing."""
    running_gateway.reset()
    yield running_gateway
    running_gateway.reset()
