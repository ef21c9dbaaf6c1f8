from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from pipeline.metrics.catalogue import CRAWLS, LATENCY, PAGES
from pipeline.metrics.counters import Counters


class FakeRedis:
    """Takes increments, unless it is away."""

    def __init__(self) -> None:
        self.is_away = False
        self.counts: dict[str, int] = {}
        self.round_trips = 0
        self._waiting: list[tuple[str, int]] = []

    def pipeline(self, **_: Any) -> "FakeRedis":
        return self

    def __enter__(self) -> "FakeRedis":
        self._waiting = []
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting = []

    def hincrby(self, _key: str, field: str, by: int) -> None:
        self._waiting.append((field, by))

    def execute(self) -> None:
        if self.is_away:
            raise RedisConnectionError
        self.round_trips += 1
        for field, by in self._waiting:
            self.counts[field] = self.counts.get(field, 0) + by


@pytest.fixture
def redis() -> FakeRedis:
    return FakeRedis()


def test_many_counts_are_one_round_trip(redis: FakeRedis) -> None:
    counters = Counters(lambda: redis)  # type: ignore[arg-type,return-value]
    for _ in range(1000):
        counters.add(PAGES)
    counters.add(CRAWLS, "finished")
    assert counters.flush()
    assert redis.counts == {'["crawlpush_pages"]': 1000, '["crawlpush_crawls", "finished"]': 1}
    assert redis.round_trips == 1


def test_nothing_counted_is_nothing_sent(redis: FakeRedis) -> None:
    counters = Counters(lambda: redis)  # type: ignore[arg-type,return-value]
    counters.add(PAGES, by=0)
    assert counters.flush()
    assert redis.round_trips == 0


def test_what_a_redis_that_is_away_does_not_take_is_written_when_it_is_back(redis: FakeRedis) -> None:
    counters = Counters(lambda: redis)  # type: ignore[arg-type,return-value]
    redis.is_away = True
    counters.add(PAGES, by=2)
    assert not counters.flush()
    counters.add(PAGES, by=3)
    redis.is_away = False
    assert counters.flush()
    assert counters.flush()
    assert redis.counts == {'["crawlpush_pages"]': 5}


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0, 0), (1, 0), (1.01, 1), (86_400, len(LATENCY.bounds) - 1), (90_000, len(LATENCY.bounds))]
)
def test_a_duration_belongs_to_the_first_bucket_that_reaches_it(seconds: float, bucket: int) -> None:
    assert LATENCY.bucket(seconds) == bucket
