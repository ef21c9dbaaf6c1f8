"""A Redis transport for kombu that takes and acknowledges messages in bulk. The notifiers read their queue with it.

kombu's own transport spends two thirds of a worker's time on two round trips per message: one to note that it is
unacknowledged, one to acknowledge it, each with a new client object. Here one script takes as many messages as the
prefetch count allows and notes them, and one transaction acknowledges all that were acknowledged within a few
milliseconds. Queues, unacknowledged messages and their keys look as kombu's own do: either side's producers and
consumers, and either side's restoring of lost messages, can stand on the other end.

It is built upon `pipeline/broker/redis_transport.py`, and leans on the inside of kombu's Redis transport as that does.
"""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from queue import Empty
from time import monotonic, time
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from kombu.utils.json import loads
from kombu.utils.scheduling import priority_cycle
from redis import Redis
from redis.exceptions import RedisError
from typing_extensions import override

from pipeline.broker.bulk_acks import ACK_DELAY_S, ACK_RETRY_S, QoS
from pipeline.broker.forms import Form, Forms
from pipeline.broker.redis_transport import (
    UNREADABLE_KEPT,
    UNREADABLE_SUFFIX,
    KombuChannel,
    KombuSentinelChannel,
    KombuSentinelTransport,
    KombuTransport,
    SharingMixin,
    SturdyMixin,
    TransportMixin,
    transport_of,
)
from pipeline.broker.take_script import ACKNOWLEDGE, TAKE

logger = logging.getLogger(__name__)

TAKE_MAX = 400
"""Most messages that one script looks at: more would make the other clients of Redis wait for it."""
LOOK_S = 0.25
"""How long an idle consumer waits at one list before it looks at its other ones (queues, priorities)."""
LATER_LOOK_S = 0.05
"""The same at the list of a lower priority, at which it waits while messages come there: each would be late."""
LATER_KEPT_S = 1.0
"""How long it does so after the last of them."""


Taken = tuple[str, str, bytes]
"""A message that was taken: its queue, its delivery tag, and itself."""


class RawMessage(NamedTuple):
    """A message as it stands in Redis."""

    channel: "BulkMixin"
    taken: Taken
    form: Form
    id: str
    body: bytes

    def message(self) -> Any:
        """The same as kombu makes of it."""
        return self.channel.Message(loads(self.taken[2]), channel=self.channel)


class Lane(Protocol):
    """Takes the messages of one task, many at once."""

    def take(self, messages: Sequence[RawMessage]) -> Sequence[RawMessage]:
        """Hold what can be done without anything that kombu or Celery does for one; the others are returned."""


