"""Fan-outs that share a notify queue: slices, turns, and the bound. Positions, and no clock."""

from collections import deque
from collections.abc import Iterator, Sequence

import pytest
from sqlalchemy import select

from pipeline.fanout.slices import FanOuts, FanOutSettings, SliceEnd
from pipeline.fanout.synonyms import NONE, read_synonyms
from storage.models import Notification, Post
from storage.session import Database
from tests.support.builders import add_site, add_user, found, stored_posts

SETTINGS = FanOutSettings(slice_users=20, queue_max=20, lease_s=60)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


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


def fan_outs(database: Database, line: Line, settings: FanOutSettings = SETTINGS) -> FanOuts:
    return FanOuts(database, settings, queue_length=lambda: len(line.waiting), publish=line.publish)


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
    work = fan_outs(database, line)

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
    assert max(positions) < SETTINGS.queue_max + SETTINGS.slice_users + 10
    assert sorted(line.all) == sorted(set(line.all))
    assert len(line.all) == 210
    assert line.longest <= 2 * SETTINGS.queue_max


def test_the_queue_holds_a_bounded_number_of_messages_whatever_the_audience(database: Database) -> None:
    readers(database, "large", 200)
    posts = posts_of(database, "large", "also large", "as large")
    line = Line()
    work = fan_outs(database, line)
    turns = deque(posts)
    while turns:
        post = turns.popleft()
        if work.next_slice(post) in {SliceEnd.MORE, SliceEnd.WAIT}:
            turns.append(post)
        line.drain(7)
    assert len(set(line.all)) == len(line.all) == 600
    assert line.longest <= 2 * SETTINGS.queue_max


def test_a_fan_out_that_dies_goes_on_from_its_cursor(database: Database) -> None:
    readers(database, "large", 50)
    (post,) = posts_of(database, "large")
    line = Line()
    work = fan_outs(database, line, FanOutSettings(slice_users=20, queue_max=1000, lease_s=60))
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
    work = fan_outs(database, line, FanOutSettings(slice_users=2, queue_max=1000, lease_s=60))
    with pytest.MonkeyPatch.context() as patch:
        # SIGKILL runs no handler: the lease stays as it was.
        patch.setattr("storage.posts.hand_back_fan_out", lambda *_a, **_k: None)
        patch.setattr(line, "publish", lambda _keys: (_ for _ in ()).throw(KilledError))
        broken = fan_outs(database, line, FanOutSettings(slice_users=2, queue_max=1000, lease_s=60))
        with pytest.raises(KilledError):
            broken.next_slice(post)
    assert work.next_slice(post) is SliceEnd.NOTHING


@pytest.mark.parametrize(
    ("length", "begun", "room"),
    [
        (0, True, 2000),
        (500, True, 1500),
        (1751, True, 0),
        (5000, True, 0),
        (2000, False, 2000),
        (3000, False, 1000),
        (3751, False, 0),
    ],
)
def test_the_room_of_a_slice(length: int, begun: bool, room: int) -> None:
    settings = FanOutSettings(slice_users=2000, queue_max=2000, lease_s=60)
    assert settings.room(length=length, begun=begun) == room


def test_a_bound_below_a_slice_makes_the_slices_smaller() -> None:
    settings = FanOutSettings(slice_users=2000, queue_max=10, lease_s=60)
    assert settings.room(length=0, begun=True) == 10
    assert settings.room(length=9, begun=True) == 1
    assert settings.room(length=10, begun=True) == 0


def test_a_change_of_the_synonyms_reaches_the_next_fan_out(database: Database) -> None:
    readers(database, "parttime", 2)
    first, second = posts_of(database, "a barista", "another barista")
    line, groups = Line(), [NONE]
    work = FanOuts(database, SETTINGS, queue_length=lambda: 0, publish=line.publish, synonyms=lambda: groups[0])
    assert work.next_slice(first) is SliceEnd.DONE
    assert line.all == []
    groups[0] = read_synonyms('groups = [["parttime", "barista"]]')
    assert work.next_slice(second) is SliceEnd.DONE
    assert {post for post, _ in line.all} == {second}
    assert len(line.all) == 2
