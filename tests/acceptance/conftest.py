from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.local.embedded_redis import find_server
from tests.acceptance.installation import Installation, installed
from tests.support.services import require


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.full)])
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    """An installation on each kind of database, every day on SQLite; the board shows two old posts."""
    database_url = str(request.getfixturevalue(f"{request.param}_url"))
    require(find_server() is not None, "a redis-server")
    with installed(tmp_path, database_url, posts=["처음부터 있던 특강초청", "An old post"]) as made:
        yield made


@pytest.fixture
def sqlite_installation(sqlite_url: str, tmp_path: Path) -> Iterator[Installation]:
    """An installation on SQLite, for what does not depend on the database."""
    require(find_server() is not None, "a redis-server")
    with installed(tmp_path, sqlite_url, posts=["처음부터 있던 특강초청"]) as made:
        yield made
