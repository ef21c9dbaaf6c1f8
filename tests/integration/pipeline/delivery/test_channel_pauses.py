"""Channels that are paused and opened again, bursts that are undone, and the quota, on both databases."""

from datetime import timedelta
from typing import Any

import pytest
import redis
from sqlalchemy import update

from pipeline.delivery.quota import Quota
from pipeline.push.message import Platform
from pipeline.push.outcome import Outcome, OutcomeKind
from pipeline.resources import now
from storage import channel_health, channels, probes
from storage.models import ChannelState, Delivery, Device, Notification
from tests.integration.pipeline.delivery.story import DELIVERED, MISMATCH, NOT_SET_UP, REFUSED, Scripted, over, token_of


def test_wrong_credentials_pause_the_channel_and_a_probe_a_minute_finds_out(story, gateway):
    people = story({"minji": ["fcm"], "jun": ["fcm"], "sora": ["fcm"]})
    gateway.set_faults(refuse=["UNAUTHENTICATED"])
    assert people.deliver() == ["pending"] * 3
    (state,) = people.rows(ChannelState)
    assert (state.name, state.code) == ("fcm", "UNAUTHENTICATED")
    assert {n.reason for n in people.rows(Notification)} == {"fcm waits: UNAUTHENTICATED"}
    assert {n.waits_for for n in people.rows(Notification)} == {"fcm"}
    assert {n.attempts for n in people.rows(Notification)} == {0}
    # Nothing goes out while the pause lasts
    refused = gateway.stats()["fcm"]["UNAUTHENTICATED"]
    people.time_passes(0)
    with people.database.writing() as session:
        session.execute(update(Notification).values(next_attempt_at=now()))
        session.execute(update(Delivery).values(next_attempt_at=None))
    assert people.deliver() == ["pending"] * 3
    assert gateway.stats()["fcm"]["UNAUTHENTICATED"] == refused
    # One probe when it is over (which the channel itself repeats once with a new access token)
    people.time_passes(400)
    assert people.deliver() == ["pending"] * 3
    assert refused < gateway.stats()["fcm"]["UNAUTHENTICATED"] <= refused + 2
    # The next probe finds it well; the others are due at once
    gateway.set_faults()
    people.time_passes(400)
    assert sorted(people.deliver()) == ["pending", "pending", "sent"]
    assert people.rows(ChannelState) == []
    assert people.deliver() == ["sent"] * 2
    assert all(device.disabled_at is None for device in people.rows(Device))


def test_a_channel_that_is_opened_by_hand_sends_at_once_what_waited(story):
    channel = Scripted(NOT_SET_UP, NOT_SET_UP)
    people = story({"minji": ["fcm"], "jun": ["fcm", "console"]}, push=over(channel))
    assert people.deliver() == ["pending"] * 2
    assert {n.reason for n in people.rows(Notification)} == {"fcm waits: not_configured"}
    assert {d.attempts for d in people.rows(Delivery) if d.platform == "fcm"} == {0}
    with people.database.writing() as session:
        resumed = channels.resume(session, "fcm", now=now())
        assert resumed.notifications == 2
        assert channels.resume(session, "fcm", now=now()) is None
    assert people.deliver() == ["sent"] * 2


def test_one_stray_refusal_among_successes_pauses_nothing(story):
    channel = Scripted(DELIVERED, REFUSED, DELIVERED)
    people = story({name: ["fcm"] for name in ("minji", "jun", "sora")}, posts=2, push=over(channel))
    assert sorted(people.deliver(people.keys[:3])) == ["pending", "sent", "sent"]
    assert people.rows(ChannelState) == []
    # Alone in its batch, but a minute has not passed since the last success
    channel.answers = [REFUSED]
    assert people.deliver(people.keys[3:4]) == ["pending"]
    assert people.rows(ChannelState) == []
    assert people.deliver(people.keys[4:]) == ["sent"] * 2


