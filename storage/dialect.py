"""The little in which SQLite and PostgreSQL differ for us."""

from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Session

Insert = postgresql.Insert | sqlite.Insert


def is_sqlite(session: Session) -> bool:
    """Whether the session talks to SQLite."""
    return session.get_bind().dialect.name == "sqlite"


def insert(session: Session, table: type[DeclarativeBase] | Table) -> Any:
    """An INSERT that knows ON CONFLICT, in the dialect of the session's database."""
    return sqlite.insert(table) if is_sqlite(session) else postgresql.insert(table)
