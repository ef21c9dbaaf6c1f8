import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from redis import Redis

from pipeline.delivery.shared_tokens import LIFETIME_S, RedisTokenStore
from pipeline.push.apns.provider_token import ProviderTokens
from pipeline.push.credentials import load_apns_key

KEY_ID = "ABCDE12345"


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    path = tmp_path / f"AuthKey_{KEY_ID}.p8"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(path)


def current(url: str, key_file: str) -> str:
    with Redis.from_url(url) as redis:
        return ProviderTokens(load_apns_key(key_file), KEY_ID, "TEAM123456", RedisTokenStore(redis)).current()


def test_processes_that_start_together_use_one_token(redis_url: str, key_file: str) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        tokens = pool.starmap(current, [(redis_url, key_file)] * 4)
    # ES256 signs differently each time: the same text is the same signing
    assert len(set(tokens)) == 1


def test_threads_that_ask_at_once_cause_one_signing(redis_url: str, key_file: str) -> None:
    barrier = Barrier(8)

    def ask(_: int) -> str:
        barrier.wait(60)
        return current(redis_url, key_file)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1


def test_the_token_is_gone_when_apple_would_refuse_it(redis: Redis, redis_url: str, key_file: str) -> None:
    current(redis_url, key_file)
    (key,) = redis.keys("crawlpush:apns-token:*")
    assert 0 < redis.ttl(key) <= LIFETIME_S


def test_without_redis_a_process_signs_for_itself(key_file: str) -> None:
    assert current("redis://127.0.0.1:1/0", key_file)