def test_a_burst_of_dead_tokens_is_our_fault_and_disables_nobody(story):
    names = [f"user-{number}" for number in range(24)]
    channel = Scripted(*[MISMATCH] * 24)
    people = story({name: ["fcm"] for name in names}, push=over(channel))
    # The first two are too few to tell: they wait, and nobody's token is called dead while nobody is served
    assert people.deliver(people.keys[:2]) == ["pending"] * 2
    assert people.rows(ChannelState) == []
    assert {d.refused_code for d in people.rows(Device)} == {"SENDER_ID_MISMATCH", None}
    # With the next ones it is clear
    assert people.deliver(people.keys[2:20]) == ["pending"] * 18
    assert all(d.disabled_at is None for d in people.rows(Device))
    assert {n.status for n in people.rows(Notification)} == {"pending"}
    (state,) = people.rows(ChannelState)
    assert state.code == "SENDER_ID_MISMATCH"
    assert "service account" in state.reason
    # Probes with the same answer disable nobody and keep the pause
    people.time_passes(400)
    assert set(people.deliver(people.keys)) == {"pending"}
    assert all(d.disabled_at is None for d in people.rows(Device))
    assert people.rows(ChannelState)
    # Mended, everybody gets it
    channel.answers = []
    people.time_passes(400)
    people.deliver()
    people.deliver()
    assert {n.status for n in people.rows(Notification)} == {"sent"}
    assert len({message.token for message in channel.sent}) == 24


def test_a_process_that_did_not_know_of_the_pause_disables_nobody(story):
    people = story({"minji": ["fcm"], "jun": ["fcm"]}, push=over(Scripted(MISMATCH, DELIVERED)))
    paused_while_sending = people.deliveries._allowed

    def allowed(*arguments: Any) -> Any:
        found = paused_while_sending(*arguments)
        with people.database.writing() as session:
            channels.pause(
                session, "fcm", code="SENDER_ID_MISMATCH", reason="r", now=now(), until=now() + timedelta(minutes=1)
            )
        return found

    people.deliveries._allowed = allowed  # type: ignore[method-assign]
    assert sorted(people.deliver()) == ["pending", "sent"]
    assert all(device.disabled_at is None for device in people.rows(Device))
    # What was on its way already does not open the channel
    assert people.rows(ChannelState)


def test_third_party_auth_error_stops_no_android(story):
    third = Outcome(kind=OutcomeKind.RETRY, code="THIRD_PARTY_AUTH_ERROR", backoff_s=600, answered=True)
    people = story({f"user-{n}": ["fcm"] for n in range(20)}, push=over(Scripted(*[third] * 15)))
    assert sorted(people.deliver()) == ["pending"] * 15 + ["sent"] * 5
    assert people.rows(ChannelState) == []


def test_what_goes_beyond_the_quota_waits_without_an_attempt(story, redis_url):
    channel = Scripted()
    with redis.Redis.from_url(redis_url) as client:
        quotas = {Platform.FCM: Quota(client, "fcm", 20)}
        people = story({f"user-{n}": ["fcm"] for n in range(5)}, push=over(channel), quotas=quotas)
        assert sorted(people.deliver()) == ["pending"] * 3 + ["sent"] * 2
    assert len(channel.sent) == 2
    waiting = [n for n in people.rows(Notification) if n.status == "pending"]
    assert {(n.reason, n.attempts) for n in waiting} == {("fcm quota", 0)}
    assert max(people.due_in_s(n) for n in waiting) < 10


def test_what_a_fault_disabled_while_others_were_served_is_restored(story):
    channel = Scripted(DELIVERED, *[MISMATCH] * 9)
    people = story({f"user-{number}": ["fcm"] for number in range(10)}, push=over(channel))
    assert sorted(people.deliver(people.keys[:6])) == ["failed"] * 5 + ["sent"]
    assert sum(d.disabled_at is not None for d in people.rows(Device)) == 5
    people.deliver(people.keys[6:])
    assert people.rows(ChannelState)
    assert all(d.disabled_at is None for d in people.rows(Device))
    assert sorted(n.status for n in people.rows(Notification)) == ["pending"] * 9 + ["sent"]


ODD = [
    ("apns", "DeviceTokenNotForTopic"),
    ("apns", "TopicDisallowed"),
    ("fcm", "NOT_FOUND"),
    ("fcm", "SENDER_ID_MISMATCH"),
]


