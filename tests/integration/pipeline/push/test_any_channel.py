"""What holds for each vendor's channel against the loopback gateway."""

import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from pipeline.push.channels import build_channels
from pipeline.push.message import Platform
from pipeline.push.outcome import OutcomeKind
from tests.integration.pipeline.push.waiting import wait_for
from tests.support.messages import message

ENDPOINTS = {Platform.FCM: "fcm_endpoint", Platform.APNS: "apns_production_endpoint"}


@pytest.fixture(params=ENDPOINTS, ids=str)
def platform(request):
    return request.param


@pytest.fixture
def channel(config, platform):
    channel = build_channels(config)[platform]
    yield channel
    channel.close()


def messages(platform, count, **changes):
    return [message(platform, delivery_id=str(number), token=f"{number:064x}", **changes) for number in range(count)]


def kinds(outcomes):
    return Counter((outcome.kind.value, outcome.code) for outcome in outcomes)


def test_a_server_that_is_not_there_got_nothing(config, platform):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    channel = build_channels(replace(config, **{ENDPOINTS[platform]: f"https://127.0.0.1:{port}"}))[platform]
    try:
        outcomes = channel.send(messages(platform, 5), 60)
    finally:
        channel.close()

    assert kinds(outcomes) == {("retry", "connection_failed"): 5}


def test_a_message_that_cannot_be_made_to_fit_fails_alone(channel, platform):
    good, bad = messages(platform, 2)
    bad = replace(bad, data={"post_id": "7" * 5000})

    assert [outcome.code for outcome in channel.send([good, bad, good], 60)] == ["", "payload_too_large", ""]


def test_an_empty_batch_is_nothing(channel):
    assert channel.send([], 1) == []


def test_closed_it_says_so_and_leaves_no_thread(channel, platform):
    channel.send(messages(platform, 1), 60)
    threads = [each for each in threading.enumerate() if each.name.startswith(f"push-{platform}")]

    channel.close()

    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert kinds(channel.send(messages(platform, 2), 1)) == {("channel_down", "closed"): 2}
    channel.close()


def test_closed_in_the_middle_it_says_so_at_once(channel, gateway, platform):
    channel.send(messages(platform, 1), 60)
    gateway.set_faults(silent_rate=1, lose_answers=True)
    seen = len(gateway.received())
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(channel.send, messages(platform, 3), 30)
        wait_for(lambda: len(gateway.received()) == seen + 3)
        channel.close()
        outcomes = future.result(10)

    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.UNKNOWN}
