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
from typing import Any

from celery import signals
from celery.worker import state
from celery.worker.request import Request
from celery.worker.strategy import default

logger = logging.getLogger(__name__)

Call = tuple[Any, ...]
"""The positional arguments of a task's call."""
LOGGED = tuple(map(logging.getLogger, ("celery.worker.strategy", "celery.app.trace")))
"""Who logs that a task came, and that it succeeded, at INFO."""
LISTENED = (signals.task_received, signals.task_prerun, signals.task_postrun, signals.task_success)
"""Who listens to one of these hears of every task."""
ASKING = ("eta", "expires", "group", "shadow", "retries", "stamped_headers")
"""Headers of a message that asks for more than its call."""
NO_LIMITS = (None, [None, None], (None, None))
ARGUMENTS = {int, str}
"""Types of arguments of which no two values are the same call, as 1 and True are."""


class Lane:
    """Celery's strategy for one task of one consumer, with a short way beside it."""

    def __init__(self, task: Any, app: Any, consumer: Any, put: "Callable[[Plain], object]") -> None:
        """put: where plain messages go."""
        self.task, self.app, self.consumer = task, app, consumer
        self._usual = default(task, app, consumer)
        self._put = put

    def __call__(self, message: Any, body: Any, *way: Any, **options: Any) -> Any:
        """See Celery: a message has come; way: how it is acknowledged or rejected, and who is told of its request."""
        # Read by Celery itself, and so in its first version, whose messages are not plain.
        call = self._call(message) if body is None and not way[-1] and self._is_open() else None
        if call is None:
            return self._usual(message, body, *way, **options)
        plain = Plain(self, call, message, way)
        state.task_reserved(plain)
        self._put(plain)
        return None

    def _is_open(self) -> bool:
        """Whether anybody may go the short way now: nobody listens to each task, counts them, or holds them up."""
        events, consumer = self.consumer.event_dispatcher, self.consumer
        is_told = events and events.enabled and (not events.groups or "task" in events.groups)
        return not (
            is_told
            or state.revoked_stamps
            or consumer.task_buckets[self.task.name]
            # After a lost connection the prefetch count grows back with each of Celery's own acknowledgements.
            or (consumer.restart_count > 0 and not consumer._maximum_prefetch_restored)
            or any(signal.receivers for signal in LISTENED)
            or any(each.isEnabledFor(logging.INFO) for each in LOGGED)
        )

    def _call(self, message: Any) -> Call | None:
        """What a plain message calls; None for one that is not plain."""
        headers = message.headers
        unwanted = headers.get("ignore_result")
        if (
            message.content_type != "application/json"
            or message.errors
            or not (self.task.ignore_result if unwanted is None else unwanted)
            or headers.get("timelimit") not in NO_LIMITS
            or any(map(headers.get, ASKING))
            or headers["id"] in state.revoked
        ):
            return None
        try:
            arguments, keywords, embedded = json.loads(message.body)
            is_plain = not keywords and not any(embedded.values()) and ARGUMENTS.issuperset(map(type, arguments))
        except (ValueError, TypeError, AttributeError):
            return None
        return tuple(arguments) if is_plain and type(arguments) is list else None

    def long_way(self, plain: "Plain") -> None:
        """Let Celery do with a message what it does with any, as if it came at this moment."""
        state.task_ready(plain)
        self.consumer.call_soon(self._usual, plain.message, None, *plain.way)

    def acknowledge(self, done: "Sequence[Plain]") -> None:
        """Say that these are done."""
        for plain in done:
            state.task_ready(plain)
        self.consumer.call_soon(self._acknowledge, [plain.message for plain in done])

    def _acknowledge(self, messages: Sequence[Any]) -> None:
        for message in messages:
            message.ack_log_error(logger, self.consumer.connection_errors)


class Plain:
    """A message that asks for nothing but its call.

    To Celery's remote control it is the request of the message, which is made as soon as more than this is asked for.
    """

    def __init__(self, lane: Lane, call: Call, message: Any, way: Sequence[Any]) -> None:
        self.lane, self.call, self.message, self.way = lane, call, message, way
        self.id: str = message.headers["id"]
        self.began_at: float | None = None
        self._request: Any = None

    def __getattr__(self, name: str) -> Any:
        lane, message = self.lane, self.message
        if self._request is None:
            self._request = Request(
                message,
                on_ack=self.way[0],
                on_reject=self.way[1],
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

    def begin(self) -> bool:
        """Whether it is to be done now: one that was revoked while it waited is not, and Celery says so."""
        if self.id in state.revoked or state.revoked_stamps:
            self.lane.long_way(self)
            return False
        self.began_at = time.time()
        state.active_requests.add(self)
        state.total_count[self.lane.task.name] += 1
        state.all_total_count[0] += 1
        return True
