"""Sending task messages: many to one queue at wire speed, each of them an ordinary Celery message."""

import logging
import os
from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import uuid4

from celery import Celery
from kombu import Producer, Queue
from kombu.exceptions import OperationalError
from kombu.utils import json as kombu_json

from pipeline.basics.ids import are_ids
from pipeline.errors import PipelineError

logger = logging.getLogger(__name__)

FURTHER = 25
"""So many times further is looked where nothing at the old end of a queue is a message of ours."""
ARGUMENTS = {"notify_user": 2}
"""How many ids a task takes, where it is not one."""
BESIDE = {"notify_user": "send_digest"}
"""What else stands in a task's queue and is done in turn with it."""
BATCH = 1000
"""Messages per round trip to the broker."""
CONFIRM_S = 30.0
"""So long RabbitMQ may be silent before it has a batch; it writes each message to its disk first."""


class BrokerError(PipelineError, ConnectionError):
    """The broker cannot be reached; whoever asked may ask again later."""


class PublishError(BrokerError):
    """The broker did not take the messages; some may have arrived. The database still owes them, so nothing is lost."""


def publish_many(app: Celery, task: str, arguments: Iterable[Sequence[int]], *, priority: int | None = None) -> int:
    """Enqueue one task per tuple of ids, and return how many.

    Celery itself makes the first message; the others are that one with their own ids, for Redis as the bytes that kombu
    would have pushed there. A batch that fails is uncertain and is sent once more, which the tasks allow: whoever is
    called twice finds nothing to do.
    priority: another than the task's own. Raises PublishError.
    """
    sent = 0
    batch: list[Sequence[int]] = []
    for ids in arguments:
        batch.append(ids)
        if len(batch) == BATCH:
            sent += _publish_batch(app, task, batch, priority)
            batch = []
    return sent + (_publish_batch(app, task, batch, priority) if batch else 0)


def _broken(app: Celery) -> tuple[type[BaseException], ...]:
    connection = app.connection_for_write()
    return (OperationalError, *connection.connection_errors, *connection.channel_errors)


def _publish_batch(app: Celery, task: str, batch: Sequence[Sequence[int]], priority: int | None) -> int:
    broken = _broken(app)
    for last in (False, True):
        try:
            with app.producer_or_acquire() as producer:
                _publish(producer, _Template(app, task, priority), batch)
        except broken as error:
            if last:
                raise PublishError(f"the broker did not take {len(batch)} {task} messages: {error}") from error
            logger.warning("publishing again", extra={"fields": {"task": task, "messages": len(batch)}})
        else:
            break
    return len(batch)


def _publish(producer: Any, template: "_Template", batch: Sequence[Sequence[int]]) -> None:
    # Once per batch: kombu's check whether a queue was declared already costs a third of a message.
    producer.maybe_declare(template.queue)
    channel = producer.channel
    if not _can_look(channel):
        _publish_confirmed(channel.connection, template, batch)
        return
    key, form = template.in_redis(channel)
    digits = os.urandom(32 * len(batch)).hex()
    with channel.conn_or_acquire() as client:
        client.lpush(key, *(template.fill(form, ids, digits[64 * at :]) for at, ids in enumerate(batch)))


def _publish_confirmed(connection: Any, template: "_Template", batch: Sequence[Sequence[int]]) -> None:
    """Send messages to RabbitMQ, and return once it has all of them, so that whoever asks for the length counts them.

    It answers a declaration before messages that came earlier: only a confirm says that one stands in its queue.
    """
    unconfirmed = set(range(1, len(batch) + 1))

    def confirm(tag: int, multiple: bool) -> None:
        unconfirmed.difference_update([each for each in unconfirmed if each <= tag] if multiple else [tag])

    def refuse(_tag: int, _multiple: bool) -> None:
        raise OperationalError("RabbitMQ refused a message")

    try:
        with connection.transport.having_timeout(CONFIRM_S):
            # A channel numbers its messages from 1, and it cannot leave this mode again.
            channel = connection.channel()
            channel.events["basic_ack"].add(confirm)
            channel.events["basic_nack"].add(refuse)
            channel.confirm_select()
            producer = Producer(channel, auto_declare=False)
            for ids in batch:
                template.publish(producer, ids)
            while unconfirmed:
                connection.drain_events()
            channel.close()
    except BaseException:
        # To close it in due form would be to wait for an answer again.
        connection.collect()
        raise