class BulkMixin(SturdyMixin):
    """What a channel does in bulk, on top of what any of ours bears."""

    QoS = QoS
    _bulk_client: Redis | None = None
    _shared_client: Any = None
    _no_ack_queues: frozenset[str] = frozenset()
    # Of which queues how many messages may be unacknowledged; of the others as many as the prefetch count allows.
    windows: Mapping[str, int] = MappingProxyType({})
    _in_window: Mapping[str, str] = MappingProxyType({})
    # Of which queues messages of all priorities down to this one are taken in turn, so that none of them is starved.
    in_turn: Mapping[str, int] = MappingProxyType({})
    # The queue and the list where something of a lower priority was found, and until when it is waited for more of it.
    _later: tuple[str, str, float] = ("", "", 0.0)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # By the task: put here by whoever consumes, once it has seen a message of this channel.
        self.lanes: dict[str, Lane] = {}
        self._forms = Forms()
        self._is_refused = False
        super().__init__(*args, **kwargs)

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """One client for all that this channel does: clients share a pool, and making one costs as much as using it."""
        if client is None:
            if self._shared_client is None or self._shared_client.connection_pool is not self.pool:
                self._shared_client = self._create_client()
            client = self._shared_client
        yield client

    @override
    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **kwargs: Any) -> Any:
        if no_ack:
            self._no_ack_queues |= {queue}
        else:
            self._no_ack_queues -= {queue}
        return super().basic_consume(queue, no_ack, *args, **kwargs)

    @property
    def _loop(self) -> Any:
        return self.connection and self.connection.loop

    def flush_soon(self, delay_s: float = ACK_DELAY_S) -> None:
        """Have the waiting acknowledgements sent by the event loop; at once where there is none."""
        if self._loop is None:
            self.flush()
        else:
            self._loop.call_later(delay_s, self.flush)

    def flush(self) -> None:
        """Send the acknowledgements that wait; what cannot be sent is tried again, also by a channel that broke."""
        if self.connection is None:
            # Closed: what was not acknowledged by then has been given back.
            return
        try:
            self.qos.flush()
        except (*self.connection_errors, RedisError) as error:
            # Whoever waits for messages finds out as well that the connection is gone, and makes a new one.
            if not self._is_refused:
                logger.warning("acknowledgements not sent", extra={"fields": {"error": type(error).__name__}})
            self._is_refused = True
            if self._loop is not None:
                self.flush_soon(ACK_RETRY_S)
        else:
            self._is_refused = False

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Wait at a list without taking anything.

        BLMOVE from a list's end to the same end changes nothing and answers as soon as there is a message, so that a
        process that dies before it has read the answer took nothing with it, as it would with kombu's BRPOP.
        """
        del timeout
        queues = [queue for queue in self._queue_cycle.consume(len(self.active_queues)) if self._room(queue, 1)]
        if not queues:
            return
        queue, key, until = self._later
        self._brpop_sent_at = monotonic()
        if until > self._brpop_sent_at and queue in queues:
            patience_s = LATER_LOOK_S
        else:
            key, patience_s = queues[0], LOOK_S
            self._queue_cycle.rotate(key)
        key = self.global_keyprefix + key
        self._in_poll = self.client.connection
        self.client.connection.send_command("BLMOVE", key, key, "RIGHT", "RIGHT", patience_s)

    def _brpop_read(self, **options: Any) -> bool:
        """Read the answer to the wait, then take what the prefetch count allows."""
        self._read_answer("BLMOVE", **options)
        if self._closing:
            raise Empty
        allowed = self.qos.can_consume_max_estimate()
        taken = self._take_with_windows(TAKE_MAX if allowed is None else allowed)
        for queue, tag, raw in self._short_way(taken):
            self._deliver_taken(queue, tag, raw)
        if not taken:
            if self._loop is None:
                # kombu looks for what others lost when nothing came for a time; here an answer comes all the time.
                self.connection.cycle.maybe_restore_messages()
            raise Empty
        return True

    def _room(self, queue: str, allowed: int) -> int:
        """How many messages of a queue may be taken now, of those that the prefetch count allows."""
        if queue not in self.windows:
            return allowed
        held = sum(of == queue and self._is_held(tag) for tag, of in self._in_window.items())
        return min(allowed, max(self.windows[queue] - held, 0))

    def _is_held(self, tag: str) -> bool:
        # What was acknowledged is dirty until kombu clears both up.
        return tag in self.qos._delivered and tag not in self.qos._dirty

    def _take_with_windows(self, allowed: int) -> list[Taken]:
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not self.windows:
            return self._take(queues, allowed)
        self._in_window = {tag: queue for tag, queue in self._in_window.items() if self._is_held(tag)}
        found: list[Taken] = []
        for queue in (queue for queue in queues if queue in self.windows):
            found += self._take([queue], self._room(queue, allowed - len(found)))
        self._in_window |= {tag: queue for queue, tag, _ in found}
        return found + self._take([queue for queue in queues if queue not in self.windows], allowed - len(found))

    def _short_way(self, taken: Sequence[Taken]) -> Sequence[Taken]:
        """Hand to the lanes what they take as it stands in Redis; what is left goes kombu's way."""
        if not self.lanes:
            return taken
        left: list[Taken] = []
        lots: dict[str, list[RawMessage]] = {}
        for each in taken:
            known = None if each[0] in self._no_ack_queues else self._forms.read(each[2])
            task = known and known.form.headers.get("task")
            if known is not None and type(task) is str and task in self.lanes and each[0] in self.connection._callbacks:
                lots.setdefault(task, []).append(RawMessage(self, each, *known))
            else:
                left.append(each)
        for task, lot in lots.items():
            left += [message.taken for message in self.lanes[task].take(lot)]
        return left

    def hold(self, tags: Collection[str]) -> None:
        """Count messages as unacknowledged that a lane has taken."""
        self.qos.hold(tags)

    def acknowledge(self, tags: Collection[str]) -> None:
        """Acknowledge messages that a lane has taken."""
        self.qos.ack_all(tags)

    def _deliver_taken(self, queue: str, tag: str, raw: bytes) -> None:
        if self._deliver_raw(queue, raw, tag) and queue in self._no_ack_queues:
            self.qos.noted.discard(tag)
            self.qos.ack(tag)

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:
        """One message of one queue, or None."""
        del kwargs
        with self.conn_or_acquire() as client:
            self._maybe_update_queues_expire(client, queue)
        while taken := self._take([queue], 1):
            _, tag, raw = taken[0]
            try:
                message = self.Message(loads(raw), channel=self)
            except Exception as error:
                self.set_aside(queue, tag, raw, error)
                continue
            self.qos.append(message, tag)
            if no_ack:
                self.qos.ack(tag)
            return message
        return None

    def _take(self, queues: Sequence[str], count: int) -> list[Taken]:
        """Take up to so many messages from these queues and note them as unacknowledged, in one step on the server.

        Returns the queue, the delivery tag and the bytes of each.
        """
        if not queues or count <= 0:
            return []
        sources = [(queue, pri) for pri in self.priority_steps for queue in queues]
        groups = self._groups(queues, sources)
        asides = [self.global_keyprefix + queue + UNREADABLE_SUFFIX for queue, _ in sources]
        keys = [self.unacked_key, self.unacked_index_key, *(self._q_for_pri(*source) for source in sources)]
        unreadable, numbers, found = self.run(
            TAKE,
            keys,
            [min(count, TAKE_MAX), TAKE_MAX, time(), UNREADABLE_KEPT, *chain(*zip(groups, asides, strict=True))],
        )
        if unreadable:
            logger.error(
                "set aside what is no message", extra={"fields": {"count": unreadable, "queues": ",".join(queues)}}
            )
        taken, at, lowest = [], 0, 0
        each = map(int, numbers.split(b",") if numbers else ())
        for place, tag_size, size in zip(each, each, each, strict=True):
            begin = at + tag_size
            taken.append((sources[place][0], found[at:begin].decode(), found[begin : begin + size]))
            at, lowest = begin + size, max(lowest, place)
        self.qos.noted.update([tag for _, tag, _ in taken])
        queue, pri = sources[lowest]
        if pri:
            self._later = (queue, self._q_for_pri(queue, pri), monotonic() + LATER_KEPT_S)
        return taken

    def _groups(self, queues: Sequence[str], sources: Sequence[tuple[str, int]]) -> list[int]:
        """For each list, more urgent ones first, the number of the group of which messages are taken in turn."""
        if not isinstance(self._queue_cycle, priority_cycle):
            return [pri for _, pri in sources]
        last = self.in_turn.get(queues[0], -1) if len(queues) == 1 else -1
        return [0 if pri <= last else place for place, (_, pri) in enumerate(sources)]

    def run(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run a script on the server."""
        # Not the client of conn_or_acquire(): with a global prefix, that one adds it to a script's first key alone.
        if self._bulk_client is None or self._bulk_client.connection_pool is not self.pool:
            self._bulk_client = Redis(connection_pool=self.pool)
            self._scripts = {text: self._bulk_client.register_script(text) for text in (TAKE, ACKNOWLEDGE)}
        return self._scripts[script](keys=[self.global_keyprefix + key for key in keys], args=arguments)


class Channel(SharingMixin, BulkMixin, KombuChannel):
    """A channel to one Redis server."""

    from_transport_options = (*KombuChannel.from_transport_options, "windows", "in_turn")


class SentinelChannel(BulkMixin, KombuSentinelChannel):
    """A channel to the server that Sentinel names."""

    from_transport_options = (*KombuSentinelChannel.from_transport_options, "windows", "in_turn")


class LoopMixin(TransportMixin):
    """Remembers the worker's event loop, for timers."""

    loop: Any = None

    @override
    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        self.loop = loop
        super().register_with_event_loop(connection, loop)


class Transport(LoopMixin, KombuTransport):
    """Reads one Redis server, plain or over TLS."""

    Channel = Channel


class SentinelTransport(LoopMixin, KombuSentinelTransport):
    """Reads the Redis server that Sentinel names."""

    Channel = SentinelChannel


def bulk_transport(broker_url: str) -> str | None:
    """The name of the transport that reads this broker in bulk; None where kombu's own has to do."""
    return transport_of(__name__, broker_url)
