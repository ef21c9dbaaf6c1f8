from concurrent.futures import ThreadPoolExecutor

from redis import Redis

from pipeline.delivery.quota import AWAY_S, Bucket, Quota, bucket_size
from tests.support.clock import Clock


def test_a_bucket_fills_with_time_and_holds_six_seconds() -> None:
    bucket = Bucket(per_minute=600, level=60, at=0)
    granted, bucket = bucket.take(100, 0)
    assert granted == 60
    granted, bucket = bucket.take(100, 1)
    assert granted == 10
    granted, bucket = bucket.take(100, 3600)
    assert granted == bucket_size(600) == 60
    # A clock that goes back gives nothing and takes nothing
    assert bucket.take(100, 0)[0] == 0


def test_the_processes_of_a_fleet_share_one_quota(redis: Redis) -> None:
    quotas = [Quota(redis, "fcm", 6000) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        taken = sum(pool.map(lambda n: quotas[n % 4].take(100), range(40)))
    # 600 at once, and what a slow machine's seconds add
    assert 600 <= taken < 3000
    assert sum(quota.take(100) for quota in quotas for _ in range(10)) < 2000


def test_an_empty_bucket_fills_again(redis: Redis) -> None:
    quota = Quota(redis, "fcm", 6000)
    assert quota.take(600) == 600
    redis.hset("crawlpush:quota:fcm", "at", redis.time()[0] - 3)
    assert 300 <= quota.take(600) <= 600


def test_quotas_of_different_names_are_apart(redis: Redis) -> None:
    assert Quota(redis, "one", 600).take(60) == 60
    assert Quota(redis, "two", 600).take(60) == 60


def test_without_redis_a_process_counts_for_itself_and_asks_again_later(redis: Redis) -> None:
    clock = Clock(1000.0)
    away = Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2)
    quota = Quota(away, "fcm", 600, clock)
    assert quota.take(100) == 60
    assert quota.take(100) == 0
    clock.at += AWAY_S + 1
    assert quota.take(100) == 60


def test_those_left_over_come_back_one_after_the_other() -> None:
    quota = Quota(Redis(), "fcm", 60)
    assert [quota.delay_s(place) for place in range(3)] == [1.0, 2.0, 3.0]
    assert Quota(Redis(), "fcm", 600_000).delay_s(0) == 1.0
