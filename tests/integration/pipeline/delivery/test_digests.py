"""What waits for a person's time and then goes as one message, on both databases."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import time, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from pipeline.basics.preferences import Preferences
from pipeline.delivery.asking import Timing
from pipeline.delivery.batch import Deliveries
from pipeline.resources import now
from storage import digests, notifications, overview, pauses, sites, users
from storage.matching import Hit
from storage.models import Delivery, Device, Digest, Notification, Post, Site, Subscription, User
from storage.notifications import Key
from storage.session import Database
from tests.integration.pipeline.delivery.story import BUSY, Scripted, over
from tests.support.builders import add_site, add_user, found, stored_posts, subscribe

LATER = timedelta(hours=1)


@dataclass
class House:
    """A site with posts for Minji, whose phone is a Scripted channel."""

    database: Database
    timing: Timing = field(default_factory=Timing)
    fcm: Scripted = field(default_factory=Scripted)
    inbox_link: str = "app://inbox"

    def __post_init__(self) -> None:
        self.deliveries = Deliveries(
            self.database, over(self.fcm), lease_s=20.0, timing=self.timing, inbox_link=self.inbox_link
        )
        with self.database.writing() as session:
            self.site_id = add_site(session).id
            user = add_user(session, "minji", platform="fcm")
            # Where it is about noon: a day that ends in the middle of a test is another day's cap.
            user.timezone = f"Etc/GMT{now().hour - 12:+d}"
            subscribe(session, user, None, site_id=self.site_id)
            self.user_id = user.id

    def says(self, **columns: Any) -> None:
        """Minji changes what she wants."""
        with self.database.writing() as session:
            session.execute(update(User).where(User.id == self.user_id).values(**columns))
            self.timing.change(session, self.user_id, now=now())

    def paces(self, pace: str | None) -> None:
        with self.database.writing() as session:
            session.execute(update(Subscription).values(pace=pace))
            self.timing.change(session, self.user_id, now=now())

    def posts(self, *titles: str, site_id: int | None = None, urgent: bool = False) -> list[Key]:
        """Fan out posts; returns what is sent for at once."""
        at, keys = now(), []
        with self.database.writing() as session:
            site = session.get_one(Site, site_id or self.site_id)
            count = len(session.scalars(select(Post.id)).all())
            for number, title in enumerate(titles):
                (post_id,) = stored_posts(session, site, [found(count + number, title)])
                hit = Hit(site_id=site.id, title_ids=[], all_ids=[], match_body=False)
                ask = self.timing.asker(ttl_s=site.ttl_s, urgent=urgent, now=at)
                made = notifications.create_slice(
                    session, post_id, hit, after=0, size=9, now=at, ask=ask, everybody=self.timing.for_everybody
                )
                keys += [(post_id, user_id) for user_id in made.users]
        return keys

    def tick(self) -> list[str | None]:
        """Make digests of what is due, and send them."""
        with self.database.writing() as session:
            formed = digests.form(session, now=now(), limit=100)
            leads = digests.leads(session, formed.digests)
        return self.deliver([leads[number] for number in formed.digests])

    def deliver(self, keys: Sequence[Key]) -> list[str | None]:
        done = self.deliveries.deliver(keys)
        return [done.get(key) for key in keys]

    def due(self) -> list[Key]:
        with self.database.writing() as session:
            return notifications.due(session, now=now(), lost_before=now(), limit=100)

    def rows(self) -> list[tuple[str, str | None]]:
        with self.database.reading() as session:
            return [(row.status, row.reason) for row in session.scalars(select(Notification).order_by(Notification.id))]

    def seen(self) -> list[tuple[str, str, str]]:
        return [(message.tag, message.title, message.body) for message in self.fcm.sent]


@pytest.fixture
def house(database: Database) -> Callable[..., House]:
    return lambda **options: House(database, **options)


def test_a_subscription_for_now_rings_beside_digests(house: Callable[..., House]) -> None:
    minji = house()
    minji.says(preferences={"digests": ["08:00"]})
    minji.paces("now")
    assert minji.deliver(minji.posts("A")) == ["sent"]


def test_what_waited_goes_as_one_when_the_snooze_ends(house: Callable[..., House]) -> None:
    minji = house()
    minji.says(snooze_until=now() + LATER)
    assert minji.posts("A", "B", "C", "D", "E") == []
    assert minji.rows() == [("pending", "snooze")] * 5
    assert minji.tick() == minji.due() == []
    minji.says(snooze_until=None)
    assert minji.tick() == ["sent"]
    assert minji.seen() == [("digest-1", "5 new", "A, B, C and 2 more")]
    (message,) = minji.fcm.sent
    assert (message.interruption, message.category, message.url, message.badge) == (
        "passive",
        "digest",
        "app://inbox",
        5,
    )
    assert minji.rows() == [("sent", None)] * 5
    assert minji.tick() == minji.due() == []
    with minji.database.reading() as session:
        assert session.scalars(select(Digest.closed_at)).one() is not None


def test_one_that_waited_alone_goes_as_itself(house: Callable[..., House]) -> None:
    minji = house()
    minji.says(snooze_until=now() + LATER)
    minji.posts("A")
    minji.says(snooze_until=None)
    assert minji.tick() == ["sent"]
    assert [(tag, title) for tag, title, _ in minji.seen()] == [("post-1", "A")]


def test_a_digest_speaks_the_language_of_the_device(house: Callable[..., House]) -> None:
    minji = house()
    minji.says(snooze_until=now() + LATER)
    minji.posts("장학금", "기숙사", "수강신청", "휴강")
    with minji.database.writing() as session:
        session.execute(update(Device).values(locale="ko-KR"))
    minji.says(snooze_until=None)
    minji.tick()
    assert minji.seen() == [("digest-1", "새 글 4개", "장학금, 기숙사, 수강신청 외 1개")]


def test_nobody_is_asked_who_said_nothing(house: Callable[..., House]) -> None:
    minji = house()
    assert minji.deliver(minji.posts("A", "B")) == ["sent", "sent"]


def test_the_installation_speaks_for_those_who_said_nothing(house: Callable[..., House]) -> None:
    minji = house(timing=Timing(Preferences(digests=(time(14),))))
    assert minji.posts("A") == []
    assert minji.rows() == [("pending", "digest")]
    minji.says(preferences={"digests": []})
    assert minji.tick() == ["sent"]


@pytest.mark.parametrize(
    ("pace", "row"), [("hourly", ("pending", "hourly pace")), ("inbox", ("skipped", "inbox pace"))]
)
def test_a_subscription_has_a_pace(house: Callable[..., House], pace: str, row: tuple[str, str]) -> None:
    minji = house()
    minji.paces(pace)
    assert minji.posts("A") == []
    assert minji.rows() == [row]
    minji.paces(None)
    assert minji.tick() == (["sent"] if pace == "hourly" else [])


def test_what_is_over_the_cap_joins_the_next_digest(house: Callable[..., House]) -> None:
    minji = house()
    minji.says(preferences={"daily_cap": 2})
    keys = minji.posts("A", "B", "C", "D")
    assert minji.deliver(keys) == ["sent", "sent", "pending", "pending"]
    assert minji.rows()[2:] == [("pending", "daily cap")] * 2
    assert minji.deliver(minji.posts("E")) == ["pending"]
    minji.says(preferences={"daily_cap": 3})
    assert minji.rows()[2:] == [("pending", "digest")] * 3
    assert minji.tick() == ["sent"]
    assert minji.seen()[-1] == ("digest-1", "3 new", "C, D and E")
    # A digest is one push.
    assert minji.deliver(minji.posts("F")) == ["pending"]


def test_a_paused_user_gets_nothing(house: Callable[..., House]) -> None:
    minji = house()
    keys = minji.posts("A")
    minji.says(snooze_until=now() + LATER)
    minji.posts("B")
    minji.says(paused=True)
    assert minji.deliver(keys) == ["skipped"]
    assert minji.tick() == []
    assert minji.rows() == [("skipped", "user paused")] * 2


def test_who_snoozes_while_a_post_is_on_its_way_is_not_rung(house: Callable[..., House]) -> None:
    minji = house()
    keys = minji.posts("A", "B")
    minji.says(snooze_until=now() + LATER)
    assert minji.deliver(keys) == ["pending", "pending"]
    # A repeated message finds nothing to do, also when the time has come.
    minji.says(snooze_until=None)
    assert minji.deliver(keys) == [None, None]
    assert minji.tick() == ["sent"]
    assert minji.seen() == [("digest-1", "2 new", "A and B")]


def test_a_digest_that_is_on_its_way_waits_for_the_snooze_too(house: Callable[..., House]) -> None:
    minji = house()
    minji.says(snooze_until=now() + LATER)
    minji.posts("A", "B")
    minji.says(snooze_until=None)
    with minji.database.writing() as session:
        formed = digests.form(session, now=now(), limit=100)
        (lead,) = digests.leads(session, formed.digests).values()
    minji.says(snooze_until=now() + LATER)
    assert minji.deliver([lead]) == ["pending"]
    assert minji.tick() == minji.due() == []
    minji.says(snooze_until=None)
    assert minji.due() == [lead]
    assert minji.deliver([lead]) == ["sent"]
    assert [tag for tag, _, _ in minji.seen()] == ["digest-1"]


def test_a_digest_is_tried_again_with_its_tag_and_what_comes_meanwhile_waits(house: Callable[..., House]) -> None:
    minji = house(fcm=Scripted(BUSY))
    minji.says(snooze_until=now() + LATER)
    minji.posts("A", "B")
    minji.says(snooze_until=None)
    assert minji.tick() == ["pending"]
    # What goes with it is not overdue meanwhile.
    with minji.database.reading() as session:
        assert (overview.owed(session).due_since or now()) > now()
    minji.says(snooze_until=now() + LATER)
    minji.posts("C")
    minji.says(snooze_until=None)
    with minji.database.writing() as session:
        session.execute(update(Notification).values(next_attempt_at=now()))
        session.execute(update(Delivery).values(next_attempt_at=None))
    assert minji.deliver(minji.due()) == ["sent"]
    assert minji.tick() == ["sent"]
    assert [tag for tag, _, _ in minji.seen()] == ["digest-1", "digest-1", "post-3"]


def test_what_may_be_on_a_phone_already_is_told_in_no_digest(house: Callable[..., House]) -> None:
    minji = house(fcm=Scripted(BUSY))
    assert minji.deliver(minji.posts("A")) == ["pending"]
    minji.says(snooze_until=now() + LATER)
    with minji.database.writing() as session:
        session.execute(update(Notification).values(next_attempt_at=now()))
    assert minji.deliver([(1, minji.user_id)]) == ["pending"]
    minji.posts("B")
    minji.says(snooze_until=None)
    assert minji.tick() == ["sent"]
    with minji.database.writing() as session:
        session.execute(update(Delivery).values(next_attempt_at=None))
    assert minji.deliver(minji.due()) == ["sent"]
    assert [tag for tag, _, _ in minji.seen()] == ["post-1", "post-2", "post-1"]


def test_what_is_too_old_is_in_the_inbox_only(house: Callable[..., House]) -> None:
    minji = house()
    minji.says(snooze_until=now() + LATER)
    minji.posts("A", "B", "C")
    with minji.database.writing() as session:
        old = now() - timedelta(days=4)
        session.execute(update(Notification).where(Notification.id == 1).values(created_at=old))
    minji.says(snooze_until=None)
    assert minji.tick() == ["sent"]
    assert minji.rows() == [("skipped", "too old"), ("sent", None), ("sent", None)]
    assert minji.seen() == [("digest-1", "2 new", "B and C")]


def test_a_digest_waits_for_the_pause_of_any_of_its_sites(house: Callable[..., House]) -> None:
    minji = house()
    with minji.database.writing() as session:
        other = add_site(session, "other").id
        subscribe(session, session.get_one(User, minji.user_id), None, site_id=other)
    minji.says(snooze_until=now() + LATER)
    minji.posts("A")
    minji.posts("B", site_id=other)
    minji.says(snooze_until=None)
    scope = pauses.Scope(activity="push", site="other")
    with minji.database.writing() as session:
        pauses.begin(session, scope, now=now())
    assert minji.tick() == ["pending"]
    with minji.database.writing() as session:
        pauses.end(session, scope, now=now())
    assert minji.deliver(minji.due()) == ["sent"]
    assert minji.seen() == [("digest-1", "2 new", "A and B")]


def test_a_digest_whose_lead_goes_with_its_site_is_led_by_another(house: Callable[..., House]) -> None:
    minji = house()
    with minji.database.writing() as session:
        other = add_site(session, "other").id
        subscribe(session, session.get_one(User, minji.user_id), None, site_id=other)
    minji.says(snooze_until=now() + LATER)
    minji.posts("A", site_id=other)
    minji.posts("B", "C")
    minji.says(snooze_until=None)
    with minji.database.writing() as session:
        digests.form(session, now=now(), limit=100)
        sites.remove(session, "other", now=now())
    with minji.database.writing() as session:
        assert digests.mend(session, now=now() + LATER) == 1
    assert minji.deliver(minji.due()) == ["sent"]
    assert minji.seen() == [("digest-1", "2 new", "B and C")]


def test_no_device_for_a_digest_is_no_device_for_each_of_it(house: Callable[..., House]) -> None:
    minji = house()
    minji.says(snooze_until=now() + LATER)
    minji.posts("A", "B")
    minji.says(snooze_until=None)
    with minji.database.writing() as session:
        for device, _ in users.devices(session, user_id=minji.user_id, limit=None):
            users.remove_device(session, device.id)
    assert minji.tick() == ["skipped"]
    assert minji.rows() == [("skipped", "no device")] * 2
