"""Delivery from a pending row to a recorded outcome, on both databases, against the loopback gateway."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import event, update

from pipeline.push.message import Message, Platform
from pipeline.push.outcome import Outcome, OutcomeKind
from pipeline.resources import now
from storage import claims, leaving, users
from storage.models import Delivery, Device, Notification, Post
from tests.integration.pipeline.delivery.story import Scripted, over, shown, token_of


def test_every_phone_of_every_user_shows_the_post_once(story, gateway):
    people = story({"minji": ["fcm", "apns"], "jun": ["fcm"], "sora": ["console"]})
    assert people.deliver() == ["sent"] * 3
    tokens = {token_of("minji", "fcm"), token_of("minji", "apns"), token_of("jun", "fcm")}
    assert shown(gateway) == {token: [1] for token in tokens}
    assert [row.status for row in people.rows(Delivery)] == ["delivered"] * 4
    # Asked again, as by a message that came twice, nothing is owed
    assert people.deliver() == []
    assert len(gateway.received()) == 3


def test_a_dead_token_is_disabled_with_reason_and_time_until_the_app_registers_again(story, gateway):
    person = story({"minji": ["fcm"]})
    gateway.set_faults(dead_tokens=[token_of("minji", "fcm")])
    assert person.deliver() == ["failed"]
    (device,) = person.rows(Device)
    assert (device.disabled_reason, device.disabled_at is not None) == ("UNREGISTERED", True)
    assert person.notification().reason == "UNREGISTERED"
    with person.database.writing() as session:
        user = users.by_external_id(session, "minji")
        users.register_device(session, user.id, platform="fcm", token=device.token, environment=None, now=now())
    (device,) = person.rows(Device)
    assert (device.disabled_reason, device.disabled_at) == (None, None)


def test_an_iphone_that_registered_after_apples_timestamp_lives(story, gateway):
    person = story({"minji": ["apns"]})
    yesterday = int((now() - timedelta(days=1)).timestamp() * 1000)
    gateway.set_faults(dead_tokens=[token_of("minji", "apns")], dead_since_ms=yesterday)
    assert person.deliver() == ["failed"]
    (device,) = person.rows(Device)
    assert device.disabled_at is None


def test_the_apns_environment_that_worked_is_remembered(story, gateway):
    person = story({"minji": ["apns"]}, posts=2)
    gateway.set_faults(sandbox_tokens=[token_of("minji", "apns")])
    assert person.deliver(person.keys[:1]) == ["sent"]
    (device,) = person.rows(Device)
    assert device.environment == "sandbox"
    refused = gateway.stats()["apns"].get("BadDeviceToken", 0)
    assert person.deliver(person.keys[1:]) == ["sent"]
    assert gateway.stats()["apns"].get("BadDeviceToken", 0) == refused


def test_a_429_is_tried_again_when_the_vendor_said(story, gateway):
    person = story({"minji": ["fcm"]})
    gateway.set_faults(too_many_rate=1.0, retry_after=120)
    assert person.deliver() == ["pending"]
    assert 60 < person.due_in_s() < 135
    assert person.deliver() == []
    gateway.set_faults()
    person.time_passes(140)
    assert person.deliver() == ["sent"]
    (row,) = person.rows(Delivery)
    assert (row.status, row.attempts, row.code) == ("delivered", 2, None)


def test_a_lost_answer_is_sent_again_under_the_same_tag_and_shown_once(story, gateway):
    person = story({"minji": ["fcm"]})
    gateway.set_faults(reset_every=1, lose_answers=True)
    assert person.deliver() == ["pending"]
    (row,) = person.rows(Delivery)
    assert (row.status, row.code) == ("retry", "connection_lost")
    gateway.set_faults()
    person.time_passes(3600)
    assert person.deliver() == ["sent"]
    assert shown(gateway) == {token_of("minji", "fcm"): [2]}


def test_one_phones_trouble_never_repeats_anothers_push(story, gateway):
    person = story({"minji": ["fcm", "apns"]})
    gateway.set_faults(answers=[f"{token_of('minji', 'fcm')}=UNAVAILABLE"])
    assert person.deliver() == ["pending"]
    gateway.set_faults()
    person.time_passes(3600)
    assert person.deliver() == ["sent"]
    assert shown(gateway) == {token_of("minji", "apns"): [1], token_of("minji", "fcm"): [1]}


def test_each_phone_is_tried_again_at_its_own_time(story):
    slow = Scripted(Outcome(kind=OutcomeKind.RETRY, code="QUOTA_EXCEEDED", retry_after_s=1800, answered=True))
    soon = Scripted(Outcome(kind=OutcomeKind.RETRY, code="Shutdown", retry_after_s=10, answered=True))
    person = story(
        {"minji": ["fcm", "apns"]}, push={Platform.FCM: slow, Platform.APNS: soon, Platform.CONSOLE: Scripted()}
    )
    person.deliver()
    person.time_passes(30)
    assert person.deliver() == ["pending"]
    assert (len(slow.sent), len(soon.sent)) == (1, 2)
    assert 1700 < person.due_in_s() < 2000
    person.time_passes(2000)
    assert person.deliver() == ["sent"]
    assert (len(slow.sent), len(soon.sent)) == (2, 2)


def test_a_phone_that_gets_too_many_is_left_alone_for_its_other_posts_too(story, gateway):
    person = story({"minji": ["apns"], "jun": ["apns"]}, posts=2)
    first = [key for key in person.keys if key[0] == person.keys[0][0]]
    second = [key for key in person.keys if key not in first]
    gateway.set_faults(answers=[f"{token_of('minji', 'apns')}=TooManyRequests"])
    assert sorted(person.deliver(first)) == ["pending", "sent"]
    gateway.set_faults()
    assert sorted(person.deliver(second)) == ["pending", "sent"]
    assert shown(gateway) == {token_of("jun", "apns"): [1, 1]}
    person.time_passes(3600)
    assert person.deliver() == ["sent"] * 2
    assert shown(gateway)[token_of("minji", "apns")] == [1, 1]


def test_what_nobody_wants_any_more_is_skipped_and_not_sent(story, gateway):
    person = story({"minji": ["fcm"]}, site={"ttl_s": 60})
    with person.database.writing() as session:
        session.execute(update(Notification).values(created_at=now() - timedelta(seconds=61)))
    assert person.deliver() == ["skipped"]
    assert person.notification().reason == "too old"
    assert gateway.received() == []


def test_of_a_post_that_is_gone_nothing_more_is_sent_until_it_is_back(story, gateway):
    person = story({"minji": ["fcm"]})
    post_id = person.keys[0][0]
    with person.database.writing() as session:
        session.execute(update(Post).values(missing=3, gone_at=now()))
    assert person.deliver() == ["skipped"]
    assert person.notification().reason == leaving.GONE
    with person.database.writing() as session:
        site_id = session.get_one(Post, post_id).site_id
        leaving.count(session, site_id, shown_ids=[post_id], missed=[], now=now())
    assert person.deliver() == ["sent"]
    assert shown(gateway) == {token_of("minji", "fcm"): [1]}


def test_a_retry_beyond_the_ttl_is_not_made(story, gateway):
    person = story({"minji": ["fcm"]}, site={"ttl_s": 100})
    gateway.set_faults(too_many_rate=1.0, retry_after=120)
    assert person.deliver() == ["skipped"]


def test_a_user_without_a_phone_is_skipped(story):
    person = story({"minji": []})
    assert person.deliver() == ["skipped"]
    assert person.notification().reason == "no device"


def test_a_message_that_is_at_fault_fails_the_delivery_and_keeps_the_device(story, gateway):
    person = story({"minji": ["apns"]})
    gateway.set_faults(answers=[f"{token_of('minji', 'apns')}=BadPriority"])
    assert person.deliver() == ["failed"]
    (row,) = person.rows(Delivery)
    assert row.code == "BadPriority"
    assert row.detail
    assert person.rows(Device)[0].disabled_at is None


def test_a_batch_takes_nine_statements_whatever_its_size(story):
    counts = []
    for size in (2, 60):
        people = story(
            {f"user-{size}-{n}": ["fcm"] for n in range(size)}, push=over(Scripted()), site={"name": f"board-{size}"}
        )
        statements: list[str] = []
        event.listen(
            people.database.engine, "before_cursor_execute", lambda *args, kept=statements: kept.append(args[2])
        )
        assert set(people.deliver()) == {"sent"}
        counts.append(len([s for s in statements if not s.startswith("BEGIN")]))
    assert counts[0] <= 9
    assert counts[1] - counts[0] <= 0


def test_outcomes_of_a_batch_that_lost_its_lease_are_not_recorded(story):
    channel = Scripted()
    person = story({"minji": ["fcm"]}, push=over(channel))
    send = channel.send

    def stolen(messages: Sequence[Message], deadline_s: float, *, validate_only: bool = False) -> list[Outcome]:
        later = now() + timedelta(minutes=5)
        with person.database.writing() as session:
            taken = claims.claim(session, person.keys, token="other", now=later, lease_until=later)
            assert len(taken) == 1
        return send(messages, deadline_s, validate_only=validate_only)

    channel.send = stolen  # type: ignore[method-assign]
    assert person.deliver() == []
    assert (person.notification().status, person.notification().lease_token) == ("sending", "other")
    assert person.rows(Delivery) == []


def test_a_sites_template_shapes_the_message(story, gateway):
    push_column = {"title": "[{site}] {title}", "sound": "", "channel_id": "notices", "link": "app://p/{post_id}"}
    person = story({"minji": ["fcm"]}, site={"push": push_column})
    assert person.deliver() == ["sent"]
    (phone,) = gateway.phones()
    (one,) = phone["shown"]
    (post,) = person.rows(Post)
    assert one["title"] == f"[board] {post.title}"
    assert one["data"]["link"] == f"app://p/{post.id}"
