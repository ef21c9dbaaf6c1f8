"""Connections to PostgreSQL on which nothing waits without an end, and no plan outlives what it was made for.

A failover or an address translation leaves connections that swallow what is sent and break never; a lock may be held
for as long as a person likes. Whoever meets one of these gets an error that passes, and tries again.
"""

from math import inf
from time import monotonic
from typing import Any

import psycopg
from psycopg.errors import _WaitTimeout
from sqlalchemy import Engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError

STATEMENT_S = 30
"""The server gives up a statement that takes longer; ours take milliseconds."""
LOCK_S = 15
"""The same of the wait for a lock."""
ANSWER_S = 35.0
"""A server that says nothing for longer than any statement may take is gone."""

CONNECT_OPTIONS = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    # Milliseconds until what was sent and never confirmed breaks the connection.
    "tcp_user_timeout": 20_000,
}
"""libpq's, each of which DATABASE_URL may set otherwise:
https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS"""


class Connection(psycopg.Connection[Any]):
    """A connection that gives a silent server up."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """See psycopg. Raises OperationalError, with the connection closed, when the server does not answer in time."""
        timeout = ANSWER_S if timeout is None else timeout
        try:
            return super().wait(gen, interval, timeout)
        except _WaitTimeout:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the database has not answered for {timeout:g} s") from None


def connect_options(url: URL) -> dict[str, Any]:
    """What to tell libpq beside what the URL says."""
    return {name: value for name, value in CONNECT_OPTIONS.items() if name not in url.query}


def set_deadlines(engine: Engine) -> None:
    """Give every statement and every wait for a lock its deadline, on the server and here."""
    event.listen(engine, "do_connect", lambda _dialect, _record, args, options: Connection.connect(*args, **options))
    event.listen(engine, "connect", _limit)


RESTED_S = 1.0
"""A connection that lay in the pool for longer is tested before use: the server may have gone meanwhile."""


def test_what_rested(engine: Engine) -> None:
    """Replace a connection that the server dropped while it lay in the pool; those that hardly rest cost nothing."""

    def lay_down(_connection: Any, record: Any) -> None:
        record.info["rests_since"] = monotonic()

    def take(connection: Any, record: Any, _proxy: object) -> None:
        if monotonic() - record.info.get("rests_since", inf) < RESTED_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg.Error as error:
            raise DisconnectionError("the connection was dropped while nobody used it") from error

    event.listen(engine, "checkin", lay_down)
    event.listen(engine, "checkout", take)


def _limit(connection: Any, _record: object) -> None:
    # Not as a startup parameter, which PgBouncer refuses.
    connection.autocommit = True
    limits = f"SET statement_timeout = '{STATEMENT_S}s'; SET lock_timeout = '{LOCK_S}s'"
    # What psycopg has prepared is planned for the rows that are there now: the plan that PostgreSQL would keep may be
    # from when there were none, and to make one costs ours nothing that can be measured.
    connection.execute(f"{limits}; SET plan_cache_mode = force_custom_plan")
    connection.autocommit = False
