"""What a process makes once and keeps, however many of its threads ask for it first."""

from collections.abc import Callable
from functools import update_wrapper
from threading import RLock
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """A decorator: the function is called at most once, and every thread gets what it returned.

    functools.lru_cache lets two threads that come at the same time make one each, and keeps the later one: the pools,
    threads and connections of the other stay open beside it. What the function raises is kept for nobody.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        # Whoever makes one may need another one, never the other way round.
        self._lock = RLock()
        self._made: list[T] = []
        update_wrapper(self, make)

    def __call__(self) -> T:
        """What was made, by the first call."""
        if not self._made:
            with self._lock:
                if not self._made:
                    self._made.append(self._make())
        return self._made[0]

    def cache_clear(self) -> None:
        """Have it made anew by the next call, as functools has it; what was made before is closed by nobody."""
        self._made = []
