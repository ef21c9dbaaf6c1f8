"""Fan-outs side by side, and one notify queue: never longer than its bound, on either broker."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import redis
from celery import Celery

from pipeline.broker.publish import publish_many, queue_length
from pipeline.celery import NOTIFY_QUEUE
from pipeline.fanout.room import RESERVED_S, Reservations, Reserved
from pipeline.fanout.slices import RANGES, FanOuts, FanOutSettings, SliceEnd
from storage.session import Database
from tests.integration.pipeline.broker.test_publish import app_of, take_all
from tests.support.builders import add_site, add_user, found, stored_posts

SETTINGS = FanOutSettings(slice_users=20, queue_max=20, lease_s=60, split_slices=3)
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
        work = FanOuts(database, SETTINGS, queue_length=look, publish=publish, reservations=Reservations(client))
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
    assert SETTINGS.queue_max // 2 <= max(longest["going on"]) <= SETTINGS.queue_max
    # Those that begin may fill it twice as far.
    assert max(longest["beginning"]) <= 2 * SETTINGS.queue_max
    database.close()


def test_what_one_keeps_the_others_see_until_it_is_given_back_or_its_process_is_dead_for_long(client):
    seen: list[Reserved] = []

    def half(others: Reserved) -> int:
        seen.append(others)
        return 20

    first, second, third = (Reservations(client) for _ in range(3))
    with first.hold("a", 40, begun=True, fits=half) as size, second.hold("b", 10, begun=False, fits=lambda _: 10):
        assert size == 20
        with third.hold("c", 20, begun=True, fits=half):
            pass
    with third.hold("c", 20, begun=True, fits=half):
        pass
    assert seen == [(0, 0), (20, 30), (0, 0)]
    now = int(client.time()[0])  # type: ignore[index]
    client.zadd("crawlpush:notify-room", {"40 begun dead": now - 1, "7 new alive": now + RESERVED_S})
    with first.hold("a", 20, begun=True, fits=half):
        pass
    assert seen[-1] == (0, 7)


def test_without_redis_the_length_of_the_queue_decides_alone():
    away = Reservations(redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2))
    for reservations in (away, away, Reservations(None)):
        with reservations.hold("a", 20, begun=True, fits=lambda others: 5 + others.all) as size:
            assert size == 5
