"""Connecting to the database: one `Database` per process, short transactions, the caller decides where they end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from storage.errors import StorageError

PASSING_ERRORS = (
    # The database is away, restarts, has no connection free, or gave up a statement or a lock.
    OperationalError,
    InterfaceError,
    PoolTimeoutError,
    # PostgreSQL's class 25: it is read-only, as a server is that a failover has left behind.
    InternalError,
)
"""Errors of the database that pass by themselves: whoever meets one tries again."""

SQLITE_BUSY_TIMEOUT_MS = 20_000
"""SQLite has one writer at a time; a transaction of ours lasts milliseconds, so waiting beats failing."""


class DatabaseURLError(StorageError, ValueError):
    """A database URL that cannot be used, with the reason in words."""


def parse_url(url: str) -> URL:
    """Read a database URL, in Heroku's form too, and name the driver that crawlpush ships for it.

    Raises DatabaseURLError; its sentence never holds the password.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseURLError(
            "the database URL is not of the form sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
        ) from None
    match parsed.get_backend_name():
        case "postgres" | "postgresql":
            return parsed.set(drivername="postgresql+psycopg")
        case "sqlite":
            return parsed.set(drivername="sqlite+pysqlite")
        case other:
            raise DatabaseURLError(f"{other!r} is not a database of crawlpush: use sqlite:/// or postgresql://")


def open_engine(url: str, *, pool_size: int = 5, patient: bool = False) -> Engine:
    """An engine for `url`. For SQLite the file's folder is made, WAL is on, and foreign keys are enforced.

    patient: for statements that may take as long as they like, as those of a migration.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database and parsed.database != ":memory:":
            # It will hold device tokens, so a new file, and a folder that is made for it, are its owner's alone.
            path = Path(parsed.database)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
        engine = create_engine(parsed, pool_size=pool_size, max_overflow=64, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    # Here: psycopg takes a tenth of a second, which a command on SQLite need not wait for.
    from storage import postgres

    # hide_parameters: a statement's parameters may be device tokens, and an error is logged.
    engine = create_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=pool_size,
        hide_parameters=True,
        connect_args=postgres.connect_options(parsed),
    )
    postgres.test_what_rested(engine)
    if not patient:
        postgres.set_deadlines(engine)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # None: the driver must not begin transactions by itself; _begin_sqlite does, and says of which kind.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    # With WAL this survives a killed process; only a power cut may lose the last transactions.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    # A reading transaction that turns into a writing one fails at once when somebody else wrote in between,
    # whatever the busy timeout; so a writer says so from the start.
    kind = "IMMEDIATE" if connection.get_execution_options().get("crawlpush_writes") else "DEFERRED"
    connection.exec_driver_sql(f"BEGIN {kind}")


class Database:
    """The database of one process; safe to share between its threads."""

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        self.engine = open_engine(url, pool_size=pool_size)
        # Each trip to a server counts. PostgreSQL begins and ends no transaction around what only reads: each statement
        # sees what is committed then, as it does in a transaction of READ COMMITTED.
        self._reader = self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._writer = self.engine.execution_options(crawlpush_writes=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite, where writers take turns and SKIP LOCKED does not exist."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only reads."""
        with Session(self._reader, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Close the pooled connections."""
        self.engine.dispose()
