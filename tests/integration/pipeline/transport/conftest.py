"""Each test that takes `transport` runs on kombu's own Redis transport and on the one that works in bulk."""

from collections.abc import Callable, Iterator

import pytest
import redis
from kombu import Connection

from tests.support.broker import BULK, STOCK, connection

Connect = Callable[..., Connection]


@pytest.fixture(params=(STOCK, BULK))
def transport(request: pytest.FixtureRequest) -> str:
    """The transport that the test reads with."""
    return str(request.param)


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis"]:
    """A plain client of the same Redis."""
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def connect(redis_url: str, transport: str) -> Iterator[Connect]:
    """Makes connections with this test's transport and closes them with the test."""
    made: list[Connection] = []

    def make(**options: object) -> Connection:
        made.append(connection(redis_url, transport, **options))
        return made[-1]

    yield make
    for each in made:
        each.release()
