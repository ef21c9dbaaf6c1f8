import json
import threading
from contextlib import contextmanager

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.push.apns.provider_token import RENEW_AFTER_S, LocalTokenStore, ProviderToken, ProviderTokens
from pipeline.push.credentials import APNsKey

KEY = ec.generate_private_key(ec.SECP256R1())
START = 1_772_000_000.7


class Clock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def tokens(clock, store=None):
    key = APNsKey(path="AuthKey_KEYID12345.p8", key=KEY)
    return ProviderTokens(key, "KEYID12345", "TEAMID1234", store or LocalTokenStore(), clock)


def test_a_token_is_signed_as_apple_asks(clock):
    token = tokens(clock).current()
    claims = json.loads(jwt.PyJWS().decode(token, KEY.public_key(), algorithms=["ES256"]))
    assert claims == {"iss": "TEAMID1234", "iat": 1_772_000_000}
    assert isinstance(claims["iat"], int)
    header = jwt.get_unverified_header(token)
    assert (header["alg"], header["kid"]) == ("ES256", "KEYID12345")


def test_a_token_is_kept_for_45_minutes_and_then_renewed(clock):
    source = tokens(clock)
    first = source.current()
    clock.now += RENEW_AFTER_S - 1
    assert source.cached() == source.current() == first
    clock.now += 1
    assert source.cached() is None
    assert source.current() != first


def test_the_whole_fleet_has_one_token(clock):
    store = LocalTokenStore()
    fleet = [tokens(clock, store) for _ in range(5)]
    got = []
    threads = [threading.Thread(target=lambda each=each: got.append(each.current())) for each in fleet]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(got) == 5
    assert len(set(got)) == 1


def test_a_stale_token_is_signed_again_once_for_all(clock):
    store = LocalTokenStore()
    one, other = tokens(clock, store), tokens(clock, store)
    stale = one.current()
    assert other.current() == stale
    clock.now += 1500
    fresh = one.replace(stale)
    assert fresh != stale
    assert other.replace(stale) == fresh
    # A late answer about the old token finds the new one there.
    assert one.replace(stale) == fresh


def test_signing_again_and_again_is_not_the_way_out(clock):
    source = tokens(clock)
    stale = source.current()
    clock.now += 1
    second = source.replace(stale)
    clock.now += 1

    # Apple calls two fresh tokens stale: a clock is wrong, and more tokens only bring TooManyProviderTokenUpdates.
    assert source.replace(second) == second
    clock.now += 1200
    assert source.replace(second) != second


@pytest.mark.parametrize("age_s", [RENEW_AFTER_S, 86_400, -3600])
def test_a_shared_token_that_is_old_or_from_the_future_is_not_used(clock, age_s):
    store = LocalTokenStore()
    store.put("KEYID12345", ProviderToken(jwt="shared", issued_at=int(clock.now) - age_s))
    assert tokens(clock, store).current() != "shared"


def test_a_shared_token_that_is_young_is_used(clock):
    store = LocalTokenStore()
    store.put("KEYID12345", ProviderToken(jwt="shared", issued_at=int(clock.now) - 60))
    assert tokens(clock, store).current() == "shared"


def test_without_the_store_a_process_signs_for_itself(clock):
    class Away:
        def get(self, key_id):
            raise ConnectionError("redis is away")

        def put(self, key_id, token):
            raise ConnectionError("redis is away")

        @contextmanager
        def lock(self, key_id):
            raise ConnectionError("redis is away")
            yield

    source = tokens(clock, Away())
    assert source.current() == source.current()


def test_a_token_is_not_shown(clock):
    source = tokens(clock)
    assert source.current() not in repr(ProviderToken(jwt=source.current(), issued_at=0))
