"""Whatever people want: each post is shown to each of them once, alone or in one digest, when it may ring, in time.

The database and the deliveries are the real ones, the clock is the test's; what may ring when is said by the oracle
(tests/support/waiting_oracle.py).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from pipeline.basics.preferences import Preferences
from pipeline.delivery import batch, lease, recording
from pipeline.delivery.asking import Timing
from pipeline.delivery.batch import Deliveries
from pipeline.delivery.timing import Reason
from pipeline.push.message import Message
from pipeline.push.outcome import Outcome
from storage import digests, notifications, users
from storage.matching import Hit
from storage.models import Notification, Site, User
from storage.session import Database
from storage.types import Base
from tests.integration.pipeline.delivery.story import Scripted, over
from tests.support.builders import add_site, found, stored_posts, subscribe
from tests.support.clock import Clock
from tests.support.waiting_oracle import Arrival, Person, latest, may_ring

BEGINS = (datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
"""Before both changes of the clock in Berlin, and before none."""
ZONES = ("Asia/Seoul", "Europe/Berlin", "America/New_York")
SPREAD = timedelta(minutes=10)
SECOND = timedelta(seconds=1)
NIGHTS = ((22 * 60, 8 * 60), (23 * 60 + 30, 7 * 60), (2 * 60 + 15, 2 * 60 + 45), (12 * 60, 13 * 60))
DAYS = (frozenset(range(7)), frozenset({4, 5}), frozenset({6}))


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A person, and the pace of what they subscribed to."""

    person: Person
    pace: str | None
    # Minutes after the begin: a snooze of two hours, its end, a pause.
    changes: tuple[tuple[int, str], ...] = ()


PERSONS = st.builds(
    Person,
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    quiet=st.lists(
        st.tuples(st.sampled_from(NIGHTS), st.sampled_from(DAYS)).map(lambda each: (*each[0], each[1])), max_size=2
    ).map(tuple),
    digests=st.sampled_from(((), (8 * 60,), (7 * 60, 18 * 60), (21 * 60 + 55,), (2 * 60 + 30,))),
    cap=st.sampled_from((None, None, 1, 2)),
    urgent_passes=st.booleans(),
)
WISHES = st.builds(
    Wish,
    person=PERSONS,
    pace=st.sampled_from((None, None, "now", "hourly", "daily", "inbox")),
    changes=st.just(())
    | st.lists(
        st.tuples(st.integers(0, 2_000), st.sampled_from(("snooze", "awake", "pause"))), min_size=1, max_size=3
    ).map(tuple),
)
POSTS = st.lists(st.tuples(st.integers(0, 2_000), st.booleans()), min_size=1, max_size=8)


