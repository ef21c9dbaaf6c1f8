"""One member of a batch, one answer, one channel or one lock is no other's trouble, on both databases."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, text, update

from pipeline.delivery import batch as batches
from pipeline.delivery import lease as leases
from pipeline.delivery import recording
from pipeline.delivery.batch import Deliveries
from pipeline.push.message import Message, Platform
from pipeline.push.outcome import Outcome, OutcomeKind
from pipeline.resources import now
from storage import outgoing, users
from storage.models import Delivery, Device, Notification, User
from tests.integration.pipeline.delivery.story import DELIVERED, Scripted, Story, over, shown
from tests.support.waiting import wait_until


class Doing(Scripted):
    """A channel that does something before it answers."""

    def __init__(self, before: Callable[[], object], *answers: Outcome) -> None:
        super().__init__(*answers)
        self.before = before

    def send(self, messages: Sequence[Message], deadline_s: float, *, validate_only: bool = False) -> list[Outcome]:
        self.before()
        return super().send(messages, deadline_s, validate_only=validate_only)


def crowd(size: int) -> dict[str, list[str]]:
    return {f"user-{number}": ["fcm"] for number in range(size)}


def another(people: Story, channel: Scripted) -> Deliveries:
    return Deliveries(people.database, over(channel), lease_s=20.0)


def test_a_device_that_is_removed_while_its_push_is_under_way_costs_nobody_else(story):
    def remove() -> None:
        with people.database.writing() as session:
            users.remove_device(session, people.rows(Device)[3].id)

    channel = Doing(remove)
    people = story(crowd(10), push=over(channel))
    assert people.deliver() == ["sent"] * 10
    assert len(people.rows(Delivery)) == 9
    assert len(channel.sent) == 10


def test_a_user_who_is_forgotten_while_their_push_is_under_way_costs_nobody_else(story):
    def forget() -> None:
        with people.database.writing() as session:
            session.execute(delete(User).where(User.external_id == "user-3"))

    people = story(crowd(10), push=over(Doing(forget)))
    assert people.deliver() == ["sent"] * 9
    assert len(people.rows(Delivery)) == 9


@pytest.mark.parametrize("said", ["a\x00b", "\ud800", "\x1b[2J\r\n", "\u202e" * 900])
def test_whatever_a_vendor_says_can_be_stored(story, said):
    odd = Outcome(kind=OutcomeKind.DELIVERED, provider_id=said, answered=True)
    failed = Outcome(kind=OutcomeKind.REJECTED, code=said, detail=said, answered=True)
    people = story(crowd(5), push=over(Scripted(odd, failed, DELIVERED, DELIVERED, DELIVERED)))
    assert sorted(people.deliver()) == ["failed"] + ["sent"] * 4
    for row in people.rows(Delivery):
        assert all(value is None or value.isprintable() for value in (row.provider_id, row.code, row.detail))


def test_an_outcome_that_no_database_takes_costs_nobody_else_theirs(story, monkeypatch):
    channel = Scripted(*[Outcome(kind=OutcomeKind.DELIVERED, provider_id=f"id-{n}", answered=True) for n in range(5)])
    people = story(crowd(5), push=over(channel))
    deliveries = recording.outcomes.record

    def refuse(session: Any, **what: Any) -> set[int]:
        if any(row.provider_id == "id-2" for row in what["deliveries"]):
            session.execute(text("INSERT INTO deliveries (id) VALUES (1)"))
        return deliveries(session, **what)

    monkeypatch.setattr(recording.outcomes, "record", refuse)
    assert people.deliver() == ["sent"] * 5
    assert {row.provider_id for row in people.rows(Delivery)} == {"id-0", "id-1", "id-3", "id-4"}
    assert len(channel.sent) == 5


def test_a_channel_that_raises_costs_no_other_its_outcomes(story):
    def fail() -> None:
        raise RuntimeError("a bug")

    people = story({"minji": ["fcm"], "jun": ["console"]}, push=over(Doing(fail)))
    assert people.deliver() == ["pending", "sent"]


def test_a_device_of_a_road_that_is_gone_fails_alone(story):
    people = story({"minji": ["fcm"], "jun": ["fcm"]}, push=over(Scripted()))
    with people.database.writing() as session:
        session.execute(update(Device).where(Device.id == people.rows(Device)[0].id).values(platform="pigeon"))
    assert people.deliver() == ["failed", "sent"]
    assert people.rows(Notification)[0].reason == "no_channel"


def test_a_channel_that_hangs_keeps_nothing_waiting_that_goes_over_another(story, monkeypatch):
    monkeypatch.setattr(batches, "PATIENCE_S", 2.0)
    hangs = threading.Event()
    slow = Doing(lambda: hangs.wait(100))
    people = story(
        {"apple": ["apns"], "google": ["fcm"], "both": ["apns", "fcm"]},
        posts=6,
        push={**over(Scripted()), Platform.APNS: slow},
    )
    began = time.monotonic()
    for post in range(6):
        statuses = people.deliver(people.keys[3 * post : 3 * post + 3])
        assert "sent" in statuses
    assert time.monotonic() - began < 50
    # Two parts are under way over the slow one; what came after these waits, without an attempt
    assert len(slow.sent) == 0
    waiting = [n for n in people.rows(Notification) if n.status == "pending"]
    assert waiting
    assert {(n.reason, n.attempts) for n in waiting} == {("apns is slow", 0)}
    hangs.set()
    wait_until(lambda: not [n for n in people.rows(Notification) if n.status == "sending"], "all have an outcome")
    people.time_passes(60)
    people.deliver()
    assert {n.status for n in people.rows(Notification)} == {"sent"}
    assert len(slow.sent) == len({(m.token, m.tag) for m in slow.sent}) == 12


def test_what_a_slow_vendor_has_no_time_for_goes_out_later_and_nothing_twice(story, gateway, monkeypatch):
    """Three batches at once over two connections, of which some three quarters go within a lease."""
    monkeypatch.setattr(batches, "PATIENCE_S", 0.1)
    people = story(crowd(24), lease_s=12.0)
    channel: Any = people.deliveries._channels["fcm"]
    monkeypatch.setattr(channel._pool, "_free", 2)
    gateway.set_faults(latency_ms=500)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(people.deliver, (people.keys[at::3] for at in range(3))))
    wait_until(lambda: not [n for n in people.rows(Notification) if n.status == "sending"], "all have an outcome")
    left = [(n.reason, n.attempts) for n in people.rows(Notification) if n.status != "sent"]
    assert left == [("fcm is slow", 0)] * len(left)
    assert 0 < len(left) < 24
    assert {row.status for row in people.rows(Delivery)} == {"delivered"}
    gateway.set_faults()
    people.time_passes(60)
    assert people.deliver() == ["sent"] * len(left)
    assert sorted(shown(gateway).values()) == [[1]] * 24


def stopped(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Makes time pass for this process' leases, as if it had been stopped, or had waited for a lock."""
    passed = [0.0]
    real = leases.elapsed
    monkeypatch.setattr(leases, "elapsed", lambda: real() + passed[0])

    def stop(seconds: float) -> None:
        passed[0] += seconds

    return stop


