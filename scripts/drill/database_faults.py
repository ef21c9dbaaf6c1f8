"""What goes wrong with a drill's database: it goes away, is locked, or can only be read."""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from scripts.drill.hold_database import HeldDatabase
from scripts.drill.in_flight import InFlight
from scripts.drill.kinds import Kind
from scripts.testbed import database as questions
from scripts.testbed.installation import Installation

if sys.platform == "linux":
    import resource

READ_ONLY = "ALTER DATABASE {name} SET default_transaction_read_only = on"
WRITABLE = "ALTER DATABASE {name} RESET default_transaction_read_only"
END_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE pid <> pg_backend_pid() AND datname = current_database()"
)


class DatabaseFaults:
    """Begins and ends them, one at a time, and notes what is in flight at each."""

    def __init__(
        self,
        running: Installation,
        in_flight: InFlight,
        frozen: Callable[[], AbstractContextManager[None]],
        pids: Callable[[], list[int]],
    ) -> None:
        """frozen: in its block the notifiers stand still. pids: all processes that write files."""
        self._on, self._database = running.on, running.database
        self._in_flight, self._frozen, self._pids = in_flight, frozen, pids
        self._now: Kind | None = None
        self._holder: HeldDatabase | None = None
        self._lock: psycopg.Connection[Any] | None = None
        self._limited: dict[int, tuple[int, int]] = {}
        self._beginnings: Mapping[Kind, Callable[[str], bool]] = {
            Kind.DATABASE: self._lose,
            Kind.READ_ONLY: self._make_read_only,
            Kind.TABLE_LOCK: self._lock_table,
            Kind.DISK: self._fill_disk,
        }
        self._endings: Mapping[Kind, Callable[[], None]] = {
            Kind.DATABASE: self._restore,
            Kind.READ_ONLY: self._make_writable,
            Kind.TABLE_LOCK: self._unlock_table,
            Kind.DISK: self._empty_disk,
        }

    @property
    def away(self) -> bool:
        """Whether it answers no questions: neither the product's, nor the drill's."""
        return self._now in (Kind.DATABASE, Kind.TABLE_LOCK)

    @property
    def writable(self) -> bool:
        """Whether the drill may write."""
        return self._now is None

    def begin(self, kind: Kind, way: str) -> bool:
        """Let a fault begin; False while another one lasts."""
        if self._now is None and self._beginnings[kind](way):
            self._now = kind
            return True
        return False

    def end(self) -> None:
        """End the fault that lasts."""
        if self._now is not None:
            self._endings[self._now]()
            self._now = None

    def note_in_flight(self) -> None:
        """Remember what the notifiers, which stand still, have in their hands."""
        # While the database is away nothing more is claimed, and what was claimed before was noted when it went.
        if not self.away:
            self._in_flight.note(time.monotonic())

    def _lose(self, way: str) -> bool:
        if self._on.postgres is not None:
            with self._frozen():
                self.note_in_flight()
                self._on.postgres.halt(at_once=way == "stopped at once")
        else:
            # The lock comes first: somebody who is frozen may hold it.
            self._holder = HeldDatabase(str(make_url(self._on.database_url).database))
            self._holder.start()
            self.note_in_flight()
        return True

    def _restore(self) -> None:
        if self._on.postgres is not None:
            self._on.postgres.resume()
        if self._holder is not None:
            self._holder.stop()
            self._holder = None

    def _make_read_only(self, _way: str) -> bool:
        with self._frozen():
            self.note_in_flight()
            self._tell(READ_ONLY, END_SESSIONS)
        return True

    def _make_writable(self) -> None:
        # Sessions that began read-only stay so: they end, as they do when the old server of a failover goes away.
        self._tell(WRITABLE, END_SESSIONS)

    def _tell(self, *statements: str) -> None:
        options = "-c default_transaction_read_only=off"
        with psycopg.connect(self._on.database_url, autocommit=True, options=options) as connection:
            for statement in statements:
                connection.execute(statement.format(name=connection.info.dbname).encode())

    def _lock_table(self, table: str) -> bool:
        lock = psycopg.connect(self._on.database_url)
        with self._frozen():
            claims = questions.claimed(self._database)
            try:
                lock.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE NOWAIT".encode())
            except psycopg.OperationalError:
                lock.close()
                return False
            self._in_flight.note(time.monotonic(), claims)
        self._lock = lock
        return True

    def _unlock_table(self) -> None:
        if self._lock is not None:
            with suppress(psycopg.Error):
                self._lock.rollback()
            self._lock.close()
            self._lock = None

    def _fill_disk(self, _way: str) -> bool:
        """Let no process write another byte to a file, which is how a full disk looks from inside."""
        if sys.platform != "linux":
            return False
        for pid in self._pids():
            with suppress(ProcessLookupError):
                _, hard = limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
                self._limited[pid] = limits
        self.note_in_flight()
        return True

    def _empty_disk(self) -> None:
        if sys.platform == "linux":
            for pid, limits in self._limited.items():
                with suppress(ProcessLookupError):
                    resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        self._limited.clear()
