"""Each test that takes `transport` runs on both of ours, and in full on kombu's own: they must not differ from it."""

from collections.abc import Callable, Iterator

import pytest
import redis
from kombu import Connection
from kombu.asynchronous import Hub, get_event_loop, set_event_loop

from tests.support.broker import BULK, STOCK, STURDY, connection

Connect = Callable[..., Connection]


@pytest.fixture(params=(pytest.param(STOCK, marks=pytest.mark.full), STURDY, BULK))
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


@pytest.fixture
def hub() -> Iterator[Hub]:
    """An event loop as a worker has it."""
    before = get_event_loop()
    hub = Hub()
    set_event_loop(hub)
    yield hub
    hub.close()
    set_event_loop(before)
