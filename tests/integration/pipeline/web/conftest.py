from collections.abc import Iterator

import pytest

from pipeline.settings import Settings
from tests.support.api import Api, running_api


@pytest.fixture
def api(database_url: str, redis_url: str) -> Iterator[Api]:
    """An API on each kind of database."""
    with running_api(Settings(database_url=database_url, redis_url=redis_url)) as running:
        yield running
