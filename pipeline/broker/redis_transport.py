"""A Redis transport for kombu: its worker goes on after a lost connection, and after bytes that are no message.

Messages come one at a time and are acknowledged one at a time, as with kombu's own transport, on which this is built;
`bulk_transport.py` is built on this one. It leans on the inside of kombu's Redis transport, so it is used with the
versions in KOMBU_VERSIONS alone; tests/integration/pipeline/broker/ shows on all three what must not differ.
"""

import json
import logging
from importlib.metadata import version
from queue import Empty
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from kombu.exceptions import OperationalError
from kombu.transport import redis, virtual
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads
from redis.exceptions import RedisError

from pipeline.locks import QuietPool, client_name

logger = logging.getLogger(__name__)

KOMBU_VERSIONS = frozenset({"5.7.0"})
"""The versions whose inside was read; tests/unit/pipeline/broker/test_bulk_transport.py names what is leaned on."""

MOST_CONNECTIONS = 1000
UNREADABLE_KEPT = 100
UNREADABLE_SUFFIX = ":unreadable"
"""What cannot be read as a message goes to a list of this name, the usual word is dead letter queue; the newest
UNREADABLE_KEPT of each queue are kept."""

BROKER_ERRORS = (OSError, RedisError, OperationalError)
"""Errors of the connection. kombu's connection_errors have KeyError too, which a message can bring about."""

if TYPE_CHECKING:
    # kombu's stubs know little of the inside that is leaned on here.
    class Mixin(Any): ...  # type: ignore[misc]  # noqa: D101

    class KombuQoS(Any): ...  # type: ignore[misc]  # noqa: D101

    class KombuChannel:  # noqa: D101
        from_transport_options: tuple[str, ...]

    class KombuSentinelChannel:  # noqa: D101
        from_transport_options: tuple[str, ...]

    class KombuTransport: ...  # noqa: D101

    class KombuSentinelTransport: ...  # noqa: D101

else:
    Mixin, KombuQoS = object, redis.QoS
    KombuChannel, KombuSentinelChannel = redis.Channel, redis.SentinelChannel
    KombuTransport, KombuSentinelTransport = redis.Transport, redis.SentinelTransport


class QoS(KombuQoS):
    """Which messages are unacknowledged, as kombu knows it, and what to do with records of them that are none."""

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge a message; one whose acknowledgement is refused comes again, and its task finds nothing to do."""
        try:
            super().ack(delivery_tag)
        except BROKER_ERRORS as error:
            logger.warning("acknowledgement not sent", extra={"fields": {"error": type(error).__name__}})
            self.forget(delivery_tag)

    def forget(self, *tags: str) -> None:
        """Free the places of messages in the prefetch count."""
        for tag in tags:
            # One that was never counted (no_ack) must not look like one more free place.
            if tag in self._delivered:
                virtual.QoS.ack(self, tag)

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        """Give one message back; a record that cannot be read must not keep others from it, time and again."""
        try:
            super().restore_by_tag(tag, client, leftmost)
        except BROKER_ERRORS:
            raise
        except Exception as error:
            with self.channel.conn_or_acquire(client) as client_:
                raw = client_.hget(self.unacked_key, tag) or b""
            self.channel.set_aside(self.unacked_key, tag, raw, error)


class SturdyMixin(Mixin):
    """What a channel bears, on top of kombu's Redis channel or its Sentinel one."""

    QoS = QoS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # kombu has asked over a connection of the channel's own whether Redis answers. Most channels never wait for
        # messages, and need no such one any more.
        self.async_pool.disconnect(inuse_connections=False)

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        """How to reach Redis, remembered: it can no longer be asked when a broken connection was given up.

        Only so can such a channel give back or acknowledge what it had. kombu's own raises AttributeError there, which
        ends a worker that had a task under way, whenever another channel finds out first that the connection is gone.
        """
        known = self.__dict__.setdefault("_known_parameters", {})
        if asynchronous not in known:
            parameters = super()._connparams(asynchronous=asynchronous)
            parameters["client_name"] = self.client_name or client_name("wait" if asynchronous else "messages")
            known[asynchronous] = parameters
        return dict(known[asynchronous])

    def close(self) -> None:
        """Close it as far as the broker lets us: Celery takes what is raised here for a defect.

        What could not be given back comes back by itself, and what is acknowledged from now on still is.
        """
        try:
            super().close()
        except BROKER_ERRORS as error:
            logger.debug("channel half closed", extra={"fields": {"error": type(error).__name__}})
        finally:
            # Giving messages back may have opened connections anew.
            self._disconnect_pools()

    def _brpop_read(self, **options: Any) -> bool:
        """Read the answer to BRPOP, and deliver what came with it."""
        answer = self._read_answer("BRPOP", **options)
        if not answer:
            raise Empty
        key, raw = answer
        queue = bytes_to_str(key).rsplit(self.sep, 1)[0]
        self._queue_cycle.rotate(queue)
        self._deliver_raw(queue, raw)
        return True

    def _read_answer(self, command: str, **options: Any) -> Any:
        """Read the answer to the command with which this channel waits for messages."""
        try:
            return self.client.parse_response(self.client.connection, command, **options)
        except self.connection_errors:
            # The loop's next turn makes a new one.
            self.client.connection.disconnect()
            raise
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()

    def _deliver_raw(self, queue: str, raw: bytes, tag: str = "") -> bool:
        """Hand a message to its consumer, else set it aside; whether it was handed over. tag: its tag where known."""
        try:
            # kombu's looks at each mapping for types that JSON lacks, which have this key.
            message = loads(raw) if b'"__type__"' in raw else json.loads(raw.decode())
            tag = tag or tag_of(message)
            self.connection._deliver(message, queue)
        except BROKER_ERRORS:
            # What was noted as unacknowledged is given back with the others when the connection is closed.
            raise
        except Exception as error:
            # Whoever can write to Redis must not be able to end a worker, nor to hand it the same message for ever.
            self.set_aside(queue, tag, raw, error)
            return False
        return True

    def set_aside(self, queue: str, tag: str, raw: bytes, error: Exception) -> None:
        """Keep a message that cannot be delivered where a person can look at it, and forget it otherwise."""
        logger.error(
            "set aside a message that cannot be delivered",
            extra={"fields": {"queue": queue, "error": type(error).__name__}},
        )
        aside = queue + UNREADABLE_SUFFIX
        with self.conn_or_acquire() as client, client.pipeline() as pipe:
            pipe.lpush(aside, raw)
            pipe.execute_command("LTRIM", self.global_keyprefix + aside, 0, UNREADABLE_KEPT - 1)
            pipe.zrem(self.unacked_index_key, tag).hdel(self.unacked_key, tag).execute()
        self.qos.forget(tag)


