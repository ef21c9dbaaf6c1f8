"""The sweep, on both databases, with a broker that is a list."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from redis import Redis
from sqlalchemy import update

from pipeline.broker.notify_room import NotifyRoom
from pipeline.broker.queue_ages import LOOKED_AT
from pipeline.resources import now
from pipeline.upkeep import brought_back, sweeping
from pipeline.upkeep.sweeping import GRACE_S, Broker, Sent
from storage import sites
from storage.models import CrawlRun, Notification, Post
from storage.session import Database
from tests.support.builders import add_site, add_user, found, running_run, stored_posts

LONG = timedelta(seconds=GRACE_S + 30)


class Queues:
    """Messages in lists, of a broker that shows its oldest or one that does not."""

    def __init__(self, *, shows: bool = True) -> None:
        self.waiting: dict[str, list[tuple[int, ...]]] = defaultdict(list)
        self.sent: list[tuple[str, tuple[int, ...]]] = []
        self.seen_empty: datetime | None = None
        self._shows = shows

    def broker(self, *, notify_queue_max: int = 2000) -> Broker:
        return Broker(
            publish=self._publish,
            oldest=lambda task: self.waiting[task][:LOOKED_AT] if self._shows else [],
            empty_at=lambda task: self.seen_empty if self.waiting[task] else now(),
            room=NotifyRoom(notify_queue_max, lambda: len(self.waiting["notify_user"])),
        )

    def _publish(self, task: str, arguments: Iterable[Sequence[int]]) -> None:
        for ids in arguments:
            self.sent.append((task, tuple(ids)))
            self.waiting[task].append(tuple(ids))


@pytest.fixture
def queues() -> Queues:
    return Queues()


def owed(database: Database, *changes: dict[str, object]) -> list[tuple[int, int]]:
    """One notification per dict of columns, sent for long ago unless it says otherwise; returns their keys."""
    keys = []
    with database.writing() as session:
        site = add_site(session)
        (post,) = stored_posts(session, site, [found(1)])
        session.execute(update(Post).values(fanout="done"))
        for number, columns in enumerate(changes):
            user = add_user(session, f"user-{number}")
            at = now() - LONG
            values = {"created_at": at, "next_attempt_at": at, "enqueued_at": at, **columns}
            session.add(Notification(post_id=post, user_id=user.id, **values))
            keys.append((post, user.id))
    return keys


def sent(queues: Queues, task: str = "notify_user") -> list[tuple[int, ...]]:
    return sorted(ids for name, ids in queues.sent if name == task)


def from_now(columns: dict[str, object]) -> dict[str, object]:
    """The times of a table, which are written as distances, counted from now and not from when the tests were read."""
    return {name: now() + value if isinstance(value, timedelta) else value for name, value in columns.items()}


@pytest.mark.parametrize(
    ("columns", "is_sent_for"),
    [
        ({"enqueued_at": None}, True),
        ({}, True),
        ({"enqueued_at": LONG}, False),
        ({"status": "sending", "lease_until": -LONG, "lease_token": "dead"}, True),
        ({"status": "sending", "lease_until": LONG, "lease_token": "alive"}, False),
        ({"enqueued_at": None, "next_attempt_at": timedelta(hours=1)}, False),
        ({"status": "sent"}, False),
        ({"status": "failed"}, False),
        ({"status": "skipped"}, False),
    ],
    ids=[
        "never enqueued",
        "its message is lost",
        "its message is young",
        "its sender died",
        "its sender lives",
        "its time has not come",
        "sent",
        "failed",
        "skipped",
    ],
)
def test_what_is_sent_for(database, queues, columns, is_sent_for):
    keys = owed(database, from_now(columns))
    sweeping.sweep(database, queues.broker())
    assert sent(queues) == (keys if is_sent_for else [])


def test_a_second_sweep_finds_nothing(database, queues):
    keys = owed(database, {}, {"enqueued_at": None})
    assert sweeping.sweep(database, queues.broker()).notifications == 2
    assert not sweeping.sweep(database, queues.broker())
    queues.waiting.clear()
    assert not sweeping.sweep(database, queues.broker())
    assert sent(queues) == keys


def test_a_long_queue_gets_nothing_more(database, queues):
    # Given messages that have waited for longer than the grace, because the queue is long
    keys = owed(database, *[{"enqueued_at": now() - LONG * (9 - n)} for n in range(8)])
    queues.waiting["notify_user"] = list(keys)
    assert not sweeping.sweep(database, queues.broker())
    # And when the first half of the queue was done, what comes before the rest is lost, and nothing else
    queues.waiting["notify_user"] = list(keys[4:])
    sweeping.sweep(database, queues.broker())
    assert sent(queues) == keys[:4]


def test_a_repeat_at_the_head_of_the_queue_does_not_make_the_rest_look_lost(database, queues):
    keys = owed(database, {"enqueued_at": now() - LONG}, *[{"enqueued_at": now() - 2 * LONG}] * 5)
    queues.waiting["notify_user"] = list(keys)
    assert not sweeping.sweep(database, queues.broker())


def test_messages_of_unknown_rows_say_nothing(database, queues):
    owed(database, {})
    queues.waiting["notify_user"] = [(999, 999)]
    assert not sweeping.sweep(database, queues.broker())


@pytest.mark.parametrize(("seen_empty", "lost"), [(None, 0), (-3 * LONG, 0), (-LONG / 2, 1)])
def test_a_broker_that_shows_no_messages_is_judged_by_when_it_was_empty(database, seen_empty, lost):
    queues = Queues(shows=False)
    keys = owed(database, {})
    queues.waiting["notify_user"] = [(999, 999)]
    queues.seen_empty = now() + seen_empty if seen_empty else None
    assert sweeping.sweep(database, queues.broker()).notifications == lost
    assert sent(queues) == keys[:lost]


def test_what_is_due_fills_the_queue_up_to_its_bound_slice_after_slice(database, queues, monkeypatch):
    monkeypatch.setattr(sweeping, "SLICE", 3)
    owed(database, *[{"enqueued_at": None}] * 9)
    assert sweeping.send_due(database, queues.broker(notify_queue_max=5)) == Sent(count=5, more=True)
    assert sweeping.send_due(database, queues.broker(notify_queue_max=5)) == Sent(count=0, more=True)
    queues.waiting.clear()
    assert sweeping.send_due(database, queues.broker(notify_queue_max=5)) == Sent(count=4, more=False)


@pytest.mark.parametrize(
    ("send", "most"), [(sweeping.send_due, 1875), (sweeping.send_digests, 250), (sweeping.send_replacements, 250)]
)
def test_room_that_is_not_worth_a_transaction_is_left_until_it_is_more(database, queues, send, most):
    for length, waits in ((most, False), (most + 1, True)):
        broker = replace(queues.broker(), room=NotifyRoom(2000, lambda length=length: length))
        assert send(database, broker).more is waits


def test_a_tick_goes_on_while_there_is_more_until_fan_outs_are_to_have_their_share(database, queues):
    owed(database, *[{"enqueued_at": None}] * 9)
    broker = queues.broker(notify_queue_max=4)
    # A queue of which everything has been taken whenever it is looked at.
    broker = replace(broker, room=NotifyRoom(4, lambda: queues.waiting.clear() or 0))
    rounds = []
    for _ in range(3):
        sweeping.tick(database, broker)
        rounds.append(len(sent(queues)))
    # Its share is one and a half bounds, which the second slice passes.
    assert rounds == [8, 9, 9]


def ready_post(database: Database, **columns: object) -> int:
    with database.writing() as session:
        (post,) = stored_posts(session, add_site(session), [found(1)])
        session.execute(update(Post).values(**columns))
    return post


@pytest.mark.parametrize(
    ("columns", "is_sent_for"),
    [
        ({"fanout_enqueued_at": -LONG}, True),
        ({"fanout_enqueued_at": LONG}, False),
        ({"fanout_enqueued_at": -LONG, "fanout_token": "x", "fanout_lease_until": -LONG}, True),
        ({"fanout_enqueued_at": -LONG, "fanout_token": "x", "fanout_lease_until": LONG}, False),
        ({"fanout_enqueued_at": -LONG, "fanout": "done"}, False),
        ({"fanout_enqueued_at": -LONG, "fanout": "held"}, False),
    ],
    ids=["its message is lost", "its message is young", "its dispatcher died", "its dispatcher lives", "done", "held"],
)
def test_which_fan_outs_are_sent_for(database, queues, columns, is_sent_for):
    post = ready_post(database, **from_now(columns))
    sweeping.sweep(database, queues.broker())
    assert sent(queues, "fan_out_post") == ([(post,)] if is_sent_for else [])
    assert not sweeping.sweep(database, queues.broker())


def test_a_fan_out_that_waits_in_its_queue_is_not_sent_for_again(database, queues):
    post = ready_post(database, fanout_enqueued_at=now() - LONG)
    queues.waiting["fan_out_post"] = [(post,)]
    assert not sweeping.sweep(database, queues.broker())


def test_a_queued_run_whose_message_is_lost_is_sent_for_once(database, queues):
    with database.writing() as session:
        run = sites.queue_run(session, add_site(session).id, trigger="manual", now=now() - LONG)
    assert run is not None
    queues.waiting["crawl_site"] = [(run,)]
    assert not sweeping.sweep(database, queues.broker())
    queues.waiting.clear()
    assert sweeping.sweep(database, queues.broker()).runs == 1
    assert not sweeping.sweep(database, queues.broker())
    assert sent(queues, "crawl_site") == [(run,)]


def test_a_dead_run_is_closed_and_what_it_found_is_fanned_out(database, queues):
    with database.writing() as session:
        run = running_run(session, add_site(session)).id
        session.execute(update(CrawlRun).values(lease_until=now() - LONG))
    assert sweeping.sweep(database, queues.broker()).dead_runs == 1
    with database.reading() as session:
        assert session.get_one(CrawlRun, run).status == "failed"
    assert not sweeping.sweep(database, queues.broker())


def test_times_of_a_clock_that_was_ahead_are_brought_back_and_counted_for_a_day(database, queues, redis_url):
    owed(database, *[{"next_attempt_at": now() + timedelta(days=1), "enqueued_at": None}] * 3)
    with Redis.from_url(redis_url) as redis:
        assert brought_back.lately(redis) is None
        for expected in (3, 0):
            swept = sweeping.sweep(database, queues.broker())
            assert swept.brought_back == expected
            brought_back.record(redis, swept.brought_back)
        mended = brought_back.lately(redis)
        assert mended.count == 3
        assert abs(mended.at - now()) < timedelta(minutes=1)
        assert 0 < redis.ttl(brought_back.KEY) <= 86_400  # type: ignore[operator]
