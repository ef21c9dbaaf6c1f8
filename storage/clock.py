"""The database's clock, as one process keeps it: by it everybody decides what is due, and until when a lease holds.

Machines disagree by tenths of a second at the best of times, and by a day at the worst. What one of them wrote as due
"now" would be not yet due for another, and a lease of a minute would last until tomorrow.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from storage.session import Database

REFRESH_S = 30.0
"""How long an answer of the database is trusted: clocks drift by less than a millisecond in this time."""
AGAIN_S = 5.0
"""After how long the database is asked again when it gave no answer, or was slow to give it."""
SLOW_S = 0.2
"""An answer that took longer says too little about the moment at which it was given, and is taken as a bound alone."""
TRIES = 3
"""So often whoever comes first asks for an answer that was not slow: the first question opens a connection, too."""
TOLERANCE = timedelta(seconds=1)
"""What becomes due within a second is due: no two estimates of one clock are the same."""


def elapsed() -> float:
    """Seconds of a clock that nobody sets, and that goes on while the machine sleeps or the process is stopped."""
    # time.monotonic() stands still while a Linux machine is suspended, and a lease does not.
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def read(database: Database) -> datetime:
    """What the database's clock shows. SQLite has none but its machine's."""
    if database.is_sqlite:
        return datetime.now(UTC)
    with database.reading() as session:
        moment: datetime = session.scalars(select(func.clock_timestamp())).one()
    return moment.astimezone(UTC)


class Clock:
    """An estimate of somebody else's clock. Thread-safe; costs nothing but now and then one question."""

    def __init__(
        self,
        ask: Callable[[], datetime],
        *,
        own: Callable[[], datetime] = lambda: datetime.now(UTC),
        elapsed: Callable[[], float] = elapsed,
    ) -> None:
        """ask: what the other clock shows now; may raise. own: this machine's clock, until there is an answer."""
        self._ask = ask
        self._own = own
        self._elapsed = elapsed
        self._asking = threading.Lock()
        # A moment of the other clock, and what our elapsed time was then.
        self._known: tuple[datetime, float] | None = None
        self._ask_at = float("-inf")

    def now(self) -> datetime:
        """The present moment by the other clock; by our own where that never answered."""
        # Whoever comes first has nothing to go by, and waits for the answer; later nobody waits for another.
        if self._elapsed() >= self._ask_at and self._asking.acquire(blocking=self._known is None):
            try:
                self._refresh()
            finally:
                self._asking.release()
        return self._estimate(self._elapsed())

    def _refresh(self) -> None:
        if self._elapsed() < self._ask_at:
            return
        for _ in range(TRIES if self._known is None else 1):
            before = self._elapsed()
            try:
                moment = self._ask()
            except Exception:
                # Whoever wants to know the time is about to use the database, and will hear what is wrong with it.
                self._ask_at = self._elapsed() + AGAIN_S
                return
            after = self._elapsed()
            took = timedelta(seconds=after - before)
            slow = after - before > SLOW_S
            # By now it is between the answer and that and the whole round trip, so what is known already is right, or
            # is moved no further than it is proved wrong.
            known = min(max(self._estimate(after), moment), moment + took) if slow else moment + took / 2
            self._known = (known, after)
            self._ask_at = after + (AGAIN_S if slow else REFRESH_S)
            if not slow:
                return

    def _estimate(self, at: float) -> datetime:
        if self._known is None:
            return self._own()
        moment, then = self._known
        return moment + timedelta(seconds=at - then)
