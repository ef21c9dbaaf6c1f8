"""APNs against the loopback gateway: TLS, HTTP/2, two environments, and connections that die in every way."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline.push.apns import environment
from pipeline.push.apns.client import encode
from pipeline.push.apns.provider_token import LocalTokenStore, ProviderToken
from pipeline.push.channels import build_channels
from pipeline.push.credentials import load_apns_key
from pipeline.push.message import Platform
from pipeline.push.outcome import OutcomeKind
from pipeline.push.payload import apns_id
from scripts.gateway.process import gateway_process
from tests.integration.pipeline.push.conftest import push_config
from tests.support.messages import kinds, message, numbered

messages = partial(numbered, Platform.APNS)


def most_often(gateway):
    """How often the token that got most got its message."""
    return max(Counter(push["token"] for push in gateway.received()).values(), default=0)


def test_a_message_has_every_header_that_apple_asks_for(apns, gateway):
    (sent,) = batch = messages(1, badge=2)
    (outcome,) = apns.send(batch, 60)
    (push,) = gateway.received()
    assert push["headers"] == {
        "apns-topic": "org.crawlpush.demo",
        "apns-push-type": "alert",
        "apns-priority": "10",
        "apns-expiration": str(int(sent.expires_at.timestamp())),
        "apns-collapse-id": "post-7",
        "apns-id": apns_id(sent),
    }
    assert push["message"]["aps"]["badge"] == 2
    assert outcome.provider_id == apns_id(sent)
    assert outcome.environment == "production"


def test_the_other_environment_is_tried_once_and_named(apns, gateway):
    batch = messages(40)
    sandbox = {each.token for each in batch[::2]}
    gateway.set_faults(sandbox_tokens=sorted(sandbox))
    outcomes = apns.send(batch, 60)
    assert kinds(outcomes) == {("delivered", ""): 40}
    for each, outcome in zip(batch, outcomes, strict=True):
        assert outcome.environment == ("sandbox" if each.token in sandbox else "production")
    # Told where a token lives, it goes there at once.
    gateway.reset()
    gateway.set_faults(sandbox_tokens=sorted(sandbox))
    apns.send([replace(each, environment="sandbox") for each in batch if each.token in sandbox], 60)
    assert gateway.stats()["apns"] == {"accepted": 20}


def test_a_token_that_is_bad_in_both_environments_is_dead(apns, gateway):
    (bad,) = messages(1)
    gateway.set_faults(answers=[f"{bad.token}=BadDeviceToken"])
    (outcome,) = apns.send([bad], 60)
    assert (outcome.kind, outcome.code) == (OutcomeKind.TOKEN_DEAD, "BadDeviceToken")


def test_a_bad_token_is_kept_when_our_key_is_not_good_in_the_other_environment(apns, gateway):
    (odd,) = messages(1)
    # The production side says BadDeviceToken because the token lives in the sandbox; there the answer is about the key.
    gateway.set_faults(sandbox_tokens=[odd.token], answers=[f"{odd.token}=BadEnvironmentKeyIdInToken"])
    (outcome,) = apns.send([odd], 60)
    assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "BadDeviceToken")
    assert "BadEnvironmentKeyIdInToken" in outcome.detail


def test_a_dead_token_is_dead_since_the_moment_that_apple_names(apns, gateway):
    (gone,) = messages(1)
    gateway.set_faults(dead_tokens=[gone.token], dead_since_ms=1_772_000_000_000)
    (outcome,) = apns.send([gone], 60)
    assert outcome.dead_since == datetime.fromtimestamp(1_772_000_000, UTC)


def test_goaway_loses_nothing_and_repeats_nothing(apns, gateway):
    gateway.set_faults(goaway_after=30, latency_ms=5)
    outcomes = apns.send(messages(200), 60)
    assert kinds(outcomes) == {("delivered", ""): 200}
    assert len(gateway.received()) == 200
    assert most_often(gateway) == 1


def test_refused_streams_are_sent_again_at_once(apns, gateway):
    gateway.set_faults(rst_stream_every=10)
    outcomes = apns.send(messages(200), 60)
    assert kinds(outcomes) == {("delivered", ""): 200}
    assert most_often(gateway) == 1


def test_a_stream_that_is_refused_again_and_again_is_left_for_later(apns, gateway):
    gateway.set_faults(rst_stream_every=1)
    outcomes = apns.send(messages(3), 60)
    assert kinds(outcomes) == {("retry", "not_processed"): 3}
    assert "REFUSED_STREAM" in outcomes[0].detail


@pytest.mark.parametrize("code", ["INTERNAL_ERROR", "CANCEL"])
def test_other_resets_are_unknown_and_not_sent_again(apns, gateway, code):
    gateway.set_faults(rst_stream_every=10, rst_stream_code=code, lose_answers=True)
    outcomes = apns.send(messages(200), 60)
    assert kinds(outcomes) == {("delivered", ""): 180, ("unknown", "connection_lost"): 20}
    assert len(gateway.received()) == 200
    assert most_often(gateway) == 1


def test_a_connection_that_dies_in_mid_batch_leaves_unknowns_and_repeats_nothing(apns, gateway):
    gateway.set_faults(reset_every=50, lose_answers=True, latency_ms=5, max_streams=20)
    outcomes = apns.send(messages(300), 60)
    assert set(kinds(outcomes)) == {("delivered", ""), ("unknown", "connection_lost")}
    assert kinds(outcomes)["delivered", ""] >= 150
    assert most_often(gateway) == 1
    gateway.set_faults()
    assert kinds(apns.send(messages(20), 60)) == {("delivered", ""): 20}


def test_messages_whose_turn_never_came_are_not_unknown(apns, gateway):
    gateway.set_faults(max_streams=5)
    apns.send(messages(20), 60)
    gateway.set_faults(silent_rate=1, max_streams=5)
    outcomes = apns.send(messages(30), 2)
    assert kinds(outcomes) == {("unknown", "timeout"): 5, ("retry", "not_sent"): 25}


@pytest.mark.parametrize("streams", [1, 3, 1000])
def test_the_servers_settings_bound_the_streams(apns, gateway, streams):
    gateway.set_faults(max_streams=streams)
    outcomes = apns.send(messages(60), 60)

    # The gateway refuses streams beyond its limit; none was.
    assert kinds(outcomes) == {("delivered", ""): 60}
    assert gateway.stats()["faults"] == {}


def test_a_provider_token_that_apple_refuses_stops_the_batch_and_touches_no_device(open_channel, gateway, tmp_path):
    stranger = ec.generate_private_key(ec.SECP256R1())
    path = tmp_path / "key.p8"
    path.write_bytes(stranger.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    channel = open_channel(Platform.APNS, apns_key_file=str(path))
    outcomes = channel.send(messages(300), 60)
    assert kinds(outcomes) == {("channel_down", "InvalidProviderToken"): 300}
    # One message at a time may ask before the token is accepted; after three the others are told what these heard.
    assert gateway.stats()["apns"] == {"InvalidProviderToken": 3}
    assert sum(outcome.answered for outcome in outcomes) == 3


def test_a_phone_that_is_refused_our_provider_token_alone_is_nobody_elses_trouble(apns, gateway):
    batch = messages(10)
    gateway.set_faults(answers=[f"{batch[0].token}=InvalidProviderToken"])
    assert kinds(apns.send(batch, 60)) == {("channel_down", "InvalidProviderToken"): 1, ("delivered", ""): 9}


@pytest.mark.parametrize("code", ["BadTopic", "TopicDisallowed", "DeviceTokenNotForTopic", "Forbidden"])
def test_our_own_configuration_is_never_a_devices_fault(apns, gateway, code):
    gateway.set_faults(refuse=[code])
    assert kinds(apns.send(messages(5), 60)) == {("channel_down", code): 5}


def stale_token(config):
    """A provider token that was signed two hours ago, and a store that takes it for a fresh one."""
    key = load_apns_key(config.apns_key_file).key
    now = int(time.time())
    signed = jwt.encode(
        {"iss": config.apns_team_id, "iat": now - 7200}, key, algorithm="ES256", headers={"kid": config.apns_key_id}
    )
    store = LocalTokenStore()
    store.put(config.apns_key_id, ProviderToken(jwt=signed.decode(), issued_at=now))
    return store


def test_a_stale_provider_token_is_signed_again_once_for_the_whole_batch(open_channel, config, gateway):
    channel = open_channel(Platform.APNS, store=stale_token(config))
    outcomes = channel.send(messages(50), 60)
    assert kinds(outcomes) == {("delivered", ""): 50}
    assert gateway.stats()["apns"]["ExpiredProviderToken"] == 1


def test_a_token_that_goes_stale_under_many_streams_is_signed_again_once(open_channel, gateway):
    before = gateway.stats()["provider_tokens"]
    channel = open_channel(Platform.APNS)
    channel.send(messages(1), 60)
    gateway.set_faults(refuse=["ExpiredProviderToken"], refuse_rate=0.2)
    outcomes = channel.send(messages(100), 60)

    # Each message has one more chance; a fifth of the second chances fails as well.
    assert set(kinds(outcomes)) <= {("delivered", ""), ("channel_down", "ExpiredProviderToken")}
    assert kinds(outcomes)["delivered", ""] >= 80
    assert gateway.stats()["provider_tokens"] - before <= 2


def test_channels_that_share_a_store_share_one_provider_token():
    # A second token within 20 minutes is one too many for a strict gateway, so this needs one of its own.
    with gateway_process(strict_provider_tokens=True) as strict:
        store = LocalTokenStore()
        channels = [build_channels(push_config(strict), store)[Platform.APNS] for _ in range(3)]
        try:
            with ThreadPoolExecutor(3) as pool:
                outcomes = list(pool.map(lambda channel: channel.send(messages(5), 60), channels))
        finally:
            for channel in channels:
                channel.close()
        assert [kinds(each) for each in outcomes] == [{("delivered", ""): 5}] * 3
        assert strict.stats()["provider_tokens"] == 1


def test_many_threads_share_one_connection_and_one_provider_token(apns, gateway):
    connections = gateway.stats()["connections"]["apns"]
    barrier = threading.Barrier(20)

    def send(number):
        barrier.wait(60)
        batch = [message(Platform.APNS, delivery_id=f"{number}.{n}", token=f"{number:032x}{n:032x}") for n in range(20)]
        return apns.send(batch, 60)

    with ThreadPoolExecutor(20) as pool:
        outcomes = [outcome for each in pool.map(send, range(20)) for outcome in each]
    assert kinds(outcomes) == {("delivered", ""): 400}
    assert gateway.stats()["connections"]["apns"] - connections == 1


def test_a_server_that_does_not_speak_http2_gets_nothing(open_channel, config):
    # The FCM side of the gateway speaks HTTP/1.1 only.
    channel = open_channel(Platform.APNS, apns_production_endpoint=config.fcm_endpoint)
    outcomes = channel.send(messages(5), 60)
    assert kinds(outcomes) == {("retry", "connection_failed"): 5}


@pytest.mark.parametrize("size", [1023, 1024, 1025, 2048, 3072, 4096])
def test_a_payload_of_any_size_gets_its_answer(apns, gateway, size):
    # With hyper's own connection a multiple of 1,024 bytes never got one.
    empty = len(encode(messages(1, body="")[0]))
    (exact,) = messages(1, body="x" * (size - empty))
    assert len(encode(exact)) == size
    assert kinds(apns.send([exact], 60)) == {("delivered", ""): 1}


def test_more_than_a_flow_control_window_at_once(apns, gateway):
    batch = messages(100, body="x" * 3000)
    assert kinds(apns.send(batch, 60)) == {("delivered", ""): 100}
    assert {len(push["body"]) for push in gateway.received()} == {3000}


def test_a_token_that_is_no_token_stays_one_path_segment(apns):
    odd = [replace(each, token=token) for each, token in zip(messages(3), ["", "../x y?z", "토큰"], strict=True)]
    for outcome in apns.send(odd, 60):
        assert outcome.kind in {OutcomeKind.TOKEN_DEAD, OutcomeKind.REJECTED}


def test_apns_has_no_dry_run(apns, gateway):
    assert kinds(apns.send(messages(2), 10, validate_only=True)) == {("rejected", "no_dry_run"): 2}
    assert gateway.received() == []


def test_a_process_that_was_stopped_sends_nothing_after_its_time_is_up(config, gateway, monkeypatch):
    gateway.set_faults(latency_ms=100)
    channel = build_channels(config)[Platform.APNS]
    passed = [0.0]
    monkeypatch.setattr(environment, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + passed[0]))
    answered = environment.Environment.answered

    def stop(self, *what):
        passed[0] = 120.0  # with the first answer, before which one message alone may go out
        answered(self, *what)

    monkeypatch.setattr(environment.Environment, "answered", stop)
    outcomes = kinds(channel.send(messages(20), 30))
    channel.close()
    assert outcomes == {("delivered", ""): 1, ("retry", "not_sent"): 19}
    assert len(gateway.received()) == 1
