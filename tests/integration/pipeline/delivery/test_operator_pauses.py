"""Pushes that an operator holds back: they wait, expire honestly, and go on once, on both databases."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, update

from pipeline.broker.notify_room import NotifyRoom
from pipeline.delivery import decisions
from pipeline.push.message import Platform
from pipeline.resources import now
from pipeline.upkeep import sweeping
from storage import channels, notifications, pauses
from storage.models import ChannelState, Delivery, Notification
from storage.pauses import Scope
from tests.integration.pipeline.delivery.story import REFUSED, Scripted, Story, over

ALL = Scope(activity="push")
FCM = Scope(activity="push", channel="fcm")
BOARD = Scope(activity="push", site="board")


def begin(people: Story, scope: Scope) -> None:
    with people.database.writing() as session:
        assert pauses.begin(session, scope, now=now())


def end(people: Story, scope: Scope) -> int:
    with people.database.writing() as session:
        resumed = pauses.end(session, scope, now=now())
    return resumed.notifications


def due(people: Story) -> list[notifications.Key]:
    """What the ticks and the sweep would enqueue at this moment."""
    with people.database.writing() as session:
        return notifications.due(session, now=now(), lost_before=now() + timedelta(days=1), limit=1000)


@pytest.mark.parametrize(("scope", "hold"), [(ALL, "push"), (FCM, "fcm"), (BOARD, "site board")])
def test_what_is_held_waits_unread_and_goes_out_once_when_it_is_resumed(story, scope, hold):
    # Given a pause, when the notifications' turn comes
    channel = Scripted()
    people = story({"minji": ["fcm"], "jun": ["fcm"]}, push=over(channel))
    begin(people, scope)
    assert people.deliver() == ["pending"] * 2

    # Then nothing is sent, no attempt is counted, and no tick reads them again
    assert channel.sent == []
    assert {(n.waits_for, n.attempts) for n in people.rows(Notification)} == {(f"pause {hold}", 0)}
    assert {n.reason for n in people.rows(Notification)} == {f"{hold} waits: paused by an operator"}
    assert people.rows(Delivery) == []
    assert due(people) == []

    # When it is resumed, then they are due at once, and each is sent once
    assert end(people, scope) == 2
    assert due(people) == people.keys
    assert people.deliver() == ["sent"] * 2
    assert people.deliver() == []
    assert len(channel.sent) == 2


def test_what_outlives_its_ttl_in_a_pause_is_skipped_then_and_not_sent_later(story):
    channel = Scripted()
    people = story({"minji": ["fcm"]}, site={"ttl_s": 3600}, push=over(channel))
    begin(people, ALL)
    people.deliver()
    assert 3000 < people.due_in_s() <= 3601
    # When its time is over, then a tick finds it, and it is over, pause or not
    people.time_passes(3602)
    with people.database.writing() as session:
        session.execute(update(Notification).values(created_at=now() - timedelta(seconds=3602)))
    assert due(people) == people.keys
    assert people.deliver() == ["skipped"]
    assert people.notification().reason == "too old"
    assert end(people, ALL) == 0
    assert channel.sent == []


def test_a_held_channel_holds_nobody_elses_push(story):
    fcm, push = Scripted(), over(Scripted())
    push[Platform.FCM] = fcm
    apns: Any = push[Platform.APNS]
    people = story({"minji": ["fcm", "apns"], "jun": ["apns"]}, push=push)
    begin(people, FCM)
    assert sorted(people.deliver()) == ["pending", "sent"]
    assert (len(fcm.sent), len(apns.sent)) == (0, 2)
    assert end(people, FCM) == 1
    assert people.deliver() == ["sent"]
    assert (len(fcm.sent), len(apns.sent)) == (1, 2)


def test_the_pause_of_a_site_holds_no_other_site_s_posts(story):
    channel = Scripted()
    first = story({"minji": ["fcm"]}, site={"name": "board"}, push=over(channel))
    second = story({}, site={"name": "boards"}, push=over(channel))
    begin(first, BOARD)
    assert first.deliver(first.keys + second.keys) == ["pending", "sent"]


def test_neither_a_probe_nor_the_opening_of_a_channel_ends_an_operator_s_pause(story):
    # Given a channel that its own fault paused, and then the operator
    channel = Scripted(REFUSED, REFUSED)
    people = story({"minji": ["fcm"], "jun": ["fcm"]}, push=over(channel))
    assert people.deliver() == ["pending"] * 2
    begin(people, FCM)

    # When the time of a probe comes, then nothing is sent, and the fault stays as it was
    people.time_passes(400)
    assert people.deliver() == ["pending"] * 2
    assert len(channel.sent) == 2
    assert [state.code for state in people.rows(ChannelState)] == ["UNAUTHENTICATED"]

    # And the channel opened by hand still waits for the operator
    with people.database.writing() as session:
        assert channels.resume(session, "fcm", now=now()) is not None
    assert people.deliver() == ["pending"] * 2
    assert end(people, FCM) == 2
    assert people.deliver() == ["sent"] * 2


@pytest.mark.parametrize("scope", [ALL, FCM, BOARD])
def test_a_pause_that_ends_while_a_sender_puts_its_batch_back_leaves_nobody_behind(story, scope, monkeypatch):
    people = story({"minji": ["fcm"]}, push=over(Scripted()))
    begin(people, scope)
    held = decisions.held

    def ended_meanwhile(*arguments: Any, **values: Any) -> Any:
        with people.database.writing() as session:
            if pauses.in_force(session):
                pauses.end(session, scope, now=now())
        return held(*arguments, **values)

    monkeypatch.setattr(decisions, "held", ended_meanwhile)
    assert people.deliver() == ["pending"]
    assert due(people) == people.keys
    assert people.deliver() == ["sent"]


def test_a_pause_costs_a_batch_no_statement(story):
    people = story({"minji": ["fcm"], "jun": ["fcm"]}, push=over(Scripted()))
    statements: list[str] = []
    event.listen(
        people.database.engine, "before_cursor_execute", lambda _c, _k, statement, *_: statements.append(statement)
    )
    assert people.deliver() == ["sent"] * 2
    assert sum(" pauses" in statement for statement in statements) == 1
    assert sum(" channels" in statement for statement in statements) == 1


def test_what_waited_comes_back_no_faster_than_the_queue_s_bound(story, monkeypatch):
    people = story({f"user-{number}": ["fcm"] for number in range(12)}, push=over(Scripted()))
    begin(people, ALL)
    people.deliver()
    end(people, ALL)
    queue: list[Any] = []
    broker = sweeping.Broker(
        publish=lambda _task, keys: queue.extend(keys),
        oldest=lambda _: [],
        empty_at=lambda _: None,
        room=NotifyRoom(5, lambda: len(queue)),
    )
    monkeypatch.setattr(sweeping, "SLICE", 4)
    sweeping.send_due(people.database, broker)
    assert len(queue) == 5
