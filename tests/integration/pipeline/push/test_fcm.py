"""FCM against the loopback gateway: TLS, OAuth, and every trap that a sender of it has fallen into."""

import json
import select
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline.push import batch_channel
from pipeline.push.fcm import http1
from pipeline.push.fcm.channel import FCMChannel
from pipeline.push.message import Platform
from pipeline.push.outcome import OutcomeKind
from pipeline.push.payload import fcm_payload
from tests.support.messages import kinds, message, numbered
from tests.support.waiting import SECONDS, wait_until

messages = partial(numbered, Platform.FCM)


def requests_seen(gateway):
    """How many POSTs reached the gateway, whatever became of them."""
    stats = gateway.stats()
    return sum(stats["fcm"].values())


def test_the_whole_form_of_a_message_goes_over_the_wire(fcm):
    at = message().created_at
    fcm._clock = SimpleNamespace(now=lambda: at)
    full = message(url="https://board.example/1", image="https://board.example/1.png", badge=3, data={"a": "b"})
    for each in (message(), full):
        assert json.loads(fcm._encode(each, False)) == {"message": fcm_payload(each, at), "validate_only": False}


def test_retry_after_as_a_date(fcm, gateway):
    gateway.set_faults(unavailable_rate=1, retry_after=120, retry_after_date=True)
    (outcome,) = fcm.send(messages(1), 60)
    assert (outcome.kind, outcome.code) == (OutcomeKind.RETRY, "UNAVAILABLE")
    assert 100 < outcome.retry_after_s <= 121


def test_a_503_is_not_sent_again_behind_our_back(fcm, gateway):
    gateway.set_faults(unavailable_rate=1)
    assert kinds(fcm.send(messages(20), 60)) == {("retry", "UNAVAILABLE"): 20}
    assert requests_seen(gateway) == 20


def test_a_request_has_a_time_limit_of_its_own(open_channel, gateway):
    channel = open_channel(Platform.FCM)
    gateway.set_faults(silent_rate=1, lose_answers=True)
    channel._timeout_s = 0.5
    outcomes = channel.send(messages(3), 90)
    assert kinds(outcomes) == {("unknown", "timeout"): 3}
    wait_until(lambda: len(gateway.received()) == 3)


def test_messages_whose_turn_never_came_are_not_unknown(open_channel, gateway):
    channel = open_channel(Platform.FCM)
    channel._pool._free = 4
    gateway.set_faults(latency_ms=500)
    channel.send(messages(4), 60)
    gateway.set_faults(silent_rate=1)
    outcomes = channel.send(messages(20), 3)
    assert kinds(outcomes) == {("unknown", "timeout"): 4, ("retry", "not_sent"): 16}


def test_connections_that_are_reset_cost_only_the_messages_on_them(fcm, gateway):
    gateway.set_faults(reset_every=7, lose_answers=True)
    batch = messages(200)
    outcomes = fcm.send(batch, 60)
    assert kinds(outcomes) == {("delivered", ""): 172, ("unknown", "connection_lost"): 28}
    assert max(Counter(push["token"] for push in gateway.received()).values()) == 1


def test_an_answer_that_drips_is_read_to_its_end(fcm, gateway):
    gateway.set_faults(drip_ms=2)
    assert kinds(fcm.send(messages(5), 60)) == {("delivered", ""): 5}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("UNREGISTERED", OutcomeKind.TOKEN_DEAD),
        ("SENDER_ID_MISMATCH", OutcomeKind.TOKEN_DEAD),
        ("NOT_FOUND", OutcomeKind.CHANNEL_DOWN),
        ("PERMISSION_DENIED", OutcomeKind.CHANNEL_DOWN),
        ("THIRD_PARTY_AUTH_ERROR", OutcomeKind.RETRY),
        ("INTERNAL", OutcomeKind.RETRY),
        ("INVALID_ARGUMENT", OutcomeKind.REJECTED),
    ],
)
def test_a_403_and_a_404_are_read_from_their_body(fcm, gateway, code, kind):
    gateway.set_faults(refuse=[code])
    outcomes = fcm.send(messages(3), 60)
    assert {(outcome.kind, outcome.code) for outcome in outcomes} == {(kind, code)}


def test_an_invalid_token_is_told_from_an_invalid_message(fcm, gateway):
    bad = messages(2)[1]
    gateway.set_faults(answers=[f"{bad.token}=INVALID_ARGUMENT"])
    assert [outcome.kind for outcome in fcm.send(messages(2), 60)] == [OutcomeKind.DELIVERED, OutcomeKind.TOKEN_DEAD]


def test_many_threads_share_one_access_token_and_one_pool(fcm, gateway):
    before = gateway.stats()["access_tokens"]
    barrier = threading.Barrier(20)

    def send(number):
        barrier.wait(60)
        return fcm.send([message(delivery_id=str(number), token=f"t{number}" * 10)], 60)

    with ThreadPoolExecutor(20) as pool:
        outcomes = [outcome for each in pool.map(send, range(20)) for outcome in each]
    assert kinds(outcomes) == {("delivered", ""): 20}
    assert gateway.stats()["access_tokens"] - before == 1
    fcm.send(messages(20), 60)
    assert gateway.stats()["access_tokens"] - before == 1
    assert 0 < len(fcm._pool._idle) <= 20


