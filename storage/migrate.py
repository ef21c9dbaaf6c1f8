"""Bringing a database to the schema of this code."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from storage.errors import StorageError
from storage.session import open_engine

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).with_name("migrations")


class NotMigratedError(StorageError, RuntimeError):
    """The database has not the schema that this code expects."""


def alembic_config(url: str) -> "Config":
    """Alembic's configuration for a database, without an ini file: the URL is the only thing that varies."""
    # Here, as below: workers and most commands only ask which revision a database has.
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    return config


def upgrade(url: str) -> None:
    """Run the migrations that are missing; several processes may do so at once."""
    from alembic import command

    command.upgrade(alembic_config(url), "head")


def check(url: str) -> None:
    """Fail when the models hold something that no migration makes (Alembic's own check)."""
    from alembic import command

    command.check(alembic_config(url))


def newest_revision() -> str:
    """The revision that no other one follows, read from the files of the migrations."""
    texts = [file.read_text(encoding="utf-8") for file in (MIGRATIONS / "versions").glob("*.py")]
    revisions, followed = (
        {found[1] for each in texts if (found := re.search(rf'^{name}\b[^=\n]*= "(.+)"', each, re.MULTILINE))}
        for name in ("revision", "down_revision")
    )
    (newest,) = revisions - followed
    return newest


def require_migrated(url: str) -> None:
    """Raise NotMigratedError unless the database has the newest schema; OperationalError when it is not there."""
    newest = newest_revision()
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            is_there = inspect(connection).has_table("alembic_version")
            current = connection.scalar(text("SELECT version_num FROM alembic_version")) if is_there else None
    finally:
        engine.dispose()
    if current != newest:
        has = f"is at revision {current}" if current else "has no tables of crawlpush yet"
        raise NotMigratedError(f"the database {has}, this version needs {newest}: run `crawlpush db upgrade`")
