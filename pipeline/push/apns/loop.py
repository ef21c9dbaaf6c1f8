"""An asyncio event loop in a thread of its own, for callers that are ordinary threads."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from pipeline.errors import PipelineError

T = TypeVar("T")


class LoopClosedError(PipelineError, RuntimeError):
    """The loop was closed before: the coroutine has not begun."""


class LoopInterruptedError(PipelineError, RuntimeError):
    """The loop was closed while the coroutine ran."""


class LoopThread:
    """Runs coroutines for many threads on one event loop. The thread starts with the first of them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def run(self, coroutine: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Run a coroutine and return its result. Raises one of the errors above, TimeoutError, or its own."""
        with self._lock:
            if self._closed:
                coroutine.close()
                raise LoopClosedError(f"{self._name} is closed")
            # Under the lock: what is handed over before close() is sure to be run, and cancelled by it.
            future = asyncio.run_coroutine_threadsafe(coroutine, self._started())
        try:
            return future.result(timeout_s)
        except CancelledError as error:
            raise LoopInterruptedError(f"{self._name} was closed") from error
        except TimeoutError:
            future.cancel()
            raise

    def close(self) -> None:
        """Cancel what is running and end the thread. Harmless when it never started, or twice."""
        with self._lock:
            loop, self._loop, self._closed = self._loop, None, True
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            # A daemon: a worker that is told to stop must not wait for a vendor.
            threading.Thread(target=_serve, args=(self._loop,), name=self._name, daemon=True).start()
        return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