def test_an_access_token_that_is_refused_is_renewed_once(fcm, gateway):
    before = gateway.stats()["access_tokens"]
    fcm.send(messages(1), 60)
    fcm._tokens._fetched_at -= 3600  # not one that was just made
    gateway.set_faults(refuse=["UNAUTHENTICATED"])
    outcomes = fcm.send(messages(200), 60)
    assert kinds(outcomes) == {("channel_down", "UNAUTHENTICATED"): 200}
    assert gateway.stats()["access_tokens"] - before == 2


def test_a_dry_run_is_checked_and_not_shown(fcm, gateway):
    outcomes = fcm.send(messages(3), 10, validate_only=True)
    assert kinds(outcomes) == {("delivered", ""): 3}
    assert gateway.received() == []


def test_a_service_account_that_google_does_not_know_is_our_fault(open_channel, config, tmp_path):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    account = json.loads(Path(config.fcm_service_account_file).read_text())
    account["private_key"] = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    path = tmp_path / "account.json"
    path.write_text(json.dumps(account))
    channel = open_channel(Platform.FCM, fcm_service_account_file=str(path))
    outcomes = channel.send(messages(50), 60)
    assert kinds(outcomes) == {("channel_down", "credentials_refused"): 50}
    assert outcomes[0].detail


def test_a_wrong_project_is_our_fault(open_channel, config, tmp_path):
    account = json.loads(Path(config.fcm_service_account_file).read_text())
    path = tmp_path / "account.json"
    path.write_text(json.dumps({**account, "project_id": "another-project"}))
    channel = open_channel(Platform.FCM, fcm_service_account_file=str(path))
    (outcome,) = channel.send(messages(1), 60)
    assert (outcome.kind, outcome.code) == (OutcomeKind.CHANNEL_DOWN, "NOT_FOUND")


def test_a_certificate_that_nobody_vouches_for_gets_nothing(open_channel, gateway):
    # Only the gateway's own authority vouches for it. The access token is there, so nothing else stands in the way.
    channel = open_channel(Platform.FCM, ca_file=None)
    channel._tokens = SimpleNamespace(get=lambda until: "an access token", close=lambda: None)
    outcomes = channel.send(messages(2), 60)
    assert kinds(outcomes) == {("retry", "connection_failed"): 2}
    assert gateway.received() == []


def test_a_long_korean_message_is_accepted_at_its_full_4096_bytes(fcm, gateway):
    assert kinds(fcm.send([message(body="공지 " * 3000)], 60)) == {("delivered", ""): 1}
    (push,) = gateway.received()
    assert push["body"].endswith("…")


def test_an_address_longer_than_a_payload_costs_nobody_the_push(fcm, gateway):
    long = "https://x.example/" + "%ED%95%99" * 500
    asked = message(url=long, data={"post_id": "7", "url": long}, fallback_url="https://x.example/list")
    assert kinds(fcm.send([asked], 60)) == {("delivered", ""): 1}
    (push,) = gateway.received()
    assert push["title"] == asked.title
    assert push["data"]["url"] == "https://x.example/list"


class Stopped:
    """The monotonic clock of a process that is stopped for two minutes, at the first look after so many."""

    def __init__(self, looks, monkeypatch):
        self.left = looks
        self.passed = 0.0
        self.asked = set()
        ask, step = http1.Connection.ask, http1.Connection.step

        def noted(connection, request):
            self.asked.add(connection.socket)
            ask(connection, request)

        def answered(connection):
            if answer := step(connection):
                self.asked.discard(connection.socket)
            return answer

        monkeypatch.setattr(http1.Connection, "ask", noted)
        monkeypatch.setattr(http1.Connection, "step", answered)

    def monotonic(self):
        self.left -= 1
        if not self.left:
            # The network goes on meanwhile: what was asked is answered.
            if self.asked:
                select.select(self.asked, [], [], SECONDS)
            time.sleep(0.3)
            self.passed = 120.0
        return time.monotonic() + self.passed


@pytest.mark.parametrize("looks", range(2, 16))
def test_a_process_that_was_stopped_sends_nothing_after_its_time_is_up(config, gateway, monkeypatch, looks):
    channel = FCMChannel(
        config.fcm_service_account_file, endpoint=config.fcm_endpoint, ca_file=config.ca_file, connections=1
    )
    channel.send(messages(1), 60)  # the access token and a connection are there
    gateway.reset()
    clock = Stopped(looks, monkeypatch)
    for module in (batch_channel, http1):
        monkeypatch.setattr(module, "time", clock)
    outcomes = channel.send(messages(8), 30)
    monkeypatch.undo()
    channel.close()
    found = kinds(outcomes)
    sent = found.pop(("delivered", ""), 0)
    assert found == {("retry", "not_sent"): 8 - sent}
    assert len(gateway.received()) == sent < 8
