import sqlite3
import stat
from pathlib import Path

import pytest
from sqlalchemy import select

from storage import backup, users
from storage.backup import BackupError
from storage.models import User
from storage.session import Database
from tests.support.builders import NOW


def names(url: str) -> list[str]:
    database = Database(url)
    with database.reading() as session:
        found = list(session.scalars(select(User.external_id).order_by(User.id)))
    database.close()
    return found


def add(database: Database, name: str) -> None:
    with database.writing() as session:
        users.add(session, name, timezone="UTC", now=NOW)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copy.db"


def test_a_backup_while_others_write_comes_back_whole(sqlite_url: str, copy: Path) -> None:
    database = Database(sqlite_url)
    add(database, "kept")
    backup.backup(sqlite_url, copy, force=False)
    add(database, "later")
    database.close()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert [path.name for path in copy.parent.glob("copy.db*")] == ["copy.db"]
    backup.restore(sqlite_url, copy, force=True)
    assert names(sqlite_url) == ["kept"]


def test_nothing_is_overwritten_without_force(sqlite_url: str, copy: Path) -> None:
    copy.write_text("precious")
    with pytest.raises(BackupError, match="--force"):
        backup.backup(sqlite_url, copy, force=False)
    assert copy.read_text() == "precious"
    backup.backup(sqlite_url, copy, force=True)
    with pytest.raises(BackupError, match="--force"):
        backup.restore(sqlite_url, copy, force=False)


def test_a_database_that_is_open_is_not_replaced(sqlite_url: str, copy: Path) -> None:
    backup.backup(sqlite_url, copy, force=False)
    database = Database(sqlite_url)
    add(database, "working")
    with pytest.raises(BackupError, match="in use"):
        backup.restore(sqlite_url, copy, force=True)
    add(database, "still")
    database.close()
    backup.restore(sqlite_url, copy, force=True)
    assert names(sqlite_url) == []


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_what_is_no_backup_replaces_nothing(sqlite_url: str, copy: Path, content: bytes) -> None:
    database = Database(sqlite_url)
    add(database, "kept")
    database.close()
    copy.write_bytes(content)
    with pytest.raises(BackupError, match="no backup"):
        backup.restore(sqlite_url, copy, force=True)
    with pytest.raises(BackupError, match="no file"):
        backup.restore(sqlite_url, copy.with_name("missing"), force=True)
    assert names(sqlite_url) == ["kept"]


def test_a_database_of_something_else_is_no_backup(sqlite_url: str, copy: Path) -> None:
    with sqlite3.connect(copy) as other:
        other.execute("CREATE TABLE songs (title)")
    other.close()
    with pytest.raises(BackupError, match="no backup"):
        backup.restore(sqlite_url, copy, force=True)


def test_a_damaged_database_can_be_replaced(sqlite_url: str, copy: Path) -> None:
    backup.backup(sqlite_url, copy, force=False)
    path = backup.database_file(sqlite_url)
    path.write_bytes(b"gone wrong" * 1000)
    backup.restore(sqlite_url, copy, force=True)
    assert names(sqlite_url) == []


def test_postgresql_has_its_own_programs(copy: Path) -> None:
    with pytest.raises(BackupError, match="pg_dump"):
        backup.backup("postgresql://somebody@localhost/database", copy, force=False)
