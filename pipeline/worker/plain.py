"""The short way of plain messages into a batch: without a Request for each, and without Celery's tracer around each.

Celery makes a request of each message and runs each through its tracer, which for calls that are done hundreds at once
costs more than the calls. A message that asks for nothing but its call goes to its batch as it is, stands among the
reserved and the active requests meanwhile, and is acknowledged with the others of its batch. All that asks for more,
and all whose call did not go well, goes Celery's way, so that what Celery promises of a task holds for each of them.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from celery import signals
from celery.worker import state
from celery.worker.request import Request
from celery.worker.strategy import default

from pipeline.broker.bulk_transport import RawMessage

logger = logging.getLogger(__name__)

Call = tuple[Any, ...]
"""The positional arguments of a task's call."""
LOGGED = tuple(map(logging.getLogger, ("celery.worker.strategy", "celery.app.trace")))
"""Who logs that a task came, and that it succeeded, at INFO."""
LISTENED = (signals.task_received, signals.task_prerun, signals.task_postrun, signals.task_success)
"""Who listens to one of these hears of every task."""
ASKING = ("eta", "expires", "group", "shadow", "retries", "stamped_headers", "compression")
"""Headers of a message that asks for more than its call."""
NO_LIMITS = (None, [None, None], (None, None))
ACTIVE: Any = state.active_requests
RESERVED: Any = state.reserved_requests
ARGUMENTS = {int, str}
"""Types of arguments of which no two values are the same call, as 1 and True are."""


class Lane:
    """Celery's strategy for one task of one consumer, with a short way beside it."""

    def __init__(self, task: Any, app: Any, consumer: Any, put: "Callable[[Sequence[Plain]], object]") -> None:
        """put: where plain messages go."""
        self.task, self.app, self.consumer = task, app, consumer
        self._usual = default(task, app, consumer)
        self._put = put
        # How the bodies of plain messages end, behind the arguments.
        self._ends: set[str] = set()

    def __call__(self, message: Any, body: Any, *way: Any, **options: Any) -> Any:
        """See Celery: a message has come; way: how it is acknowledged or rejected, and who is told of its request."""
        # A channel that reads in bulk hands the next ones to take().
        getattr(message.channel, "lanes", {})[self.task.name] = self
        # Read by Celery itself, and so in its first version, whose messages are not plain.
        call = None
        if body is None and self._is_open() and not message.errors:
            headers = message.headers
            if self._asks_nothing(headers, message.content_type) and headers["id"] not in state.revoked:
                call = self._call(message.body)
        if call is None:
            return self._usual(message, body, *way, **options)
        self._reserve([Plain(self, call, message.headers["id"], message=message)])
        return None

    def take(self, messages: Sequence[RawMessage]) -> Sequence[RawMessage]:
        """Take from a channel those messages that are plain, and return the others."""
        if not self._is_open():
            return messages
        plains: list[Plain] = []
        others: list[RawMessage] = []
        held: list[str] = []
        revoked = state.revoked if len(state.revoked) else ()
        for message in messages:
            form = message.form
            if form.verdict is None:
                form.verdict = self._asks_nothing(form.headers, form.content_type)
            call = self._call(message.body) if form.verdict and message.id not in revoked else None
            if call is None:
                others.append(message)
            else:
                plains.append(Plain(self, call, message.id, raw=message))
                held.append(message.taken[1])
        if plains:
            messages[0].channel.hold(held)
            self._reserve(plains)
        return others

    def _reserve(self, plains: "Sequence[Plain]") -> None:
        state.requests.update({plain.id: plain for plain in plains})
        RESERVED.update(plains)
        self._put(plains)

    def _is_open(self) -> bool:
        """Whether anybody may go the short way now: nobody listens to each task, counts them, or holds them up."""
        events, consumer = self.consumer.event_dispatcher, self.consumer
        is_told = events and events.enabled and (not events.groups or "task" in events.groups)
        return not (
            is_told
            or state.revoked_stamps
            or consumer.on_task_message
            or consumer.task_buckets[self.task.name]
            # After a lost connection the prefetch count grows back with each of Celery's own acknowledgements.
            or (consumer.restart_count > 0 and not consumer._maximum_prefetch_restored)
            or any(signal.receivers for signal in LISTENED)
            or any(each.isEnabledFor(logging.INFO) for each in LOGGED)
        )

    def _asks_nothing(self, headers: Any, content_type: Any) -> bool:
        """Whether the headers of a message ask for nothing but its call."""
        unwanted = headers.get("ignore_result")
        return (
            content_type == "application/json"
            and (self.task.ignore_result if unwanted is None else unwanted)
            and headers.get("timelimit") in NO_LIMITS
            and not any(map(headers.get, ASKING))
        )

    def _call(self, body: str | bytes) -> Call | None:
        """What a body calls, text from RabbitMQ and bytes from Redis; None for one that asks for more."""
        try:
            text = body if isinstance(body, str) else body.decode()
            # Most are alike behind the arguments: "[[1, 2], {}, {...}]".
            head, _, end = text.partition("]")
            arguments: Any = json.loads(head[1:] + "]") if head.startswith("[[") else None
            if arguments is None or end not in self._ends:
                whole, keywords, embedded = json.loads(text)
                if keywords or any(embedded.values()):
                    return None
                if whole == arguments:
                    self._ends = {end}
                arguments = whole
            is_plain = type(arguments) is list and ARGUMENTS.issuperset(map(type, arguments))
        except (ValueError, TypeError, AttributeError, RecursionError):
            return None
        return tuple(arguments) if is_plain else None

    def long_way(self, plain: "Plain") -> None:
        """Let Celery do with a message what it does with any, as if it came at this moment."""
        state.task_ready(plain)
        self.consumer.call_soon(lambda: self._usual(plain.message, None, *self.way(plain.message)))

    def way(self, message: Any) -> tuple[Any, Any, Any]:
        """How a message is acknowledged or rejected, and who is told of its request, as Celery's consumer has it."""
        ack, reject = (
            partial(self.consumer.call_soon_ack, answer) for answer in (message.ack_log_error, message.reject_log_error)
        )
        return ack, reject, self.consumer.on_task_message

    def acknowledge(self, done: "Sequence[Plain]") -> None:
        """Say that these are done."""
        ACTIVE.difference_update(done)
        RESERVED.difference_update(done)
        for plain in done:
            state.requests.pop(plain.id, None)
        self.consumer.call_soon(self._acknowledge, done)

    def _acknowledge(self, done: "Sequence[Plain]") -> None:
        in_bulk: dict[Any, list[str]] = {}
        for plain in done:
            if plain.raw is None:
                plain.message.ack_log_error(logger, self.consumer.connection_errors)
            else:
                in_bulk.setdefault(plain.raw.channel, []).append(plain.raw.taken[1])
        for channel, tags in in_bulk.items():
            channel.acknowledge(tags)