@pytest.mark.parametrize(("platform", "code"), ODD)
def test_one_odd_phone_on_a_quiet_installation_stops_nobody(story, gateway, platform, code):
    people = story({"odd": [platform], "good": [platform]})
    odd, good = people.keys
    gateway.set_faults(answers=[f"{token_of('odd', platform)}={code}"])
    assert people.deliver([odd]) == ["pending"]
    assert people.rows(ChannelState) == []
    assert people.deliver([good]) == ["sent"]
    (device,) = (d for d in people.rows(Device) if d.refused_code)
    assert (device.refused_code, device.disabled_at) == (code, None)
    with people.database.reading() as session:
        assert channel_health.refused_devices(session) == {(platform, code): 1}
    # It is tried again later, and served once its trouble is over
    (waiting,) = (n for n in people.rows(Notification) if n.status == "pending")
    assert 550 < people.due_in_s(waiting) < 1300
    gateway.set_faults()
    people.time_passes(1300)
    assert people.deliver([odd]) == ["sent"]
    assert all(d.refused_code is None for d in people.rows(Device))


@pytest.mark.parametrize(("platform", "code"), [("apns", "InvalidProviderToken"), ("fcm", "UNAUTHENTICATED")])
def test_a_channel_that_one_phone_paused_is_tried_with_another(story, gateway, platform, code):
    people = story({"odd": [platform], "good": [platform]}, posts=2)
    odd, good = people.keys[:2]
    gateway.set_faults(answers=[f"{token_of('odd', platform)}={code}"])
    assert people.deliver([odd]) == ["pending"]
    assert [state.code for state in people.rows(ChannelState)] == [code]
    assert people.deliver([good]) == ["pending"]
    people.time_passes(60)
    # The odd one comes first, and is not who the channel is tried with
    people.deliver([odd])
    assert people.rows(ChannelState)
    with people.database.writing() as session:
        assert list(probes.to_probe(session, now=now())) == [platform]
        assert probes.send_probe(session, platform, now=now()) == good
    assert people.deliver([good]) == ["sent"]
    assert people.rows(ChannelState) == []
    # From now on it is known to be that phone's trouble
    people.deliver([odd])
    assert people.rows(ChannelState) == []
    assert people.deliver(people.keys[3:]) == ["sent"]


def test_where_everybody_was_refused_the_probe_goes_round(story):
    channel = Scripted(*[REFUSED] * 3)
    people = story({name: ["fcm"] for name in ("a", "b", "c")}, push=over(channel))
    people.deliver()
    probed = []
    for _ in range(3):
        people.time_passes(70)
        with people.database.writing() as session:
            key = probes.send_probe(session, "fcm", now=now())
        assert key is not None
        probed.append(key)
        channel.answers = [REFUSED]
        people.deliver([key])
    assert len(set(probed)) == 3


def test_a_vendor_that_takes_nothing_is_said_once_and_its_end_once(story, caplog):
    caplog.set_level("INFO")
    busy = Outcome(kind=OutcomeKind.RETRY, code="UNAVAILABLE", detail="try later", answered=True)
    channel = Scripted(*[busy] * 100)
    people = story({"minji": ["fcm"], "jun": ["console"]}, push=over(channel))
    people.deliver()
    with people.database.reading() as session:
        assert not channel_health.troubled(session)
    for _ in range(3):
        heard = people.deliveries._health._heard["fcm"]
        heard.failing_since -= timedelta(seconds=40)
        people.time_passes(600)
        people.deliver()
    with people.database.reading() as session:
        (trouble,) = channel_health.troubled(session)
        assert (trouble.name, trouble.trouble_code, trouble.trouble_detail) == ("fcm", "UNAVAILABLE", "try later")
    channel.answers = []
    people.time_passes(600)
    assert people.deliver() == ["sent"]
    with people.database.reading() as session:
        assert not channel_health.troubled(session)
    said = [record.message for record in caplog.records if "vendor" in record.message]
    assert said == ["vendor takes nothing", "vendor takes messages again"]
