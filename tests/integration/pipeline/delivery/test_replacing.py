"""Edits that replace what phones show: silently, each device once for an edit, whatever dies, on both databases."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, update

from pipeline.delivery.batch import Deliveries
from pipeline.fanout.edits import REPLACED_MOST, look_at_edits
from pipeline.fanout.slices import FanOuts, FanOutSettings, SliceEnd
from pipeline.push.outcome import Outcome, OutcomeKind
from pipeline.resources import now
from pipeline.upkeep.sweeping import Broker, send_replacements
from storage import inbox, pauses, users
from storage.models import ChannelState, Delivery, Device, Notification, Post, PostEdit, Site, User
from storage.notifications import Key
from storage.pauses import Scope
from storage.session import Database
from tests.integration.pipeline.delivery.story import DELIVERED, REFUSED, Scripted, over
from tests.support.builders import add_site, closed_run, found, subscribe

BUSY = Outcome(kind=OutcomeKind.RETRY, code="503", answered=True)
DEAD = Outcome(kind=OutcomeKind.TOKEN_DEAD, code="UNREGISTERED", answered=True)
A_DAY = timedelta(days=1, minutes=1)


class Board:
    """A site whose edits replace what phones show, two readers with three phones, and processes whose turns we take."""

    def __init__(self, database: Database, **site: Any) -> None:
        self.database, self.fcm = database, Scripted()
        with database.writing() as session:
            self.site_id = add_site(session, **{"edits": "replace", **site}).id
            for name, phones in {"minji": 2, "jun": 1}.items():
                user = users.add(session, name, timezone="UTC", now=now())
                for number in range(phones):
                    users.register_device(
                        session, user.id, platform="fcm", token=f"{name}-{number}", environment=None, now=now()
                    )
                subscribe(session, user, None, site_id=self.site_id)
        self.sent: list[Key] = []
        self.deliveries = Deliveries(database, over(self.fcm), lease_s=20.0)
        settings = FanOutSettings(slice_users=10, queue_max=1000, lease_s=60)
        self._fan_outs = FanOuts(database, settings, queue_length=lambda: 0, publish=self.sent.extend)
        self._broker = Broker(
            publish=lambda _, keys: self.sent.extend((key[0], key[1]) for key in keys),
            oldest=lambda _: [],
            empty_at=lambda _: None,
            length=lambda _: 0,
            notify_queue_max=100,
        )

    def crawl(self, *titles: str, **values: Any) -> None:
        with self.database.writing() as session:
            site = session.get_one(Site, self.site_id)
            seen = [found(number, title, **values) for number, title in enumerate(titles)]
            closed_run(session, site, seen, fanout="ready", now=now())
        self._serve()

    def _serve(self) -> None:
        with self.database.reading() as session:
            ready = session.scalars(select(Post.id).where(Post.fanout == "ready")).all()
        for post in ready:
            while self._fan_outs.next_slice(post) is SliceEnd.MORE:
                pass

    def look(self) -> None:
        look_at_edits(self.database, self._fan_outs.matchers)
        self._serve()

    def push(self, *answers: Outcome) -> list[tuple[str, str]]:
        """Deliver what there is a message for or is due; token and title of what was sent."""
        send_replacements(self.database, self._broker)
        self.fcm.answers, self.fcm.sent = list(answers), []
        keys, self.sent[:] = list(self.sent), []
        if keys:
            self.deliveries.deliver(keys)
        return sorted((message.token, message.title) for message in self.fcm.sent)

    def edit(self, *titles: str, **values: Any) -> list[tuple[str, str]]:
        """Crawl an edit, look at it, and send what that leads to."""
        self.crawl(*titles, **values)
        self.look()
        return self.push()

    def rows(self, table: Any) -> Sequence[Any]:
        with self.database.reading() as session:
            return session.scalars(select(table)).all()

    def change(self, table: Any, **values: Any) -> None:
        with self.database.writing() as session:
            session.execute(update(table).values(**values))

    def later(self, span: timedelta) -> None:
        """What was, was so much earlier."""
        with self.database.writing() as session:
            for row in session.scalars(select(PostEdit)):
                row.replaced = [at - int(span.total_seconds()) for at in row.replaced]
                row.replace_at = row.replace_at and row.replace_at - span
            for each in session.scalars(select(Notification)):
                each.next_attempt_at -= span
                each.lease_until = each.lease_until and each.lease_until - span
            for delivery in session.scalars(select(Delivery).where(Delivery.next_attempt_at.is_not(None))):
                assert delivery.next_attempt_at is not None
                delivery.next_attempt_at -= span


def of_all(title: str) -> list[tuple[str, str]]:
    return [(token, title) for token in ("jun-0", "minji-0", "minji-1")]


@pytest.fixture
def board(database: Database) -> Callable[..., Board]:
    def make(**site: Any) -> Board:
        board = Board(database, ttl_s=10 * 86_400, **site)
        board.crawl("A")
        assert board.push() == of_all("A")
        return board

    return make


def test_an_edit_replaces_what_phones_show_and_nobody_is_rung(board: Callable[..., Board]) -> None:
    here = board()
    before = [(row.status, row.sent_at, row.attempts) for row in here.rows(Notification)]
    assert here.edit("B") == of_all("B")
    for message in here.fcm.sent:
        assert (message.tag, message.sound, message.badge, message.interruption) == ("post-1", None, None, "passive")
        assert message.data["replaces"] == "true"
    assert [(row.status, row.sent_at, row.attempts) for row in here.rows(Notification)] == before
    assert [(row.status, row.version) for row in here.rows(Delivery)] == [("delivered", 1)] * 3
    # Neither the next look, nor the next tick, nor a message that comes twice sends it again.
    here.look()
    here.sent += [(1, 1), (1, 2)]
    assert here.push() == []
    with here.database.reading() as session:
        assert inbox.unread(session, 1) == 1


@pytest.mark.parametrize(
    ("site", "title", "values", "replaces"),
    [
        ({"edits": "keep"}, "B", {}, False),
        ({}, "A", {"body": "new"}, True),
        # No message of this site says anything of the body.
        ({"push": {"body": "{site}"}}, "A", {"body": "new"}, False),
        ({}, " A\u200b ", {}, False),
        ({}, "A", {"author": "somebody"}, False),
    ],
)
def test_what_is_an_edit(
    board: Callable[..., Board], site: dict[str, Any], title: str, values: dict[str, Any], replaces: bool
) -> None:
    assert bool(board(**site).edit(title, **values)) is replaces


@pytest.mark.parametrize(
    ("table", "values", "reached"),
    [
        (User, {"paused": True}, False),
        (User, {"snooze_until": now() + timedelta(days=9)}, True),
        (User, {"preferences": {"quiet": [{"start": "00:00", "end": "23:59"}], "daily_cap": 1}}, True),
        (Device, {"disabled_at": now()}, False),
        (Notification, {"read_at": now()}, False),
        (Notification, {"dismissed_at": now()}, False),
        (Notification, {"opened_at": now()}, False),
        (Post, {"gone_at": now()}, False),
        (Site, {"ttl_s": 0}, False),
        (Site, {"max_age_s": 0}, False),
        (Delivery, {"status": "failed"}, False),
    ],
)
def test_who_is_shown_it(board: Callable[..., Board], table: Any, values: Any, reached: bool) -> None:
    here = board()
    here.change(table, **values)
    assert bool(here.edit("B")) is reached
    assert here.push() == []
    assert {row.to_show for row in here.rows(Notification)} == {None}


def test_a_digest_of_several_is_not_replaced_and_one_of_one_is(board: Callable[..., Board]) -> None:
    here = board()
    here.crawl("A", "other")
    here.push()
    minji = Notification.user_id == 1
    with here.database.writing() as session:
        session.execute(update(Notification).where(minji).values(digest_id=7))
        session.execute(update(Notification).where(~minji, Notification.post_id == 1).values(digest_id=8))
    assert here.edit("B", "other") == [("jun-0", "B")]


def test_what_was_edited_on_its_way_is_replaced_where_it_had_arrived(database: Database) -> None:
    here = Board(database)
    here.crawl("A")
    # One of Minji's phones gets it, the other is to get it later.
    assert here.push(DELIVERED, BUSY) == of_all("A")
    assert here.edit("B") == [("jun-0", "B")]
    here.later(timedelta(hours=1))
    here.sent += [(1, 1)]
    assert here.push() == [("minji-1", "B")]
    assert here.push() == [("minji-0", "B")]
    here.look()
    assert here.push() == []


def test_an_edit_war_is_four_a_day_and_the_latest_text_wins(board: Callable[..., Board]) -> None:
    here = board()
    told = [here.edit(f"text {number}") for number in range(12)]
    assert [bool(each) for each in told] == [True] * REPLACED_MOST + [False] * (12 - REPLACED_MOST)
    here.look()
    assert here.push() == []
    here.later(A_DAY)
    here.look()
    assert here.push() == of_all("text 11")
    assert [bool(here.edit(f"later {number}")) for number in range(6)] == [True] * 3 + [False] * 3


def test_a_page_that_is_another_one_replaces_nothing(board: Callable[..., Board]) -> None:
    here = board()
    here.crawl("A", *"bcdef")
    here.push()
    assert here.edit("A", *"BCDEF") == []
    assert len(here.edit("A", "b", *"CDEF")) == 3


def test_new_readers_are_rung_and_the_others_are_not(board: Callable[..., Board]) -> None:
    here = board()
    with here.database.writing() as session:
        user = users.add(session, "hana", timezone="UTC", now=now())
        users.register_device(session, user.id, platform="fcm", token="hana-0", environment=None, now=now())
        subscribe(session, user, "연장")
    here.crawl("A 연장")
    here.look()
    here.push()
    assert sorted((m.token, m.sound) for m in here.fcm.sent) == [
        ("hana-0", "default"),
        ("jun-0", None),
        ("minji-0", None),
        ("minji-1", None),
    ]
    # It goes back in the middle of what that leads to.
    assert here.edit("A") == [(token, "A") for token in ("hana-0", "jun-0", "minji-0", "minji-1")]


@pytest.mark.parametrize(
    ("answer", "again", "statuses"),
    [
        (BUSY, 1, {"delivered"}),
        (DEAD, 0, {"delivered"}),
        (Outcome(kind=OutcomeKind.REJECTED, code="no", answered=True), 0, {"delivered"}),
    ],
)
def test_a_refused_replacement_leaves_the_notification_sent(
    board: Callable[..., Board], answer: Outcome, again: int, statuses: set[str]
) -> None:
    here = board()
    here.crawl("B")
    here.look()
    assert here.push(answer) == of_all("B")
    assert [row.status for row in here.rows(Notification)] == ["sent", "sent"]
    assert {row.status for row in here.rows(Delivery)} == statuses
    assert here.push() == []
    here.later(timedelta(hours=1))
    assert len(here.push()) == again
    here.later(timedelta(hours=1))
    assert here.push() == []


@pytest.mark.parametrize("scope", [Scope(activity="push"), Scope(activity="push", site="board")])
def test_a_pause_holds_it_and_its_end_sends_it(board: Callable[..., Board], scope: Scope) -> None:
    here = board()
    with here.database.writing() as session:
        assert pauses.begin(session, scope, now=now())
    assert here.edit("B") == here.edit("C") == []
    with here.database.writing() as session:
        ended = pauses.end(session, scope, now=now())
        # It is no news to be sent.
        assert ended is not None
        assert ended.notifications == 0
    assert here.push() == of_all("C")


def test_a_fault_of_the_channel_puts_it_off(board: Callable[..., Board]) -> None:
    here = board()
    here.crawl("B")
    here.look()
    here.push(REFUSED, REFUSED, REFUSED)
    assert [row.status for row in here.rows(Notification)] == ["sent", "sent"]
    here.later(timedelta(minutes=10))
    assert here.push() == []
    here.change(ChannelState, paused_until=now())
    here.later(timedelta(minutes=10))
    # One of them is the probe, and what it finds frees the others.
    assert len(here.push()) == 1
    here.later(timedelta(minutes=10))
    assert len(here.push()) == 2


class KilledError(BaseException):
    """The process is gone."""


def test_a_kill_between_any_two_statements_loses_no_text_and_shows_none_twice(board: Callable[..., Board]) -> None:
    here, number, kills = board(), 0, 0

    def die(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KilledError

    left = 10**9
    event.listen(here.database.engine, "before_cursor_execute", die)
    for allowed in range(60):
        here.later(A_DAY)
        text, left, seen = f"text {allowed}", 10**9, []
        here.crawl(text)
        left = allowed
        try:
            here.look()
            here.push()
        except KilledError:
            kills += 1
        seen += here.fcm.sent
        left = 10**9
        # The lease ends, and the sweep sends again for what has no message any more.
        for _ in range(2):
            here.later(timedelta(minutes=1))
            here.look()
            here.change(Notification, enqueued_at=None)
            here.push()
            seen += here.fcm.sent
        tokens = sorted(message.token for message in seen if message.title == text)
        assert set(tokens) == {"jun-0", "minji-0", "minji-1"}
        # What was in flight goes again, and replaces itself; whatever was recorded does not.
        number += len(tokens) > 3
        if not kills or kills <= allowed:
            break
    event.remove(here.database.engine, "before_cursor_execute", die)
    assert kills >= 15
    assert {message.sound for message in here.fcm.sent} <= {None}
    assert number <= 8
