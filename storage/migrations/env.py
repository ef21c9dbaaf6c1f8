"""Alembic's environment: runs the migrations on the URL that storage.migrate hands over."""

from typing import Any, Final, Literal

from alembic import context
from sqlalchemy import text

from storage import models
from storage.session import open_engine
from storage.types import UTCDateTime

LOCK_KEY = 4_027_113
"""Any fixed number: two releases that start at once take turns on this advisory lock."""


LEFT: Final = frozenset({("sites", "last_ok_at")})
"""Columns that this release neither reads nor writes, though the last one does: the next one's migration drops them."""


def _include(_object: Any, name: str | None, kind: str, reflected: bool, _model: Any) -> bool:
    return not (kind == "column" and reflected and (_object.table.name, name) in LEFT)


def _render(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    # A migration must not change its meaning when the code does, so it names the column's type, not our class.
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UTCDateTime) else False


def run() -> None:
    engine = open_engine(context.config.attributes["url"], patient=True)
    sqlite = engine.dialect.name == "sqlite"
    try:
        with engine.execution_options(crawlpush_writes=True).connect() as connection:
            if sqlite:
                # Before the transaction, in which it would do nothing: dropping the old copy of a table would otherwise
                # delete what refers to its rows.
                connection.connection.cursor().execute("PRAGMA foreign_keys = OFF")
            context.configure(
                connection=connection,
                target_metadata=models.metadata,
                # SQLite changes a table by copying it; and its transaction then holds the whole migration.
                render_as_batch=sqlite,
                transactional_ddl=True,
                render_item=_render,
                include_object=_include,
            )
            with context.begin_transaction():
                if not sqlite:
                    # A migration that waits for a long query would make every other query wait behind it.
                    connection.execute(text("SET LOCAL lock_timeout = '10s'"))
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
                context.run_migrations()
    finally:
        engine.dispose()


run()