def tag_of(message: object) -> str:
    """The delivery tag of a message; ValueError for what lacks that, or what else kombu needs to give it back.

    The script in `pipeline/broker/take_script.py` asks for the same.
    """
    match message:
        case {
            "headers": dict(),
            "properties": {
                "delivery_tag": str() as tag,
                "delivery_info": {"exchange": str(), "routing_key": str()},
            },
        } if tag.isascii():
            return tag
    raise ValueError("no message")


_pools: WeakValueDictionary[str, QuietPool] = WeakValueDictionary()
_pools_lock = Lock()


class SharingMixin(Mixin):
    """What a channel to one server does beside: kombu's channels have a pool each, ours one together for commands."""

    _pool: QuietPool | None = None

    def _get_pool(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._get_pool(asynchronous=True)
        parameters = self._connparams()
        with _pools_lock:
            key = repr(sorted(parameters.items(), key=str))
            pool = _pools.get(key)
            if pool is None:
                # As many as there are threads that publish.
                pool = _pools[key] = QuietPool(**{**parameters, "max_connections": MOST_CONNECTIONS})
            return pool

    def _disconnect_pools(self) -> None:
        pool, self._pool = self._pool, None
        super()._disconnect_pools()
        if pool is not None:
            # What is in use is in use by other channels.
            pool.disconnect(inuse_connections=False)


class Channel(SharingMixin, SturdyMixin, KombuChannel):
    """A channel to one Redis server."""


class SentinelChannel(SturdyMixin, KombuSentinelChannel):
    """A channel to the server that Sentinel names."""


class TransportMixin(Mixin):
    """What a transport calls the loss of its connection: an answer that is an error too.

    Over another connection, perhaps to the server that took over, the next try may find it well again.
    """

    connection_errors = (*redis.Transport.connection_errors, RedisError)


class Transport(TransportMixin, KombuTransport):
    """Reads one Redis server, plain or over TLS."""

    Channel = Channel


class SentinelTransport(TransportMixin, KombuSentinelTransport):
    """Reads the Redis server that Sentinel names."""

    Channel = SentinelChannel


CLASSES = {"redis": "Transport", "rediss": "Transport", "sentinel": "SentinelTransport"}
"""The scheme of a broker's URL, and the name of the class that reads such a broker, here and where it is in bulk."""


def sturdy_transport(broker_url: str) -> str | None:
    """The name of the transport that reads this broker message by message; None where kombu's own has to do."""
    return transport_of(__name__, broker_url)


def transport_of(module: str, broker_url: str) -> str | None:
    """The name of a module's transport for this broker; None where kombu's own has to do."""
    name = CLASSES.get(broker_url.partition("://")[0])
    if name is None:
        return None
    kombu = version("kombu")
    if kombu not in KOMBU_VERSIONS:
        logger.warning(
            "Redis is read with kombu's own transport: this version of kombu was not tested",
            extra={"fields": {"kombu": kombu, "tested": ",".join(sorted(KOMBU_VERSIONS))}},
        )
        return None
    return f"{module}:{name}"
