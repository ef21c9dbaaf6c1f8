"""Edits that replace what phones show: silently, each device once for an edit, whatever dies, on both databases."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Connection, event, update
from sqlalchemy.orm import Session

from pipeline.fanout.edits import REPLACED_MOST
from pipeline.push.outcome import Outcome, OutcomeKind
from pipeline.resources import now
from storage import inbox, pauses, users
from storage.models import ChannelState, Delivery, Device, Notification, Post, Site, User
from storage.pauses import Scope
from storage.session import Database
from tests.integration.pipeline.delivery.edited_board import ALWAYS, Board, of_all
from tests.integration.pipeline.delivery.story import BUSY, DELIVERED, REFUSED
from tests.support.builders import subscribe

DEAD = Outcome(kind=OutcomeKind.TOKEN_DEAD, code="UNREGISTERED", answered=True)
A_DAY = timedelta(days=1, minutes=1)


def test_an_edit_replaces_what_phones_show_and_nobody_is_rung(board):
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
def test_what_is_an_edit(board, site, title, values, replaces):
    assert bool(board(**site).edit(title, **values)) is replaces


@pytest.mark.parametrize(
    ("table", "values", "reached"),
    [
        (User, {"paused": True}, False),
        (User, {"snooze_until": now() + timedelta(days=9)}, True),
        (User, {"preferences": {**ALWAYS, "daily_cap": 1}}, True),
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
def test_who_is_shown_it(board, table, values, reached):
    here = board()
    here.change(table, **values)
    assert bool(here.edit("B")) is reached
    assert here.push() == []
    assert {row.to_show for row in here.rows(Notification)} == {None}


def test_a_digest_of_several_is_not_replaced_and_one_of_one_is(board):
    here = board()
    here.crawl("A", "other")
    here.push()
    minji = Notification.user_id == 1
    with here.database.writing() as session:
        session.execute(update(Notification).where(minji).values(digest_id=7))
        session.execute(update(Notification).where(~minji, Notification.post_id == 1).values(digest_id=8))
    assert here.edit("B", "other") == [("jun-0", "B")]


def test_what_was_edited_on_its_way_is_replaced_where_it_had_arrived(database):
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


def test_an_edit_war_is_four_a_day_and_the_latest_text_wins(board):
    here = board()
    told = [here.edit(f"text {number}") for number in range(12)]
    assert [bool(each) for each in told] == [True] * REPLACED_MOST + [False] * (12 - REPLACED_MOST)
    here.look()
    assert here.push() == []
    here.later(A_DAY)
    here.look()
    assert here.push() == of_all("text 11")
    assert [bool(here.edit(f"later {number}")) for number in range(6)] == [True] * 3 + [False] * 3


def test_a_page_that_is_another_one_replaces_nothing(board):
    here = board()
    here.crawl("A", *"bcdef")
    here.push()
    assert here.edit("A", *"BCDEF") == []
    assert len(here.edit("A", "b", *"CDEF")) == 3


def test_new_readers_are_rung_and_the_others_are_not(board):
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
def test_a_refused_replacement_leaves_the_notification_sent(board, answer, again, statuses):
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
def test_a_pause_holds_it_and_its_end_sends_it(board, scope):
    here = board()
    with here.database.writing() as session:
        assert pauses.begin(session, scope, now=now())
    assert here.edit("B") == here.edit("C") == []
    with here.database.writing() as session:
        ended = pauses.end(session, scope, now=now())
        # It is no news to be sent.
        assert ended.notifications == 0
    assert here.push() == of_all("C")


def test_a_fault_of_the_channel_puts_it_off(board):
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


@contextmanager
def happens_before(database: Database, place: int, what: Callable[[], object]) -> Iterator[list[int]]:
    """Something happens before the transaction that writes, or else the statement, of that number: of what a
    transaction writes others see nothing before its end. Yields the places that were passed."""
    passed: list[int] = []
    writing = database.writing

    def passes() -> None:
        passed.append(len(passed))
        if passed[-1] == place:
            what()

    def reads(connection: Connection, *_: object) -> None:
        if not connection.get_execution_options().get("crawlpush_writes"):
            passes()

    def writes() -> AbstractContextManager[Session]:
        passes()
        return writing()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "writing", writes)
        event.listen(database.engine, "before_cursor_execute", reads)
        yield passed
        event.remove(database.engine, "before_cursor_execute", reads)


def test_an_edit_between_any_two_statements_shows_each_text_once_and_the_newest_last(board):
    here, place, passed = board(), 0, [0]
    while place in passed:
        place += 1
        here.crawl("A", first=place)
        assert here.push() == of_all("A")
        here.rewrite("B", first=place)
        # One of Minji's phones shows it, the other is to be told again.
        assert here.push(DELIVERED, BUSY) == of_all("B")
        shown = {"minji-0": ["B"], "minji-1": [], "jun-0": ["B"]}
        here.later()
        edit = partial(here.rewrite, "C", first=place)
        with happens_before(here.database, place, edit) as passed:
            told = here.tick()
        for token, title in told + here.tick() + here.tick():
            shown[token].append(title)
        if place in passed:
            assert shown.pop("minji-1") in (["B", "C"], ["C"])
            assert list(shown.values()) == [["B", "C"]] * 2
    assert place > 10


class KilledError(BaseException):
    """The process is gone."""


Round = tuple[str, Callable[[], object]]
"""Which text everybody is to show in the end, and what brings that about."""


def shown_already(here: Board, number: int) -> Round:
    here.crawl(f"text {number}")

    def go() -> None:
        here.look()
        here.push()

    return f"text {number}", go


def under_way(here: Board, number: int) -> Round:
    here.crawl(f"old {number}", first=number + 1)
    here.fcm.meanwhile = lambda: here.rewrite(f"text {number}", first=number + 1)
    return f"text {number}", lambda: here.push() + here.push()


def held_back(here: Board, number: int) -> Round:
    here.want(preferences=ALWAYS)
    here.crawl(f"old {number}", first=number + 1)
    here.crawl(f"text {number}", first=number + 1)

    def go() -> None:
        here.look()
        here.want(preferences=None)
        here.tick()

    return f"text {number}", go


@pytest.mark.parametrize("story", [shown_already, under_way, held_back])
def test_a_kill_between_any_two_statements_loses_no_text_and_shows_none_twice(board, story):
    here, number, kills, left = board(), 0, 0, 10**9

    def die(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KilledError

    event.listen(here.database.engine, "before_cursor_execute", die)
    for allowed in range(90):
        here.later(A_DAY)
        (text, go), seen = story(here, allowed), []
        left = allowed
        try:
            go()
        except KilledError:
            kills += 1
        seen += here.fcm.sent
        left = 10**9
        here.fcm.meanwhile = None
        # The lease ends, the crawl comes again, and the sweep sends again for what has no message any more.
        here.crawl(text, first=0 if story is shown_already else allowed + 1)
        here.want(preferences=None)
        for _ in range(3):
            here.later(timedelta(minutes=1))
            here.look()
            here.tick(lost_before=now())
            seen += here.fcm.sent
        for token in ("jun-0", "minji-0", "minji-1"):
            titles = [message.title for message in seen if message.token == token]
            assert titles.count(text) >= 1
            assert set(titles[titles.index(text) :]) == {text}
        # What was in flight goes again, and replaces itself; whatever was recorded does not.
        number += sum(message.title == text for message in seen) > 3
        if not kills or kills <= allowed:
            break
    event.remove(here.database.engine, "before_cursor_execute", die)
    assert kills >= 15
    assert number <= 8
