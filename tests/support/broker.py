"""A broker as kombu's users see it: connections over each transport, and what stands in Redis meanwhile."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis
from kombu import Connection, Consumer, Message, Queue

from pipeline.broker.bulk_transport import bulk_transport
from pipeline.broker.redis_transport import sturdy_transport
from tests.support.waiting import SECONDS

STOCK, STURDY, BULK = "stock", "sturdy", "bulk"
TRANSPORTS: dict[str, Callable[[str], str | None]] = {
    STOCK: lambda url: None,
    STURDY: sturdy_transport,
    BULK: bulk_transport,
}
QUEUE = "letters"


def transport_name(url: str, transport: str) -> str | None:
    """What Celery's `broker_transport` and kombu's `transport` are for a URL; None is kombu's own."""
    return TRANSPORTS[transport](url)


def connection(url: str, transport: str, **options: Any) -> Connection:
    """A connection that is not opened yet; the options are kombu's transport options but `ssl`."""
    tls = {"ssl": options.pop("ssl")} if "ssl" in options else {}
    return Connection(url, transport=transport_name(url, transport), transport_options=options, **tls)


def put(connection: Connection, *bodies: Any, queue: str = QUEUE, priority: int = 0) -> None:
    """Enqueue messages."""
    with connection.Producer() as producer:
        for body in bodies:
            producer.publish(body, routing_key=queue, priority=priority, serializer="json")


class Reader:
    """Reads queues and keeps what comes; acknowledges nothing by itself."""

    def __init__(
        self, connection: Connection, *queues: str, prefetch: int = 0, no_ack: bool = False, channel: Any = None
    ) -> None:
        """Read on a channel of its own, or on a given one."""
        self.connection = connection
        self.messages: list[Message] = []
        self.consumer = Consumer(
            channel or connection.channel(),
            [Queue(name) for name in queues or (QUEUE,)],
            on_message=self.messages.append,
            no_ack=no_ack,
            prefetch_count=prefetch or None,
        )
        self.consumer.consume()

    @property
    def bodies(self) -> list[Any]:
        """What the messages say, in the order in which they came."""
        return [message.decode() for message in self.messages]

    def look(self, seconds: float = 0.6) -> None:
        """Read for a time in which anything that is there would have come."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._drain(left)

    def read(self, count: int) -> list[Message]:
        """Read until there are so many messages; fail when they do not come."""
        deadline = time.monotonic() + SECONDS
        while len(self.messages) < count:
            assert time.monotonic() < deadline, f"{len(self.messages)} of {count} messages came"
            self._drain(0.5)
        return self.messages

    def _drain(self, seconds: float) -> None:
        try:
            self.connection.drain_events(timeout=seconds)
        except TimeoutError:
            return


def records(client: "redis.Redis", key: str = "unacked") -> dict[str, Any]:
    """The unacknowledged messages, by their tag, each with its exchange and routing key."""
    found: Any = client.hgetall(key)
    return {tag.decode(): json.loads(raw) for tag, raw in found.items()}


def unacked(client: "redis.Redis", prefix: str = "") -> list[Any]:
    """What the unacknowledged messages say, sorted; the hash and its index must agree."""
    with client.pipeline() as pipe:
        tags, found = pipe.zrange(f"{prefix}unacked_index", 0, -1).hgetall(f"{prefix}unacked").execute()
    assert set(tags) == set(found)
    return sorted(body_of(json.loads(record)[0]) for record in found.values())


def waiting(client: "redis.Redis", key: str = QUEUE) -> list[Any]:
    """What the messages of a list say, the next one first."""
    found: Any = client.lrange(key, 0, -1)
    return [body_of(json.loads(raw)) for raw in reversed(found)]


def body_of(raw: dict[str, Any]) -> Any:
    """What a message as it stands in Redis says."""
    return json.loads(base64.b64decode(raw["body"]))


def calls(client: "redis.Redis") -> dict[str, int]:
    """How often each command was called since the last CONFIG RESETSTAT."""
    stats: Any = client.info("commandstats")
    return {name.removeprefix("cmdstat_"): int(each["calls"]) for name, each in stats.items()}


def lead_app_to(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Let the Celery app of this process talk to a broker, over no connection that an earlier test has left."""
    from kombu import pools

    from pipeline.celery import app

    # For good, not until the end of the test: what is closed here must be nobody's pool again.
    vars(app)["_pool"] = vars(app.amqp)["_producer_pool"] = None
    pools.reset()
    monkeypatch.setattr(app.conf, "broker_url", url)
    monkeypatch.setattr(app, "_pool", None)
    monkeypatch.setattr(app.amqp, "_producer_pool", None)