class Plain:
    """A message that asks for nothing but its call.

    To Celery's remote control it is the request of the message, which is made as soon as more than this is asked for.
    """

    __slots__ = ("__weakref__", "_message", "_request", "began_at", "call", "id", "lane", "raw")

    def __init__(self, lane: Lane, call: Call, id_: str, *, message: Any = None, raw: RawMessage | None = None) -> None:
        """message: kombu's; raw: it as it stands in Redis, of which kombu's is made when somebody asks for that."""
        self.lane, self.call, self.id, self.raw = lane, call, id_, raw
        self.began_at: float | None = None
        self._message: Any = message
        self._request: Any = None

    @property
    def message(self) -> Any:
        """kombu's object for it."""
        if self._message is None and self.raw is not None:
            self._message = self.raw.message()
        return self._message

    @property
    def is_later(self) -> bool:
        """Whether it has a priority of its own."""
        return bool(self.message.properties.get("priority") if self.raw is None else self.raw.form.priority)

    def __getattr__(self, name: str) -> Any:
        lane, message = self.lane, self.message
        if self._request is None:
            on_ack, on_reject, _ = lane.way(message)
            self._request = Request(
                message,
                on_ack=on_ack,
                on_reject=on_reject,
                app=lane.app,
                hostname=lane.consumer.hostname,
                eventer=lane.consumer.event_dispatcher,
                task=lane.task,
                connection_errors=lane.consumer.connection_errors,
                body=message.body,
                headers=message.headers,
            )
        if self.began_at is not None:
            self._request.time_start, self._request.worker_pid = self.began_at, os.getpid()
        return getattr(self._request, name)


def begun(plains: Sequence[Plain]) -> Sequence[Plain]:
    """Those that are to be done now: one that was revoked while it waited is not, and Celery says so."""
    if len(state.revoked) or state.revoked_stamps:
        revoked = [plain for plain in plains if plain.id in state.revoked or state.revoked_stamps]
        for plain in revoked:
            plain.lane.long_way(plain)
        plains = [plain for plain in plains if plain not in revoked]
    now = time.time()
    for plain in plains:
        plain.began_at = now
    ACTIVE.update(plains)
    if plains:
        state.total_count[plains[0].lane.task.name] += len(plains)
        state.all_total_count[0] += len(plains)
    return plains
