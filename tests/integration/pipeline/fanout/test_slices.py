"""Fan-outs that share a notify queue: slices, turns, and the bound. Positions, and no clock."""

import random
import threading
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from queue import Queue

import pytest
from sqlalchemy import select, update

from pipeline.broker.notify_room import NotifyRoom
from pipeline.fanout.slices import RANGES, FanOuts, FanOutSettings, SliceEnd
from pipeline.fanout.synonyms import NONE, read_synonyms
from pipeline.resources import now
from storage import fanout_ranges, posts
from storage.models import FanOutRange, Notification, Post
from storage.session import Database
from tests.support.builders import NOW, add_site, add_user, found, stored_posts
from tests.support.waiting import wait_until

SETTINGS = FanOutSettings(slice_users=20, lease_s=60)
BOUND = 20
ROOM = NotifyRoom(10_000, lambda: 0)


class Line:
    """A notify queue whose messages are counted as they come."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[int, int]] = deque()
        self.all: list[tuple[int, int]] = []
        self.longest = 0
        self.fails = False

    def publish(self, keys: Sequence[tuple[int, int]]) -> None:
        if self.fails:
            raise ConnectionError("the broker is away")
        self.waiting.extend(keys)
        self.all.extend(keys)
        self.longest = max(self.longest, len(self.waiting))

    def drain(self, count: int) -> None:
        for _ in range(min(count, len(self.waiting))):
            self.waiting.popleft()


def fan_outs(database: Database, line: Line, settings: FanOutSettings = SETTINGS, *, bound: int = 10_000) -> FanOuts:
    return FanOuts(database, settings, room=NotifyRoom(bound, lambda: len(line.waiting)), publish=line.publish)


def posts_of(database: Database, *titles: str) -> list[int]:
    with database.writing() as session:
        return stored_posts(session, add_site(session), [found(n, title) for n, title in enumerate(titles)])


def readers(database: Database, phrase: str, count: int) -> None:
    with database.writing() as session:
        for number in range(count):
            add_user(session, f"{phrase}-{number}", phrase)


def test_a_post_with_ten_readers_does_not_wait_behind_one_with_many(database: Database) -> None:
    readers(database, "large", 200)
    readers(database, "small", 10)
    large, small = posts_of(database, "large", "small")
    line = Line()
    work = fan_outs(database, line, bound=BOUND)

    # Given a large fan-out that has filled the notify queue, and takes its place at the back whenever there is more
    turns = deque([large])
    assert work.next_slice(large) is SliceEnd.MORE
    assert work.next_slice(large) is SliceEnd.WAIT

    # When a small one comes, it goes next, with the queue as full as it may be
    turns.append(small)
    ends = {}
    while turns:
        post = turns.popleft()
        ends[post] = work.next_slice(post)
        if ends[post] in {SliceEnd.MORE, SliceEnd.WAIT}:
            turns.append(post)
        # The workers keep pace: a fifth of the bound between two turns.
        line.drain(4)

    # Then its last message stands within one bound and its own ten readers, and everybody has exactly one message
    positions = [place for place, (post, _) in enumerate(line.all) if post == small]
    assert len(positions) == 10
    assert max(positions) < BOUND + SETTINGS.slice_users + 10
    assert sorted(line.all) == sorted(set(line.all))
    assert len(line.all) == 210
    assert line.longest <= 2 * BOUND


def test_a_post_whose_readers_take_several_slices_is_sent_later_than_one_that_few_want(database: Database) -> None:
    readers(database, "large", 50)
    readers(database, "small", 19)
    large, small = posts_of(database, "large", "small")
    at_once, later = Line(), Line()
    settings = FanOutSettings(slice_users=20, lease_s=60)
    work = FanOuts(database, settings, room=ROOM, publish=at_once.publish, publish_later=later.publish)
    ends = [work.next_slice(post) for post in (large, large, large, small)]
    assert ends == [SliceEnd.MORE, SliceEnd.MORE, SliceEnd.DONE, SliceEnd.DONE]
    assert [post for post, _ in later.all] == [large] * 50
    assert [post for post, _ in at_once.all] == [small] * 19


def test_the_queue_holds_a_bounded_number_of_messages_whatever_the_audience(database: Database) -> None:
    readers(database, "large", 200)
    posts = posts_of(database, "large", "also large", "as large")
    line = Line()
    work = fan_outs(database, line, bound=BOUND)
    turns = deque(posts)
    while turns:
        post = turns.popleft()
        if work.next_slice(post) in {SliceEnd.MORE, SliceEnd.WAIT}:
            turns.append(post)
        line.drain(7)
    assert len(set(line.all)) == len(line.all) == 600
    assert line.longest <= 2 * BOUND


def test_a_fan_out_that_dies_goes_on_from_its_cursor(database: Database) -> None:
    readers(database, "large", 50)
    (post,) = posts_of(database, "large")
    line = Line()
    work = fan_outs(database, line)
    assert work.next_slice(post) is SliceEnd.MORE

    # When the messages of the second slice cannot be sent
    line.fails = True
    with pytest.raises(ConnectionError):
        work.next_slice(post)
    with database.reading() as session:
        assert len(session.scalars(select(Notification.id)).all()) == 40

    # Then the slice is done again, and nobody is left out or sent for twice
    line.fails = False
    assert [work.next_slice(post) for _ in range(2)] == [SliceEnd.MORE, SliceEnd.DONE]
    assert len(set(line.all)) == len(line.all) == 50
    with database.reading() as session:
        assert session.get_one(Post, post).matched_users == 50
    assert work.next_slice(post) is SliceEnd.NOTHING


def test_a_process_that_was_killed_leaves_a_lease_that_nobody_passes(database: Database) -> None:
    readers(database, "large", 5)
    (post,) = posts_of(database, "large")

    class KilledError(BaseException):
        pass

    line = Line()
    work = fan_outs(database, line, FanOutSettings(slice_users=2, lease_s=60))
    with pytest.MonkeyPatch.context() as patch:
        # SIGKILL runs no handler: the lease stays as it was.
        patch.setattr("storage.posts.hand_back_fan_out", lambda *_a, **_k: None)
        patch.setattr(line, "publish", lambda _keys: (_ for _ in ()).throw(KilledError))
        broken = fan_outs(database, line, FanOutSettings(slice_users=2, lease_s=60))
        with pytest.raises(KilledError):
            broken.next_slice(post)
    assert work.next_slice(post) is SliceEnd.NOTHING


WIDE = FanOutSettings(slice_users=5, lease_s=60, split_slices=3)


def wide_post(database: Database) -> tuple[int, set[int]]:
    """A post for 52 of 80 people, who are not spread evenly; and who they are."""
    with database.writing() as session:
        users = [add_user(session, f"user-{n}", "large" if n < 24 or n % 2 else "other").id for n in range(80)]
    (post,) = posts_of(database, "large")
    return post, {user for n, user in enumerate(users) if n < 24 or n % 2}


def served(database: Database, post: int) -> list[int]:
    """Whom the post was found for, once it is over and nothing of its ranges is left."""
    with database.reading() as session:
        row = session.get_one(Post, post)
        users = session.scalars(select(Notification.user_id).order_by(Notification.user_id)).all()
        assert (row.fanout, row.matched_users) == ("done", len(users))
        assert session.scalars(select(FanOutRange)).all() == []
        return list(users)


def test_one_dispatcher_alone_serves_all_ranges_of_a_post_that_was_split(database: Database) -> None:
    post, wanted = wide_post(database)
    line = Line()
    work = fan_outs(database, line, WIDE)
    assert work.next_slice(post) is SliceEnd.SPLIT
    with database.reading() as session:
        assert len(session.scalars(select(FanOutRange)).all()) == RANGES
    # One message goes from range to range, and begins again at the back of the queue each time.
    ends = [work.next_slice(post) for _ in range(40)]
    first = ends.index(SliceEnd.DONE)
    assert set(ends[:first]) == {SliceEnd.MORE}
    assert set(ends[first + 1 :]) == {SliceEnd.NOTHING}
    assert served(database, post) == sorted(wanted)
    assert sorted(user for _, user in line.all) == sorted(wanted)


def test_several_dispatchers_serve_a_post_side_by_side_and_each_reader_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(4)]
    post, wanted = wide_post(databases[0])
    line, messages, lock = Line(), Queue[int | None](), threading.Lock()
    publishing, side_by_side = set[int](), threading.Event()

    def publish(keys: Sequence[tuple[int, int]]) -> None:
        with lock:
            is_split = bool(line.all)
            publishing.add(threading.get_ident())
            line.publish(keys)
            if len(publishing) > 1:
                side_by_side.set()
        # Once the post is split, the first one waits here for another.
        assert not is_split or side_by_side.wait(60)
        with lock:
            publishing.discard(threading.get_ident())

    def dispatch(database: Database) -> None:
        work = FanOuts(database, WIDE, room=ROOM, publish=publish)
        while (message := messages.get()) is not None:
            try:
                end = work.next_slice(message)
                for _ in range({SliceEnd.SPLIT: RANGES, SliceEnd.MORE: 1}.get(end, 0)):
                    messages.put(message)
            finally:
                messages.task_done()

    messages.put(post)
    threads = [threading.Thread(target=dispatch, args=(each,), daemon=True) for each in databases]
    for thread in threads:
        thread.start()
    wait_until(lambda: not messages.unfinished_tasks, "every message is done with")
    for _ in threads:
        messages.put(None)
    for thread in threads:
        thread.join()
    assert served(databases[0], post) == sorted(wanted)
    assert sorted(user for _, user in line.all) == sorted(wanted)
    assert side_by_side.is_set()
    for each in databases:
        each.close()


class KilledError(BaseException):
    """SIGKILL, after which no handler runs."""


@pytest.mark.parametrize("seed", range(3))
def test_a_split_fan_out_reaches_everybody_once_whatever_dies_or_comes_twice(database: Database, seed: int) -> None:
    post, wanted = wide_post(database)
    line, chance = Line(), random.Random(seed)
    messages, deaths = deque([post]), 0

    def maybe_killed(keys: Sequence[tuple[int, int]]) -> None:
        if (chosen := chance.random()) < 0.15:
            raise KilledError
        line.publish(keys)
        if chosen < 0.3:
            raise KilledError

    work = FanOuts(database, WIDE, room=ROOM, publish=maybe_killed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("storage.posts.hand_back_fan_out", lambda *_a, **_k: None)
        for _ in range(500):
            if not messages:
                # A minute passes: nobody holds what the dead held, and the sweep sends for what is owed.
                with database.writing() as session:
                    session.execute(update(FanOutRange).values(lease_until=NOW))
                    session.execute(update(Post).values(fanout_lease_until=NOW))
                    messages.extend(posts.stranded(session, enqueued_before=now() + timedelta(days=1), now=now()))
                if not messages:
                    break
            number = messages.popleft()
            try:
                end = work.next_slice(number)
            except KilledError:
                # Its message is lost with it.
                deaths += 1
            else:
                again = {SliceEnd.SPLIT: RANGES, SliceEnd.MORE: 1}.get(end, 0)
                messages.extend([number] * (again + (chance.random() < 0.1)))
    assert deaths
    assert served(database, post) == sorted(wanted)
    assert {user for _, user in line.all} == wanted


def test_what_is_swept_of_a_split_post_is_one_message_for_each_range_that_nobody_holds(database: Database) -> None:
    post, _ = wide_post(database)
    work = fan_outs(database, Line(), WIDE)
    assert work.next_slice(post) is SliceEnd.SPLIT
    later = now() + timedelta(days=1)
    with database.writing() as session:
        assert posts.stranded(session, enqueued_before=later, now=now()) == [post] * RANGES
        assert fanout_ranges.take(session, post, token="x", now=now(), lease_until=later)
        assert posts.stranded(session, enqueued_before=later, now=now()) == [post] * (RANGES - 1)


def test_a_split_post_that_is_begun_anew_forgets_its_ranges(database: Database) -> None:
    post, wanted = wide_post(database)
    line = Line()
    work = fan_outs(database, line, WIDE)
    assert [work.next_slice(post) for _ in range(3)] == [SliceEnd.SPLIT, SliceEnd.MORE, SliceEnd.MORE]
    with database.writing() as session:
        posts.reopen_fan_out(session, post, now=now())
    ends = [work.next_slice(post) for _ in range(40)]
    assert ends[0] is SliceEnd.SPLIT
    assert SliceEnd.DONE in ends
    assert served(database, post) == sorted(wanted)


@pytest.mark.parametrize(
    ("bound", "room", "kind", "size"),
    [
        (2000, 2000, "alone", 2000),
        (2000, 1500, "alone", 1500),
        (2000, 249, "alone", 0),
        (2000, -3000, "alone", 0),
        (2000, 2000, "shared", 1000),
        (2000, 500, "shared", 250),
        (2000, 400, "shared", 0),
        (2000, 4000, "shared", 2000),
        # A bound below a slice makes the slices smaller.
        (10, 10, "alone", 10),
        (10, 1, "alone", 1),
        (10, 0, "alone", 0),
        (1, 1, "shared", 1),
    ],
)
def test_the_size_of_a_slice(bound, room, kind, size):
    settings = FanOutSettings(slice_users=2000, lease_s=60)
    assert settings.size(room, bound=bound, alone=kind == "alone") == size


def test_a_change_of_the_synonyms_reaches_the_next_fan_out(database: Database) -> None:
    readers(database, "parttime", 2)
    first, second = posts_of(database, "a barista", "another barista")
    line, groups = Line(), [NONE]
    work = FanOuts(database, SETTINGS, room=ROOM, publish=line.publish, synonyms=lambda: groups[0])
    assert work.next_slice(first) is SliceEnd.DONE
    assert line.all == []
    groups[0] = read_synonyms('groups = [["parttime", "barista"]]')
    assert work.next_slice(second) is SliceEnd.DONE
    assert {post for post, _ in line.all} == {second}
    assert len(line.all) == 2
