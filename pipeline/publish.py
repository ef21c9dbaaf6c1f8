"""Sending task messages: many to one queue at wire speed, each of them an ordinary Celery message."""

import json
import logging
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import uuid4

from celery import Celery
from kombu.exceptions import OperationalError
from kombu.utils import json as kombu_json

logger = logging.getLogger(__name__)

BATCH = 1000
"""Messages per round trip to Redis."""


class PublishError(ConnectionError):
    """The broker did not take the messages; some may have arrived. The database still owes them, so nothing is lost."""


def publish_many(app: Celery, task: str, arguments: Iterable[Sequence[int]]) -> int:
    """Enqueue one task per tuple of ids, and return how many.

    Celery itself makes the first message; the others are that one with their own ids. A batch that fails is
    uncertain and is sent once more, which the tasks allow: whoever is called twice finds nothing to do.
    Raises PublishError.
    """
    sent = 0
    batch: list[Sequence[int]] = []
    for ids in arguments:
        batch.append(ids)
        if len(batch) == BATCH:
            sent += _publish_batch(app, task, batch)
            batch = []
    return sent + (_publish_batch(app, task, batch) if batch else 0)


def _publish_batch(app: Celery, task: str, batch: Sequence[Sequence[int]]) -> int:
    broken: tuple[type[BaseException], ...] = (OperationalError, *app.connection_for_write().connection_errors)
    for last in (False, True):
        try:
            with app.producer_or_acquire() as producer:
                _publish(app, producer, task, batch)
        except broken as error:
            if last:
                raise PublishError(f"the broker did not take {len(batch)} {task} messages: {error}") from error
            logger.warning("publishing again", extra={"fields": {"task": task, "messages": len(batch)}})
        else:
            break
    return len(batch)


def _publish(app: Celery, producer: Any, task: str, batch: Sequence[Sequence[int]]) -> None:
    template = _Template(app, task)
    with producer.batch(BATCH):
        for ids in batch:
            template.publish(producer, ids)


class _Template:
    """A message of one task, made by Celery, of which only the ids vary."""

    def __init__(self, app: Celery, task: str) -> None:
        options = app.amqp.router.route({}, task)
        queue = options.pop("queue")
        message = app.amqp.as_task_v2(uuid4().hex, task, args=(), ignore_result=True)
        self._headers = message.headers
        self._properties = {**message.properties, **options}
        self._embed = message.body[2]
        self._target = {
            # The default exchange routes by the queue's name, as apply_async does for a direct queue.
            "exchange": "",
            "routing_key": queue.name,
            "declare": [queue],
            "delivery_mode": queue.exchange.delivery_mode or app.conf.task_default_delivery_mode,
        }

    def publish(self, producer: Any, ids: Sequence[int]) -> None:
        task_id = str(uuid4())
        arguments = list(ids)
        producer.publish(
            json.dumps((arguments, {}, self._embed)),
            content_type="application/json",
            content_encoding="utf-8",
            headers={**self._headers, "id": task_id, "root_id": task_id, "argsrepr": repr(tuple(arguments))},
            **{**self._properties, "correlation_id": task_id},
            **self._target,
        )


def queue_length(app: Celery, queue: str) -> int:
    """How many messages wait in a queue, of all priorities. Raises the transport's connection errors."""
    with app.connection_or_acquire() as connection:
        channel: Any = connection.default_channel
        try:
            return int(channel.queue_declare(queue, passive=True).message_count)
        except connection.channel_errors:
            # On Redis a queue without messages does not exist.
            return 0


def oldest_ids(app: Celery, queue: str, *, priority: int = 0) -> tuple[int, ...] | None:
    """The ids that the oldest waiting message of a queue carries; None when none waits or the broker cannot tell.

    Only Redis lets one look at a message without taking it.
    """
    with app.connection_or_acquire() as connection:
        channel: Any = connection.default_channel
        if not hasattr(channel, "priority_steps"):
            return None
        raw = channel.client.lindex(channel._q_for_pri(queue, priority), -1)
        if raw is None:
            return None
        arguments, _, _ = channel.message_to_python(kombu_json.loads(raw)).decode()
        return tuple(int(argument) for argument in arguments)