@dataclass
class Phones(Scripted):
    """The channel of everybody, which remembers when something was shown."""

    clock: Clock
    shown: list[tuple[datetime, Message]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def send(self, messages: Sequence[Message], deadline_s: float, *, validate_only: bool = False) -> list[Outcome]:
        self.shown += [(self.clock.at, message) for message in messages]
        return super().send(messages, deadline_s, validate_only=validate_only)


class World:
    """Some people, two sites, one of them urgent, and the time from the first post to the last push."""

    def __init__(self, database: Database, wishes: Sequence[Wish], begin: datetime) -> None:
        self.database, self.wishes, self.begin = database, wishes, begin
        self.clock = Clock(begin)
        self.phones = Phones(self.clock)
        self.timing = Timing(spread_s=SPREAD.total_seconds())
        self.deliveries = Deliveries(database, over(self.phones), lease_s=20.0, timing=self.timing)
        self.posts: dict[int, Arrival] = {}
        with database.writing() as session:
            self.sites = {urgent: add_site(session, f"site-{urgent}", urgent=urgent).id for urgent in (False, True)}
            self.users = [self._add(session, number, wish) for number, wish in enumerate(wishes)]

    def _add(self, session: Any, number: int, wish: Wish) -> int:
        user = users.add(session, str(number), timezone=wish.person.zone.key, now=self.begin)
        users.register_device(session, user.id, platform="fcm", token=str(number), environment=None, now=self.begin)
        user.preferences = kept(wish.person) or None
        for site_id in self.sites.values():
            subscribe(session, user, None, site_id=site_id, pace=wish.pace)
        return user.id

    def comes(self, *, urgent: bool) -> None:
        """A post is stored, fanned out, and what may ring at once is sent."""
        with self.database.writing() as session:
            site = session.get_one(Site, self.sites[urgent])
            (post_id,) = stored_posts(session, site, [found(len(self.posts))])
            made = notifications.create_slice(
                session,
                post_id,
                Hit(site_id=site.id, title_ids=[], all_ids=[], match_body=False),
                after=0,
                size=100,
                now=self.clock.at,
                ask=self.timing.asker(ttl_s=site.ttl_s, urgent=urgent, now=self.clock.at),
            )
        self.posts[post_id] = Arrival(at=self.clock.at, urgent=urgent)
        self.deliveries.deliver([(post_id, user_id) for user_id in made.users])

    def changes(self, user_id: int, what: str) -> None:
        """A person changes what they want."""
        until = self.clock.at + timedelta(hours=2) if what == "snooze" else None
        values = {"paused": True} if what == "pause" else {"snooze_until": until}
        with self.database.writing() as session:
            session.execute(update(User).where(User.id == user_id).values(**values))
            self.timing.change(session, user_id, now=self.clock.at)

    def tick(self) -> None:
        """What the tick of five seconds does."""
        with self.database.writing() as session:
            formed = digests.form(session, now=self.clock.at, limit=1000)
            leads = digests.leads(session, formed.digests)
            due = notifications.due(session, now=self.clock.at, lost_before=self.clock.at, limit=1000)
        self.deliveries.deliver([*leads.values(), *due])

    def run(self, events: Sequence[tuple[int, str, int]]) -> None:
        """Until nobody waits any more; each event is minutes after the begin, what, and whose."""
        waiting = sorted(events, reverse=True)
        for _ in range(1_000):
            following = [self.begin + timedelta(minutes=waiting[-1][0])] if waiting else []
            with self.database.reading() as session:
                pending = select(func.min(Notification.next_attempt_at)).where(Notification.status == "pending")
                following += [at for at in [session.scalar(pending)] if at is not None]
            if not following:
                return
            self.clock.at = max(self.clock.at + SECOND, min(following))
            while waiting and self.begin + timedelta(minutes=waiting[-1][0]) <= self.clock.at:
                _, what, whose = waiting.pop()
                if what == "post":
                    self.comes(urgent=bool(whose))
                else:
                    self.changes(self.users[whose], what)
            self.tick()
        raise AssertionError("it never ends")

    def outcomes(self) -> dict[tuple[int, int], str | None]:
        """Why each notification was not sent, by post and user; None for those that were."""
        with self.database.reading() as session:
            rows = session.scalars(select(Notification)).all()
        return {
            (row.post_id, row.user_id): None if row.status == "sent" else f"{row.status} {row.reason}" for row in rows
        }


def kept(person: Person) -> dict[str, Any]:
    """The form of `users.preferences`."""
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    said = {
        "quiet": [
            {"start": clock(begin), "end": clock(end), "days": [names[day] for day in sorted(days)]}
            for begin, end, days in person.quiet
        ],
        "digests": [clock(at) for at in person.digests],
        "daily_cap": person.cap,
        "urgent_passes": person.urgent_passes,
    }
    Preferences.from_json(said)
    return {name: value for name, value in said.items() if value}


def clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def told(message: Message) -> list[int]:
    """The posts that a message is about."""
    if message.tag.startswith("digest-"):
        return [int(number) for number in message.data["post_ids"].split(",")]
    return [int(message.tag.removeprefix("post-"))]


def check(world: World) -> None:
    """Compare what the phones showed with what they should."""
    shown = Counter((post, int(m.token)) for _, m in world.phones.shown for post in told(m))
    for (post_id, user_id), why in world.outcomes().items():
        number = world.users.index(user_id)
        wish, post = world.wishes[number], world.posts[post_id]
        assert shown.pop((post_id, number), 0) == (why is None), (post_id, number, why)
        reason = (why or "").removeprefix("skipped ")
        assert why is None or reason in {Reason.EXPIRED, Reason.PAUSED, Reason.INBOX}, why
        assert reason != Reason.PAUSED or wish.changes
        assert (reason == Reason.INBOX) == (wish.pace == "inbox" and reason != Reason.PAUSED)
    assert not shown
    for at, message in world.phones.shown:
        wish = world.wishes[int(message.token)]
        posts = [world.posts[post_id] for post_id in told(message)]
        urgent = any(post.urgent for post in posts)
        assert may_ring(wish.person, Arrival(at=at, urgent=urgent), at), (at, message)
        for post in [] if wish.changes else posts:
            assert at <= deadline(wish, post), (at, post, message)


def deadline(wish: Wish, post: Arrival) -> datetime:
    """With the cap reached or not: a test that knew would have to count as the product does."""
    moments = [
        latest(wish.person, Arrival(at=post.at, urgent=post.urgent, pace=wish.pace, rang_today=rang), SPREAD)
        for rang in (0, wish.person.cap or 0)
    ]
    assert None not in moments
    return max(moment for moment in moments if moment) + timedelta(minutes=1)


def live(wishes: Sequence[Wish], posts: Sequence[tuple[int, bool]], begin: datetime) -> None:
    events = [(at, "post", int(urgent)) for at, urgent in posts]
    events += [(at, what, number) for number, wish in enumerate(wishes) for at, what in wish.changes]
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        database = Database(f"sqlite:///{Path(folder) / 'world.db'}")
        Base.metadata.create_all(database.engine)
        world = World(database, wishes, begin)
        for module in (batch, lease, recording):
            patch.setattr(module, "now", world.clock)
        try:
            world.run(events)
            check(world)
        finally:
            database.close()


@settings(max_examples=8)
@given(st.lists(WISHES, min_size=1, max_size=3), POSTS, st.sampled_from(BEGINS))
def test_each_post_is_shown_once_to_each_when_it_may_ring_and_in_time(wishes, posts, begin):
    note(f"{begin} {wishes} {posts}")
    live(wishes, posts, begin)


@pytest.mark.full
@settings(max_examples=150)
@given(st.lists(WISHES, min_size=1, max_size=4), POSTS, st.sampled_from(BEGINS))
def test_the_same_of_many_more_worlds(wishes, posts, begin):
    note(f"{begin} {wishes} {posts}")
    live(wishes, posts, begin)