def test_a_batch_that_waited_longer_than_its_lease_sends_nothing_that_another_has_sent(story, monkeypatch):
    first, second = Scripted(), Scripted()
    people = story(crowd(4), push=over(first))
    stop = stopped(monkeypatch)
    targets = outgoing.targets

    def late(session: Any, ids: Any) -> Any:
        found = targets(session, ids)
        if not second.sent:
            # Meanwhile the lease ends, and somebody else claims three of four
            with people.database.writing() as other:
                other.execute(update(Notification).values(lease_until=now() - timedelta(seconds=1)))
            monkeypatch.setattr(outgoing, "targets", targets)
            another(people, second).deliver(people.keys[:3])
            stop(100)
        return found

    monkeypatch.setattr(outgoing, "targets", late)
    assert people.deliver() == ["sent"]
    assert len(second.sent) == 3
    # The fourth was nobody else's
    assert [message.token for message in first.sent] == [people.rows(Device)[3].token]
    assert {n.status for n in people.rows(Notification)} == {"sent"}


def test_a_batch_whose_time_is_up_before_its_channel_begins_sends_nothing(story, monkeypatch):
    channel = Scripted()
    people = story(crowd(4), push=over(channel))
    stop = stopped(monkeypatch)
    composed = batches.compose
    monkeypatch.setattr(batches, "compose", lambda *what: (stop(5), composed(*what))[1])
    assert people.deliver() == ["pending"] * 4
    assert channel.sent == []


def test_what_was_sent_is_recorded_when_the_database_is_locked_for_longer_than_the_lease(story, monkeypatch):
    monkeypatch.setattr(recording, "AGAIN_S", 0.01)
    channel = Scripted()
    people = story(crowd(4), push=over(channel))
    record, failures = recording.outcomes.record, [0]

    def locked(session: Any, **what: Any) -> set[int]:
        if failures[0] < 5:
            failures[0] += 1
            raise recording.OperationalError("locked", None, Exception("database is locked"))
        return record(session, **what)

    monkeypatch.setattr(recording.outcomes, "record", locked)
    assert people.deliver() == ["sent"] * 4
    assert len(channel.sent) == 4
    assert another(people, channel).deliver(people.keys) == {}
