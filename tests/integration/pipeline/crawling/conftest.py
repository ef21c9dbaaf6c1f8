from collections.abc import Iterator

import pytest
from redis import Redis

from pipeline.crawling import crawler as crawling
from tests.integration.pipeline.crawling.scripted_child import Child


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Child:
    child = Child()
    monkeypatch.setattr(crawling, "run_child", child)
    return child
