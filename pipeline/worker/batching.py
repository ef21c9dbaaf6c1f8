"""Items that come one or more at a time, done in batches by a few threads. Knows neither tasks nor storage."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Gatherer(Generic[T]):
    """Gathers items into batches. Thread-safe; its threads start with the first item."""

    def __init__(
        self,
        work: Callable[[list[T]], object],
        *,
        max_batch: int,
        linger_s: float = 0.02,
        threads: int = 2,
        name: str = "gatherer",
    ) -> None:
        """work: does one batch. What it raises is logged: whoever must know what became of an item sees to it in there.

        max_batch: items in one call at most. linger_s: how long a thread that has one item waits for more; a lone
        item is late by this much. threads: batches under way at once.
        """
        self._work = work
        self._max_batch = max_batch
        self._linger_s = linger_s
        self._count = threads
        self._name = name
        self._queue: queue.SimpleQueue[Sequence[T]] = queue.SimpleQueue()
        # What came with the last batch and had no room in it.
        self._rest: Sequence[T] = ()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        # One thread gathers at a time: two that gather side by side would each get half a batch.
        self._gathering = threading.Lock()
        self._closed = False

    def put(self, items: Sequence[T]) -> None:
        """Hand items in, one or more; after close() they are dropped."""
        if not self._threads:
            self._start()
        self._queue.put(items)

    def close(self, timeout_s: float | None = None) -> bool:
        """Drop what waits, finish the batches under way, and end the threads. Returns False when time was up first."""
        with self._lock:
            self._closed = True
            threads = list(self._threads)
        for _ in threads:
            self._queue.put(())
        end = None if timeout_s is None else time.monotonic() + timeout_s
        for thread in threads:
            thread.join(None if end is None else max(end - time.monotonic(), 0.0))
        return not any(thread.is_alive() for thread in threads)

    def _start(self) -> None:
        with self._lock:
            if self._threads or self._closed:
                return
            self._threads = [
                # Daemons: a process that was told to stop twice must not wait for a batch.
                threading.Thread(target=self._run, name=f"{self._name}-{number}", daemon=True)
                for number in range(self._count)
            ]
            for thread in self._threads:
                thread.start()

    def _run(self) -> None:
        while not self._closed:
            with self._gathering:
                batch = self._gather()
            if not batch or self._closed:
                continue
            try:
                self._work(batch)
            # SystemExit too: a thread that is gone would be missed by nobody but those who wait.
            except BaseException:
                logger.exception("batch failed", extra={"fields": {"batch": self._name, "count": len(batch)}})

    def _gather(self) -> list[T]:
        """Wait for items, then a little for more."""
        batch: list[T] = []
        items, self._rest = self._rest or self._queue.get(), ()
        end = time.monotonic() + self._linger_s
        while items:
            batch += items
            if len(batch) >= self._max_batch:
                break
            try:
                items = self._queue.get(timeout=max(end - time.monotonic(), 0.0))
            except queue.Empty:
                break
        self._rest = batch[self._max_batch :]
        return batch[: self._max_batch]
