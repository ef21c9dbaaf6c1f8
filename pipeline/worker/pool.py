"""The pool of our workers: each task in a thread, as in Celery's, but the tasks of one kind that wait together.

A notification is a task of its own, so that it is seen, revoked, repeated and acknowledged by itself. But a database
and a vendor are best asked for hundreds at once, and a thread for each that waits for that costs more than its work.
So the calls of a BatchTask that wait are done together, in one thread; then each task runs, and finds what came of its
own call.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from celery import Task
from celery.concurrency.base import apply_target
from celery.concurrency.thread import TaskPool as ThreadPool
from celery.worker.strategy import default

from pipeline.worker.batching import Gatherer
from pipeline.worker.plain import Call, Lane, Plain, begun

if TYPE_CHECKING:
    _Task = Task[..., Any]
else:
    _Task = Task

logger = logging.getLogger(__name__)

BATCHES = 3
"""Batches of one kind that are under way at once: while some wait for the vendor or the database, another works."""
STOP_S = 60.0
"""How long a stop waits for them: a batch that takes longer than a claim's lease holds nothing any more."""


class BatchTask(_Task):
    """A task whose calls are done many at once, by `do`; its body asks `outcome` for its own."""

    abstract = True
    Strategy = "pipeline.worker.pool:strategy"
    _done = threading.local()

    def do(self, calls: Sequence[Call]) -> Mapping[Call, object]:
        """Do all calls that can be done, and return what came of each; what this raises, each of them raises.

        The calls come as they stood in the messages: what is no proper call is left to the body, which refuses it.
        """
        raise NotImplementedError

    def do_together(self, calls: Sequence[Call]) -> Mapping[Call, object]:
        """Do the calls now, and return what came of each; the bodies that run in this thread from here on find it too.

        Nothing came of any where that failed: then the bodies raise what it raised.
        """
        try:
            outcomes = self._done.outcomes = self.do(calls)
        except Exception as error:
            self._done.outcomes = _Failed(error, error.__traceback__)
            return {}
        return outcomes

    def forget(self) -> None:
        """End what do_together() began."""
        self._done.outcomes = {}

    def outcome(self, *call: Any) -> object:
        """What came of a call. One that was not done with others, as in other pools, is done now."""
        outcomes = getattr(self._done, "outcomes", {})
        if isinstance(outcomes, _Failed):
            # Its traceback would grow with each that raises it.
            raise outcomes.error.with_traceback(outcomes.traceback)
        return outcomes[call] if call in outcomes else self.do([call])[call]


class _Failed(NamedTuple):
    error: Exception
    traceback: TracebackType | None


class _Job(NamedTuple):
    """What Celery hands to a pool."""

    target: Callable[..., Any]
    # The task's name, its id, the request with the decoded arguments, and what the target needs beside them.
    args: Sequence[Any]
    callback: Callable[..., Any]
    accept_callback: Callable[..., Any]

    @property
    def call(self) -> Call | None:
        """The call as it stands in the message, which anybody may have written; None if it is none by position."""
        args, kwargs = self.args[2]["args"], self.args[2]["kwargs"]
        return tuple(args) if isinstance(args, list | tuple) and not kwargs else None

    @property
    def is_later(self) -> bool:
        """Whether its message has a priority of its own."""
        return bool(self.args[2].get("delivery_info", {}).get("priority"))

    def begin(self) -> bool:
        """Whether Celery accepts it."""
        return _survived(self.accept_callback, os.getpid(), time.monotonic())


class TaskPool(ThreadPool):
    """Celery's thread pool, which does the calls of each BatchTask in batches of up to as many as it has threads."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What has a priority of its own, and so comes later, is in no batch with the rest, which does not wait for it.
        self._gatherers: Mapping[tuple[str, bool], Gatherer[_Job | Plain]] = {
            (name, later): self._gatherer(name, task)
            for name, task in self.app.tasks.items()
            if isinstance(task, BatchTask)
            for later in (False, True)
        }

    def _gatherer(self, name: str, task: BatchTask) -> "Gatherer[_Job | Plain]":
        # A worker of several queues has fewer threads than a batch may have calls.
        most = max(self.limit, self.app.conf.get("least_batch") or 0)
        return Gatherer(lambda jobs: _run(task, jobs), max_batch=most, threads=BATCHES, name=name)

    def lane(self, task: BatchTask, app: Any, consumer: Any) -> Lane:
        """How the messages of a task come here."""

        def put(plains: Sequence[Plain]) -> None:
            for later in (False, True):
                if some := [plain for plain in plains if plain.is_later is later]:
                    self._gatherers[task.name, later].put(some)

        return Lane(task, app, consumer, put)

    def apply_async(
        self,
        target: Callable[..., Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """See Celery. What it returns is used for nothing but to wait for a result, and there is none in a batch."""
        if not args or (args[0], False) not in self._gatherers:
            return super().apply_async(target, args, kwargs, **options)
        job = _Job(target, args, options["callback"], options["accept_callback"])
        self._gatherers[args[0], job.is_later].put([job])
        return None

    def on_stop(self) -> None:
        """Finish the batches under way. What waits was not acknowledged, and is given back with the other messages."""
        for (name, _), gatherer in self._gatherers.items():
            if not gatherer.close(STOP_S):
                logger.warning("a batch did not end", extra={"fields": {"task": name}})
        super().on_stop()


def strategy(task: BatchTask, app: Any, consumer: Any) -> Any:
    """What a worker does with a message of a BatchTask: Celery's own, with a short way where the pool is ours."""
    return (
        consumer.pool.lane(task, app, consumer) if isinstance(consumer.pool, TaskPool) else default(task, app, consumer)
    )


def _run(task: BatchTask, batch: "Sequence[_Job | Plain]") -> None:
    jobs = [each for each in batch if isinstance(each, _Job) and each.begin()]
    plains = begun([each for each in batch if isinstance(each, Plain)])
    calls = [call for job in jobs if (call := job.call) is not None]
    outcomes = task.do_together([*calls, *(plain.call for plain in plains)])
    try:
        if done := [plain for plain in plains if plain.call in outcomes]:
            done[0].lane.acknowledge(done)
        for plain in plains:
            if plain.call not in outcomes:
                plain.lane.long_way(plain)
        for job in jobs:
            _survived(apply_target, job.target, job.args, {}, job.callback)
    finally:
        task.forget()


def _survived(call: Callable[..., Any], *args: Any) -> bool:
    """Whether Celery's part for one task went well: what it raises concerns no other task."""
    try:
        call(*args)
    except BaseException:
        logger.exception("task failed outside of its body")
        return False
    return True
