"""Rows that come with a statement: a table made of one parameter.

However many rows there are, the statement is the same, so it is compiled and parsed once; a parameter for each value
of thousands of rows costs the client several times what the rows cost the database.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, String, any_, bindparam, func, literal, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Session
from sqlalchemy.sql.selectable import FromClause
from sqlalchemy.types import TypeEngine

from storage.dialect import insert_in, is_sqlite

Types = Mapping[str, TypeEngine[Any]]


def given(session: Session, name: str, rows: Sequence[Mapping[str, Any]], types: Types) -> CTE:
    """A table called `name` with the given rows, whose columns have the given types.

    Values are what JSON can say, and moments.
    """
    sqlite = is_sqlite(session)
    return table_of(name, types, sqlite=sqlite, rows=as_rows(rows, sqlite=sqlite))


def as_rows(rows: Sequence[Mapping[str, Any]], *, sqlite: bool) -> str:
    """Rows as the parameter of `table_of`."""
    return json.dumps(rows, default=partial(_moment, sqlite=sqlite))


def as_values(values: Iterable[Any]) -> str:
    """Values as the parameter of `values_of`."""
    return json.dumps([{"value": value} for value in values])


def _moment(value: Any, *, sqlite: bool) -> str:
    """A moment as UTCDateTime stores it."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise TypeError(f"no moment with a time zone: {value!r}")
    utc = value.astimezone(UTC)
    return utc.replace(tzinfo=None).isoformat(" ", "microseconds") if sqlite else utc.isoformat()


def table_of(name: str, types: Types, *, sqlite: bool, rows: str | None = None) -> CTE:
    """The same, for a statement that is built once: the rows, as JSON, are its parameter `name`."""
    if sqlite:
        columns = ", ".join(f"json_extract(value, '$.{column}') AS {column}" for column in types)
        query = f"SELECT {columns} FROM json_each(:{name})"  # noqa: S608 - names are the code's own
    else:
        columns = ", ".join(f"{column} {kind.compile(_POSTGRESQL)}" for column, kind in types.items())
        query = f"SELECT * FROM json_to_recordset(CAST(:{name} AS json)) AS record ({columns})"  # noqa: S608
    return text(query).bindparams(bindparam(name, rows, String)).columns(**types).cte(name)


_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]


def given_values(session: Session, name: str, values: Iterable[Any], kind: TypeEngine[Any]) -> Select[Any]:
    """The given values as a subquery for IN."""
    return select(given(session, name, [{"value": value} for value in values], {"value": kind}).c.value)


def values_of(name: str, kind: TypeEngine[Any], *, sqlite: bool) -> Select[Any]:
    """The same, for a statement that is built once: the values are its parameter `name`."""
    return select(table_of(name, {"value": kind}, sqlite=sqlite).c.value)


def looked_up(
    session: Session, column: InstrumentedAttribute[Any], name: str, values: Iterable[Any], kind: TypeEngine[Any]
) -> ColumnElement[bool]:
    """The condition that a column has one of the given values, for each of which its index is to be read."""
    return is_among(column, given_values(session, name, values, kind), sqlite=is_sqlite(session))


def is_among(column: InstrumentedAttribute[Any], values: Select[Any], *, sqlite: bool) -> ColumnElement[bool]:
    """The same of values that a query finds.

    An array, so that PostgreSQL looks each up: joined, it may read all rows from end to end, or those of another table
    or index, where statistics are missing or older than what a table has become.
    """
    return column.in_(values) if sqlite else column == any_(func.array(values.scalar_subquery()))


def insert_from(
    session: Session, table: type[DeclarativeBase], rows: FromClause, *, order_by: Sequence[str] = (), **same: Any
) -> Any:
    """INSERT .. SELECT of all columns of `rows`, and of values that are the same in each; it knows ON CONFLICT.

    Two that insert the same rows at once wait for each other, and never both at once, if both go in the same order.
    """
    values = {name: literal(value, table.__table__.c[name].type) for name, value in same.items()}
    return insert_rows(table, rows, order_by=order_by, sqlite=is_sqlite(session), **values)


def insert_rows(
    table: type[DeclarativeBase], rows: FromClause, *, sqlite: bool, order_by: Sequence[str] = (), **same: Any
) -> Any:
    """The same, for a statement that is built once: what is the same in each row are its parameters."""
    query = (
        select(*rows.c, *(value.label(name) for name, value in same.items()))
        # WHERE true: without it SQLite would read the ON of ON CONFLICT as the ON of a join.
        .where(literal(value=True))
        .order_by(*(rows.c[name] for name in order_by))
    )
    return insert_in(table, sqlite=sqlite).from_select([*(column.name for column in rows.c), *same], query)
