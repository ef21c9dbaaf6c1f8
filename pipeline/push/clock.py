"""The time for those who run on an event loop: their clock may be another machine's, and they must not wait for it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def own_clock() -> datetime:
    """The present moment by this machine's clock, aware, in UTC."""
    return datetime.now(UTC)


class Clock:
    """What a clock showed when it was last looked at, and what has passed since. Thread-safe."""

    def __init__(self, ask: Callable[[], datetime] = own_clock) -> None:
        """ask: looks at the clock, which may take a moment. Until the first look it is this machine's."""
        self._ask = ask
        self._known = (own_clock(), time.monotonic())

    def look(self) -> None:
        """Look at the clock; not on an event loop."""
        self._known = (self._ask(), time.monotonic())

    def now(self) -> datetime:
        """The present moment, aware, in UTC; never waits."""
        moment, then = self._known
        return moment + timedelta(seconds=time.monotonic() - then)
