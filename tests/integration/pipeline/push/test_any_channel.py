"""What holds for each vendor's channel against the loopback gateway."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from pipeline.push.message import Platform, tag_for_post
from pipeline.push.outcome import OutcomeKind
from scripts.local.embedded_redis import free_port
from tests.support.messages import kinds, numbered
from tests.support.waiting import wait_until

ENDPOINTS = {Platform.FCM: "fcm_endpoint", Platform.APNS: "apns_production_endpoint"}


@pytest.fixture(params=ENDPOINTS, ids=str)
def platform(request):
    return request.param


@pytest.fixture
def channel(open_channel, platform):
    return open_channel(platform)


def test_each_message_arrives_once_and_outcomes_keep_the_order(channel, gateway, platform):
    batch = numbered(platform, 300)
    dead = {each.token for each in batch[::3]}
    gateway.set_faults(dead_tokens=sorted(dead), latency_ms=1, jitter_ms=30)
    outcomes = channel.send(batch, 60)
    kinds_in_order = [OutcomeKind.TOKEN_DEAD if each.token in dead else OutcomeKind.DELIVERED for each in batch]
    assert [outcome.kind for outcome in outcomes] == kinds_in_order
    received = gateway.received()
    assert sorted(push["token"] for push in received) == sorted({each.token for each in batch} - dead)
    assert {(push["tag"], push["title"]) for push in received} == {(tag_for_post(7), "장학금 안내")}
    assert len({outcome.provider_id for outcome in outcomes if outcome.kind is OutcomeKind.DELIVERED}) == 200


@pytest.mark.parametrize(
    ("platform", "code"), [(Platform.FCM, "QUOTA_EXCEEDED"), (Platform.APNS, "TooManyRequests")], ids=str
)
def test_too_many_requests_is_reported_and_never_slept(channel, gateway, platform, code):
    gateway.set_faults(too_many_rate=1, retry_after=600)
    started = time.monotonic()
    outcomes = channel.send(numbered(platform, 50), 900)
    assert time.monotonic() - started < 300
    assert kinds(outcomes) == {("retry", code): 50}
    assert {outcome.retry_after_s for outcome in outcomes} == {600.0}
    assert gateway.stats()[platform] == {code: 50}


def test_an_answer_that_never_comes_is_unknown_at_the_deadline_and_sent_once(channel, gateway, platform):
    # The access token is there, and a connection for each.
    gateway.set_faults(latency_ms=500)
    channel.send(numbered(platform, 20), 60)
    gateway.reset()
    gateway.set_faults(silent_rate=1, lose_answers=True)
    started = time.monotonic()
    assert kinds(channel.send(numbered(platform, 20), 3)) == {("unknown", "timeout"): 20}
    assert time.monotonic() - started < 30
    wait_until(lambda: len(gateway.received()) >= 20)
    assert max(Counter(push["token"] for push in gateway.received()).values()) == 1
    gateway.set_faults()
    assert kinds(channel.send(numbered(platform, 20), 60)) == {("delivered", ""): 20}


@pytest.mark.parametrize(
    ("platform", "kind", "expected"),
    [
        (Platform.FCM, "html_502", ("retry", "http_502")),
        (Platform.FCM, "html", ("unknown", "unreadable")),
        (Platform.FCM, "empty", ("unknown", "unreadable")),
        (Platform.FCM, "truncated", ("unknown", "unreadable")),
        (Platform.FCM, "unknown_code", ("rejected", "QUANTUM_DECOHERENCE")),
        (Platform.APNS, "html_502", ("retry", "http_502")),
        (Platform.APNS, "empty", ("rejected", "http_400")),
        (Platform.APNS, "truncated", ("rejected", "http_400")),
        (Platform.APNS, "unknown_code", ("rejected", "QuantumDecoherence")),
    ],
)
def test_garbage_is_an_outcome(channel, gateway, platform, kind, expected):
    gateway.set_faults(garbage=kind)
    assert kinds(channel.send(numbered(platform, 5), 60)) == {expected: 5}


def test_a_server_that_is_not_there_got_nothing(open_channel, platform):
    channel = open_channel(platform, **{ENDPOINTS[platform]: f"https://127.0.0.1:{free_port()}"})
    assert kinds(channel.send(numbered(platform, 5), 60)) == {("retry", "connection_failed"): 5}


def test_a_message_that_cannot_be_made_to_fit_fails_alone(channel, platform):
    good, bad = numbered(platform, 2)
    bad = replace(bad, data={"post_id": "7" * 5000})
    assert [outcome.code for outcome in channel.send([good, bad, good], 60)] == ["", "payload_too_large", ""]


def test_an_empty_batch_is_nothing(channel):
    assert channel.send([], 1) == []


def test_closed_it_says_so_and_leaves_no_thread(channel, platform):
    channel.send(numbered(platform, 1), 60)
    threads = [each for each in threading.enumerate() if each.name.startswith(f"push-{platform}")]
    channel.close()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert kinds(channel.send(numbered(platform, 2), 1)) == {("channel_down", "closed"): 2}
    channel.close()


def test_closed_in_the_middle_it_says_so_at_once(channel, gateway, platform):
    channel.send(numbered(platform, 1), 60)
    gateway.set_faults(silent_rate=1, lose_answers=True)
    seen = len(gateway.received())
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(channel.send, numbered(platform, 3), 90)
        wait_until(lambda: len(gateway.received()) == seen + 3)
        channel.close()
        outcomes = future.result(60)
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.UNKNOWN}
