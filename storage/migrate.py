"""Bringing a database to the schema of this code."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from storage.errors import StorageError
from storage.session import open_engine


class NotMigratedError(StorageError, RuntimeError):
    """The database has not the schema that this code expects."""


def alembic_config(url: str) -> Config:
    """Alembic's configuration for a database, without an ini file: the URL is the only thing that varies."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["url"] = url
    return config


def upgrade(url: str) -> None:
    """Run the migrations that are missing; several processes may do so at once."""
    command.upgrade(alembic_config(url), "head")


def check(url: str) -> None:
    """Fail when the models hold something that no migration makes (Alembic's own check)."""
    command.check(alembic_config(url))


def require_migrated(url: str) -> None:
    """Raise NotMigratedError unless the database has the newest schema; OperationalError when it is not there."""
    newest = ScriptDirectory.from_config(alembic_config(url)).get_current_head()
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    if current != newest:
        has = f"is at revision {current}" if current else "has no tables of crawlpush yet"
        raise NotMigratedError(f"the database {has}, this version needs {newest}: run `crawlpush db upgrade`")
