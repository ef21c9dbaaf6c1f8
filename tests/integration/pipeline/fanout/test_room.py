"""All who fill the notify queue side by side: it is never longer than its bound, on either broker."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import redis
from celery import Celery

from pipeline.broker.notify_room import RESERVED_S, Filler, NotifyRoom, room_for
from pipeline.broker.publish import publish_many, queue_length
from pipeline.celery import NOTIFY_QUEUE
from pipeline.fanout.slices import RANGES, FanOuts, FanOutSettings, SliceEnd
from pipeline.upkeep.sweeping import Broker, send_digests, send_due, send_replacements
from storage.models import Notification
from storage.session import Database
from tests.integration.pipeline.broker.test_publish import app_of, take_all
from tests.support.builders import NOW, add_site, add_user, found, stored_posts

SETTINGS = FanOutSettings(slice_users=20, lease_s=60, split_slices=3)
BOUND = 20
READERS = 100


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(params=["redis", pytest.param("rabbitmq", marks=pytest.mark.full)])
def app(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    made = app_of(request.getfixturevalue(f"{request.param}_url"), monkeypatch)
    publish_many(made, "notify_user", [(0, 0)])
    take_all(made)
    yield made
    made.close()


Sent = list[tuple[int, int]]


def side_by_side(
    app: Celery, client: "redis.Redis", database: Database, posts: Sequence[int], sent: Sent
) -> dict[SliceEnd, list[int]]:
    """A dispatcher for each message goes on until there is no room; all of them look at the queue at once."""
    together, ends = threading.Barrier(len(posts), timeout=10), dict[SliceEnd, list[int]]()

    def look() -> int:
        with suppress(threading.BrokenBarrierError):
            together.wait()
        return queue_length(app, NOTIFY_QUEUE)

    def publish(keys: Sequence[tuple[int, int]]) -> None:
        publish_many(app, "notify_user", keys)
        sent.extend(keys)

    def dispatch(post: int) -> None:
        work = FanOuts(database, SETTINGS, room=NotifyRoom(BOUND, look, client), publish=publish)
        while (end := work.next_slice(post)) is SliceEnd.MORE:
            pass
        # They have looked, or this one found its range in another's hands.
        together.abort()
        ends.setdefault(end, []).append(post)

    with ThreadPoolExecutor(len(posts)) as pool:
        list(pool.map(dispatch, posts))
    return ends


def test_the_queue_is_never_longer_than_its_bound_however_many_dispatchers_fill_it(app, client, sqlite_url):
    database, sent, ranges = Database(sqlite_url), Sent(), list[int]()
    longest: dict[str, list[int]] = {"beginning": [], "going on": []}
    with database.writing() as session:
        for number in range(READERS):
            add_user(session, f"user-{number}", "large")
        posts = stored_posts(session, add_site(session), [found(number, f"large {number}") for number in range(3)])
    for kind, lengths in longest.items():
        turns = posts if kind == "beginning" else ranges
        while turns:
            ends = side_by_side(app, client, database, turns, sent)
            turns, split = ends.get(SliceEnd.WAIT, []), ends.get(SliceEnd.SPLIT, [])
            ranges += split * RANGES
            lengths.append(take_all(app))
    assert len(sent) == len(set(sent)) == sum(map(sum, longest.values())) == len(posts) * READERS
    assert BOUND // 2 <= max(longest["going on"]) <= BOUND
    # Those that begin may fill it twice as far.
    assert max(longest["beginning"]) <= 2 * BOUND
    database.close()


def test_what_is_due_and_what_makes_no_sound_stay_within_the_bound_beside_fan_outs_that_go_on(app, client, sqlite_url):
    """One of each kind looks while none of the others has sent: the queue is no longer than if they took turns."""
    database, together = Database(sqlite_url), threading.Barrier(4, timeout=10)
    with database.writing() as session:
        site = add_site(session)
        (post,) = stored_posts(session, site, [found(1)])
        for number in range(6 * BOUND):
            user = add_user(session, f"user-{number}").id
            kinds: dict[str, Any] = {"deferred": "pace"} if number % 3 == 1 else {"status": "sent", "to_show": 2}
            kind = {} if number % 3 == 0 else kinds
            session.add(Notification(post_id=post, user_id=user, created_at=NOW, next_attempt_at=NOW, **kind))

    def look() -> int:
        with suppress(threading.BrokenBarrierError):
            together.wait()
        return queue_length(app, NOTIFY_QUEUE)

    room = NotifyRoom(BOUND, look, client)
    broker = Broker(publish=partial(publish_many, app), oldest=lambda _: [], empty_at=lambda _: None, room=room)

    def go_on() -> None:
        with room.hold(Filler.BEGUN, lambda room: min(room, BOUND)) as size:
            publish_many(app, "notify_user", [(0, 0)] * size)

    jobs = [go_on, *(partial(job, database, broker) for job in (send_due, send_digests, send_replacements))]
    with ThreadPoolExecutor(len(jobs)) as pool:
        for done in [pool.submit(job) for job in jobs]:
            done.result(30)
    assert 0 < take_all(app) <= BOUND
    # When nobody else has any of it, one has all of it.
    together.abort()
    send_due(database, broker)
    assert queue_length(app, NOTIFY_QUEUE) == BOUND
    database.close()


BESIDE, BEGUN, OWED, NEW = Filler


@pytest.mark.parametrize(
    ("length", "reserved", "rooms"),
    [
        (0, {}, {BESIDE: 500, BEGUN: 2000, OWED: 2000, NEW: 4000}),
        (300, {}, {BESIDE: 200, BEGUN: 1700, OWED: 1700, NEW: 3700}),
        (500, {BEGUN: 500, NEW: 400}, {BESIDE: 0, BEGUN: 1000, OWED: 1000, NEW: 2600}),
        # What those that begin send comes on top, up to their own share.
        (500, {NEW: 3000}, {BESIDE: 0, BEGUN: 500, OWED: 500, NEW: 500}),
        (0, {BESIDE: 100, OWED: 1500}, {BESIDE: 400, BEGUN: 400, OWED: 400, NEW: 2400}),
        (0, {BEGUN: 1900}, {BESIDE: 100, BEGUN: 100, OWED: 100, NEW: 2100}),
        (4000, {}, {BESIDE: -3500, BEGUN: -2000, OWED: -2000, NEW: 0}),
    ],
)
def test_the_room_that_each_has(length, reserved, rooms):
    assert {filler: room_for(filler, bound=2000, length=length, reserved=reserved) for filler in Filler} == rooms


def test_however_small_the_bound_nobody_waits_for_ever():
    assert {room_for(filler, bound=1, length=0, reserved={}) for filler in Filler} == {1, 2}


def test_what_one_keeps_the_others_see_until_it_is_given_back_or_its_process_is_dead_for_long(client):
    first, second, third = (NotifyRoom(BOUND, lambda: 0, client) for _ in range(3))

    def rest() -> tuple[int, ...]:
        rooms = []
        for filler in Filler:
            with third.hold(filler, int) as size:
                rooms.append(size)
        return tuple(rooms)

    with first.hold(BEGUN, lambda room: room // 2), second.hold(NEW, lambda _: 7):
        assert rest() == (5, 10, 10, 23)
    assert rest() == (5, 20, 20, 40)
    now = int(client.time()[0])  # type: ignore[index]
    client.zadd("crawlpush:notify-room", {"40 begun dead": now - 1, "7 new alive": now + RESERVED_S})
    assert rest() == (5, 20, 20, 33)


def test_without_redis_the_length_of_the_queue_decides_alone():
    away = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2)
    for room in (NotifyRoom(BOUND, lambda: 15, away), NotifyRoom(BOUND, lambda: 15)):
        for _ in range(2):
            with room.hold(BEGUN, int) as size:
                assert size == 5
