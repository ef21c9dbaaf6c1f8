"""Where the waiting tasks of a process meet: many threads submit one key each, few threads process them in batches.

Knows neither tasks nor storage: what a key is, and what is done with a batch of them, is the caller's.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
R = TypeVar("R")


class SenderClosedError(RuntimeError):
    """The sender is closed: nothing was done with this key."""


class Sender(Generic[K, R]):
    """Gathers keys into batches. Thread-safe; its threads start with the first key."""

    def __init__(
        self,
        process: Callable[[list[K]], dict[K, R]],
        max_batch: int = 400,
        linger_s: float = 0.02,
        workers: int = 2,
        name: str = "sender",
    ) -> None:
        """process: does the work for a batch of distinct keys and returns a result for each of them.

        max_batch: keys in one call at most. linger_s: how long a worker that has one key waits for more; a lone
        key is late by this much. workers: batches under way at once.
        """
        self._process = process
        self._max_batch = max_batch
        self._linger_s = linger_s
        self._workers = workers
        self._name = name
        self._queue: queue.SimpleQueue[tuple[K, Future[R]] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        # One worker gathers at a time: two that gather side by side would each get half a batch.
        self._gathering = threading.Lock()
        self._closed = False

    def submit(self, key: K) -> "Future[R]":
        """Hand a key in; the future gets its result, or what process() raised for its batch.

        Raises SenderClosedError after close(). The same key in one batch is processed once, for all who asked.
        """
        hash(key)  # a key that cannot be one is its sender's fault, and must not reach the threads
        future: Future[R] = Future()
        with self._lock:
            if self._closed:
                raise SenderClosedError(f"{self._name} is closed")
            if not self._threads:
                self._start()
            self._queue.put((key, future))
        return future

    def close(self, timeout_s: float | None = None) -> bool:
        """Take nothing more, finish what was handed in, and end the threads. Returns False when time was up first."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for _ in self._threads:
                    self._queue.put(None)
        end = None if timeout_s is None else time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(None if end is None else max(end - time.monotonic(), 0.0))
        return not any(thread.is_alive() for thread in self._threads)

    def _start(self) -> None:
        self._threads = [
            # Daemons: a process that was told to stop twice must not wait for a batch.
            threading.Thread(target=self._work, name=f"{self._name}-{number}", daemon=True)
            for number in range(self._workers)
        ]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        last = False
        while not last:
            with self._gathering:
                waiting, last = self._gather()
            if waiting:
                self._run(waiting)

    def _gather(self) -> tuple[dict[K, list["Future[R]"]], bool]:
        """Wait for a key, then a little for more. Returns them, and whether this worker is to end."""
        item = self._queue.get()
        waiting: dict[K, list[Future[R]]] = {}
        end = time.monotonic() + self._linger_s
        while item is not None:
            key, future = item
            # From here on the future cannot be cancelled any more.
            if future.set_running_or_notify_cancel():
                waiting.setdefault(key, []).append(future)
            if len(waiting) >= self._max_batch:
                return waiting, False
            try:
                item = self._queue.get(timeout=max(end - time.monotonic(), 0.0))
            except queue.Empty:
                return waiting, False
        return waiting, True

    def _run(self, waiting: dict[K, list["Future[R]"]]) -> None:
        try:
            results = self._process(list(waiting))
        except BaseException as error:
            for futures in waiting.values():
                for future in futures:
                    future.set_exception(error)
            return
        for key, futures in waiting.items():
            for future in futures:
                if key in results:
                    future.set_result(results[key])
                else:
                    future.set_exception(KeyError(f"{self._name} got no result for {key!r}"))
