from collections.abc import Iterator

import pytest

from pipeline.settings import Settings, load
from tests.support.api import Api, running_api
from tests.support.reader import Reader


@pytest.fixture
def api(database_url: str, redis_url: str) -> Iterator[Api]:
    """An API on each kind of database."""
    with running_api(Settings(database_url=database_url, redis_url=redis_url)) as running:
        yield running


@pytest.fixture
def steered(sqlite_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """One whose pages change things: the changes are commands, which read their settings from the environment."""
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("WEB_OPERATOR_HEADER", "X-Forwarded-User")
    with running_api(load()) as running:
        yield running


@pytest.fixture
def reader(steered: Api) -> Reader:
    """An operator who is signed in there."""
    return Reader(steered).sign_in()