class _Template:
    """A message of one task, made by Celery, of which only the ids vary."""

    def __init__(self, app: Celery, task: str, priority: int | None) -> None:
        options = app.amqp.router.route({} if priority is None else {"priority": priority}, task)
        self.queue: Queue = options.pop("queue")
        options.pop("exchange_type", None)
        message = app.amqp.as_task_v2("", task, args=(), reply_to=app.thread_oid, ignore_result=True)
        self._headers = message.headers
        # The JSON of a body is "[arguments, keywords, callbacks]"; the last two are the same in every message.
        self._body_end = f", {{}}, {kombu_json.dumps(message.body[2])}]"
        self._options = {
            **message.properties,
            **options,
            "content_type": "application/json",
            "content_encoding": "utf-8",
            # The default exchange routes by the queue's name, as apply_async does for a direct queue.
            "exchange": "",
            "routing_key": self.queue.name,
            "delivery_mode": self.queue.exchange.delivery_mode or app.conf.task_default_delivery_mode,
        }

    def _words(self, ids: Sequence[int]) -> tuple[str, str]:
        """The body of a message with these ids, and how `celery inspect` and Flower show them."""
        arguments = ", ".join(map(str, ids))
        # A tuple of one has a comma.
        return f"[[{arguments}]{self._body_end}", f"({arguments},)" if len(ids) == 1 else f"({arguments})"

    def publish(self, producer: Any, ids: Sequence[int]) -> None:
        """Send a message by kombu."""
        self._send(producer, str(uuid4()), *self._words(ids))

    def _send(self, producer: Any, task_id: str, body: str, shown: str) -> None:
        producer.publish(
            body,
            headers={**self._headers, "id": task_id, "root_id": task_id, "argsrepr": shown},
            **{**self._options, "correlation_id": task_id},
        )

    def in_redis(self, channel: Any) -> tuple[str, str]:
        """The key to which kombu would push a message, and the message with gaps, for fill()."""
        caught: Any = _Caught(channel)
        self._send(Producer(caught), "TASK ID", "BODY", "SHOWN")
        tag = kombu_json.loads(caught.text)["properties"]["delivery_tag"]
        gaps = {"TASK ID": "id", b64encode(b"BODY").decode(): "body", "SHOWN": "shown", tag: "tag"}
        form = caught.text.replace("%", "%%")
        for word, gap in gaps.items():
            form = form.replace(f'"{word}"', f'"%({gap})s"')
        return caught.key, form

    def fill(self, form: str, ids: Sequence[int], digits: str) -> bytes:
        """A message for these ids, as it is to stand in Redis; digits: at least 64 random ones."""
        body, shown = self._words(ids)
        encoded = b64encode(body.encode()).decode()
        return (form % {"body": encoded, "id": _uuid(digits), "shown": shown, "tag": _uuid(digits[32:])}).encode()


def _uuid(digits: str) -> str:
    """A random UUID (version 4), which uuid4() takes five times as long to make."""
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"


class _Caught:
    """Stands in for a channel to Redis, and keeps what that would push for a message, and to which key."""

    key = text = ""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self.prepare_message = channel.prepare_message

    def basic_publish(self, message: Any, exchange: str, routing_key: str, **_: object) -> None:
        self._channel._inplace_augment_message(message, exchange, routing_key)
        self.key = self._channel._q_for_pri(routing_key, self._channel._get_message_priority(message))
        self.text = kombu_json.dumps(message)


def queue_length(app: Celery, queue: str) -> int:
    """How many messages wait in a queue, of all priorities. Raises BrokerError."""
    declared = app.amqp.queues[queue]
    try:
        with app.connection_or_acquire() as connection:
            # Declaring a queue that is there already is how AMQP asks for its length; one that is not is made.
            answer = connection.default_channel.queue_declare(
                queue, durable=declared.durable, auto_delete=False, arguments=declared.queue_arguments
            )
            return int(answer.message_count)
    except _broken(app) as error:
        raise BrokerError(f"the broker cannot be asked for the length of {queue}: {error}") from error


def oldest_ids(app: Celery, task: str, *, limit: int = 1) -> list[tuple[int, ...]]:
    """The ids in the oldest messages that wait for a task, of each priority the oldest first.

    None when the broker cannot tell.
    Only Redis lets one look at a message without taking it. Raises BrokerError.
    """
    route = app.amqp.router.route({}, task)
    try:
        with app.connection_or_acquire() as connection:
            channel: Any = connection.default_channel
            if not _can_look(channel):
                return []
            # kombu adds the prefix of all keys to the commands that it uses itself; LRANGE is none of them.
            prefix, queue = channel.global_keyprefix, route["queue"].name
            keys = [prefix + channel._q_for_pri(queue, priority) for priority in channel.priority_steps]
            with channel.conn_or_acquire() as client:
                return [ids for key in keys for ids in _oldest(channel, client, task, key, limit)]
    except _broken(app) as error:
        raise BrokerError(f"the broker cannot be asked for its oldest {task}: {error}") from error


def _oldest(channel: Any, client: Any, task: str, key: str, limit: int) -> list[tuple[int, ...]]:
    waiting = client.lrange(key, -limit, -1)
    found = _known_ids(channel, task, waiting)
    if waiting and not found:
        # Whatever else stands there, the workers will set aside: what is owed stands before it.
        found = _known_ids(channel, task, client.lrange(key, -FURTHER * limit, -1))
    return found


def _known_ids(channel: Any, task: str, waiting: Sequence[bytes]) -> list[tuple[int, ...]]:
    """The ids in those of the messages that are for a task, or done in turn with it, the oldest first."""
    return [ids for raw in reversed(waiting) if (ids := _ids(channel, task, raw)) is not None]


def _ids(channel: Any, task: str, raw: bytes) -> tuple[int, ...] | None:
    """The ids in a message for a task; None for one of another task, and for what is no message of ours.

    Whoever can write to Redis can write anything: such a thing must not hide the others from those who only look.
    """
    try:
        message = channel.message_to_python(kombu_json.loads(raw))
        arguments, keywords, _ = message.decode()
    except Exception:
        return None
    found = message.headers.get("task")
    # Compared, not looked up: a header may be of any type.
    if found not in (task, BESIDE.get(task)) or keywords or not isinstance(arguments, list):
        return None
    return tuple(arguments) if len(arguments) == ARGUMENTS.get(str(found), 1) and are_ids(*arguments) else None


def shows_messages(app: Celery) -> bool:
    """Whether the broker lets one read waiting messages without taking them, as Redis does. Raises BrokerError."""
    try:
        with app.connection_or_acquire() as connection:
            return _can_look(connection.default_channel)
    except _broken(app) as error:
        raise BrokerError(f"the broker cannot be reached: {error}") from error


def _can_look(channel: Any) -> bool:
    return hasattr(channel, "priority_steps")
