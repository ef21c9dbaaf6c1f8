"""The little in which SQLite and PostgreSQL differ for us."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, literal_column
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.orm import DeclarativeBase, Session

Insert = postgresql.Insert | sqlite_dialect.Insert


def is_sqlite(session: Session) -> bool:
    """Whether the session talks to SQLite."""
    return session.get_bind().dialect.name == "sqlite"


def connection_of(session: Session) -> Connection:
    """The session's connection, for statements without the ORM. What the session has not written yet is written first.

    The connection by itself does not see to that.
    """
    session.flush()
    return session.connection()


def only_by_index(session: Session) -> None:
    """PostgreSQL: let what follows in this transaction keep its plans, and read no table from end to end by them.

    For what is done for each batch. To plan the checks of foreign keys anew for each row, as connections do
    (storage.postgres), doubles what thousands of rows cost. But a plan that was made while a table had a page or two
    reads it from end to end, however large it grows, until it is next analyzed.
    """
    if not is_sqlite(session):
        settings = "SET LOCAL enable_seqscan = off; SET LOCAL plan_cache_mode = auto"
        connection_of(session).exec_driver_sql(settings)


def row_by_row(query: Any, name: str) -> Any:
    """PostgreSQL: rows that are looked up one by one, for each row beside which they stand.

    OFFSET 0 keeps them apart. Joined, it may read a whole table for each batch, and does so while its statistics, or
    the plan that it keeps of a statement, are older than what the table has grown to.
    """
    return query.offset(literal_column("0")).lateral(name)


def insert(session: Session, table: type[DeclarativeBase] | Table) -> Any:
    """An INSERT that knows ON CONFLICT, in the dialect of the session's database."""
    return insert_in(table, sqlite=is_sqlite(session))


def insert_in(table: type[DeclarativeBase] | Table, *, sqlite: bool) -> Any:
    """The same, for a statement that is built once."""
    return sqlite_dialect.insert(table) if sqlite else postgresql.insert(table)


def upsert(
    session: Session, table: type[DeclarativeBase], rows: Sequence[Mapping[str, Any]], *, key: Sequence[str]
) -> None:
    """Insert rows, or give those that are there by their key the values of the other columns."""
    statement = insert(session, table).values(rows)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in key}
    session.execute(statement.on_conflict_do_update(index_elements=key, set_=changed))
