"""Copies of an SQLite database, by SQLite's own online backup: complete and consistent while others write."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from storage.errors import StorageError
from storage.session import parse_url

_BUSY_S = 20.0


class BackupError(StorageError, RuntimeError):
    """A copy that cannot be made, with the reason and the way out."""


def database_file(url: str) -> Path:
    """The file of an SQLite database. Raises BackupError for another kind."""
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise BackupError(
            "this is for SQLite alone: PostgreSQL has pg_dump --format=custom --file=FILE for a backup, and "
            "pg_restore --clean --if-exists --dbname=... FILE to bring it back"
        )
    return Path(parsed.database)


def backup(url: str, target: Path, *, force: bool) -> None:
    """Copy the database to a file that is complete when it appears. Raises BackupError."""
    source = database_file(url)
    if not source.exists():
        raise BackupError(f"there is no database {source}")
    if target.exists() and not force:
        raise BackupError(f"{target} is there already: choose another name, or add --force")
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        # It holds device tokens, as the database does.
        part.touch(mode=0o600)
        with closing(sqlite3.connect(source, timeout=_BUSY_S)) as here, closing(sqlite3.connect(part)) as there:
            here.backup(there)
            # A copy of a WAL database is one too; in one file it can be carried anywhere.
            there.execute("PRAGMA journal_mode = DELETE")
        _sync(part)
        part.replace(target)
    except (sqlite3.Error, OSError) as error:
        part.unlink(missing_ok=True)
        raise BackupError(f"the backup could not be written: {error}") from None


def restore(url: str, source: Path, *, force: bool) -> None:
    """Put a backup in the place of the database. Raises BackupError.

    Refused while another process has the database open: an exclusive lock on it says so. The processes of crawlpush
    keep connections, which in WAL mode hold that lock off.
    """
    target = database_file(url)
    check_backup(source)
    if target.exists():
        if not force:
            raise BackupError(f"{target} would be overwritten: add --force if that is meant")
        _require_unused(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".restoring")
    part.unlink(missing_ok=True)
    try:
        part.touch(mode=0o600)
        with closing(_open_to_read(source)) as there, closing(sqlite3.connect(part)) as here:
            there.backup(here)
        _sync(part)
        # What the old database had in its log must not be read into the new one.
        for ending in ("-wal", "-shm"):
            target.with_name(target.name + ending).unlink(missing_ok=True)
        part.replace(target)
    except (sqlite3.Error, OSError) as error:
        part.unlink(missing_ok=True)
        raise BackupError(f"the backup could not be restored: {error}") from None


def check_backup(source: Path) -> None:
    """Raise BackupError unless the file is a whole database of crawlpush."""
    if not source.is_file():
        raise BackupError(f"there is no file {source}")
    try:
        with closing(_open_to_read(source)) as connection:
            verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            connection.execute("SELECT 1 FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        raise BackupError(f"{source} is no backup of crawlpush: {error}") from None
    if verdict != "ok":
        raise BackupError(f"{source} is damaged: {verdict}")


def _open_to_read(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)


def _require_unused(path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=0)) as connection:
        try:
            # Leaving WAL needs the database for oneself alone, also against those who merely have it open.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            mode = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
        except sqlite3.DatabaseError as error:
            if "locked" not in str(error) and "busy" not in str(error):
                # A damaged database is what a backup is for.
                return
            mode = None
    if mode != "delete":
        raise BackupError(f"{path} is in use: stop every process of crawlpush first")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
