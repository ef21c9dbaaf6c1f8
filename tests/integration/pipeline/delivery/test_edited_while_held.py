"""Posts that are edited before their notification is out, or while it goes: phones show the newest text, once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pipeline.resources import now
from storage import pauses, posts, replacing, users
from storage.models import ChannelState, Delivery, Notification, PostEdit
from storage.pauses import Scope
from tests.integration.pipeline.delivery.edited_board import ALWAYS, Board, of_all
from tests.integration.pipeline.delivery.story import BUSY, DELIVERED, REFUSED
from tests.support.builders import subscribe


def scoped(scope: Scope) -> tuple[Callable[[Board], None], Callable[[Board], None]]:
    def begin(here: Board) -> None:
        with here.database.writing() as session:
            pauses.begin(session, scope, now=now())

    def end(here: Board) -> None:
        with here.database.writing() as session:
            pauses.end(session, scope, now=now())

    return begin, end


def wish(name: str, value: Any) -> tuple[Callable[[Board], None], Callable[[Board], None]]:
    return lambda here: here.want(**{name: value}), lambda here: here.want(**{name: None})


def use_up_the_cap(here: Board) -> None:
    here.want(preferences={"daily_cap": 1})
    here.crawl("first", first=50)
    here.push()


def break_the_channel(here: Board) -> None:
    here.crawl("first", first=50)
    here.push(REFUSED, REFUSED, REFUSED)
    # What breaks it is no part of the story.
    here.change(Notification, status="skipped")


def fill_the_queue(here: Board) -> None:
    here.queued = 10**6


def empty_the_queue(here: Board) -> None:
    here.queued = 0
    here.serve()


def release(here: Board) -> None:
    with here.database.writing() as session:
        posts.settle(session, here.site_id, now=now(), release=True)
    here.serve()


def nothing(_: Board) -> None:
    pass


WAYS: dict[str, tuple[Callable[[Board], None], Callable[[Board], None]]] = {
    "pause of all": scoped(Scope(activity="push")),
    "pause of a channel": scoped(Scope(activity="push", channel="fcm")),
    "pause of a site": scoped(Scope(activity="push", site="board")),
    "fault of the channel": (break_the_channel, lambda here: here.change(ChannelState, paused_until=now())),
    "quiet hours": wish("preferences", ALWAYS),
    "digests": wish("preferences", {"digests": ["09:00"]}),
    "daily cap": (use_up_the_cap, lambda here: here.want(preferences=None)),
    "snooze": wish("snooze_until", now() + timedelta(days=2)),
    "queue full": (fill_the_queue, empty_the_queue),
    "quota": (lambda here: setattr(here.quota, "is_full", True), lambda here: setattr(here.quota, "is_full", False)),
    "approval": (lambda here: setattr(here, "fanout", "held"), release),
    "busy vendor": (lambda here: setattr(here.fcm, "answers", [BUSY] * 3), nothing),
    "lost message": (nothing, lambda here: here.change(Notification, enqueued_at=None)),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_was_edited_while_it_was_held_comes_once_with_its_newest_text(database, way):
    here, (hold, free) = Board(database, ttl_s=10 * 86_400), WAYS[way]
    hold(here)
    here.crawl("A")
    if way == "lost message":
        here.sent.clear()
    elif way == "busy vendor":
        assert here.push(BUSY, BUSY, BUSY) == of_all("A")
        # However long the test takes, it is not due before that ends.
        here.later(-timedelta(minutes=15))
    else:
        assert here.push() == []
    for title in "BC":
        here.crawl(title)
        here.look()
        assert here.tick() == []
    free(here)
    came = []
    for _ in range(4):
        here.look()
        came += here.tick()
        assert {message.sound for message in here.fcm.sent} <= {"default"}
        here.later(timedelta(minutes=10))
    assert sorted(came) == of_all("C")
    assert {row.to_show for row in here.rows(Notification)} == {None}


def test_what_was_edited_under_way_is_replaced_once_it_came(database):
    here = Board(database)
    here.crawl("A")
    here.fcm.meanwhile = lambda: here.rewrite("B")
    assert here.push() == of_all("A")
    assert here.push() == of_all("B")
    assert {message.sound for message in here.fcm.sent} == {None}
    here.look()
    assert here.push() == []


def test_what_came_between_an_edit_and_its_undoing_is_replaced(database):
    here = Board(database)
    here.crawl("A")
    here.crawl("B")
    assert here.push() == of_all("B")
    here.crawl("A")
    here.look()
    assert here.push() == of_all("A")


def test_what_a_flood_showed_is_replaced_by_what_comes_after_it(board):
    here = board()
    here.crawl("A", *"bcdef")
    here.push()
    assert here.edit("B", *"bcdef") == of_all("B")
    here.change(Delivery, status="retry")
    here.change(Notification, status="pending")
    assert here.edit("X", *"BCDEF") == []
    here.later()
    here.change(Notification, enqueued_at=None)
    assert ("jun-0", "X") in here.tick()
    assert here.edit("B", *"BCDEF") == of_all("B")


def test_an_edit_between_two_slices_of_marks_reaches_those_of_the_first(board, monkeypatch):
    here, mark = board(), replacing.mark

    def slice_of_one(*args: Any, after: int, **options: Any) -> int | None:
        if after == 1:
            assert [title for _, title in here.push()] == ["B"] * 2
            here.crawl("C")
            # Another process judges it, and is about to mark.
            monkeypatch.setattr(replacing, "planned", lambda *_, **__: [])
            here.look()
        return mark(*args, after=after, **options | {"limit": 1})

    monkeypatch.setattr(replacing, "mark", slice_of_one)
    here.crawl("B")
    here.look()
    monkeypatch.undo()
    here.look()
    assert here.push() == of_all("C")
    assert {row.replace_at for row in here.rows(PostEdit)} == {None}


@pytest.mark.parametrize("is_released", [True, False])
def test_what_is_held_for_its_edit_and_edited_again_is_replaced(board, is_released):
    here = board()
    with here.database.writing() as session:
        subscribe(session, users.add(session, "hana", timezone="UTC", now=now()), "new")
    here.crawl("A", *"bcdef")
    here.push()
    new = [f"{letter} new" for letter in "Abcdef"]
    assert here.edit(*new) == []
    assert here.edit("A newest", *new[1:]) == []
    with here.database.writing() as session:
        assert len(posts.settle(session, here.site_id, now=now(), release=is_released)) == 6
    here.serve()
    here.look()
    assert here.tick() == of_all("A newest")


def test_a_text_that_came_back_after_it_went_while_its_readers_were_found_reaches_them(board):
    here = board()
    with here.database.writing() as session:
        user = users.add(session, "hana", timezone="UTC", now=now())
        users.register_device(session, user.id, platform="fcm", token="hana-0", environment=None, now=now())
        subscribe(session, user, "new")
    fill_the_queue(here)
    here.rewrite("new")
    here.crawl("A")
    empty_the_queue(here)
    here.rewrite("new")
    assert ("hana-0", "new") in here.tick()


def test_a_fan_out_that_begins_anew_forgets_no_edit(board):
    here = board()
    here.crawl("B")
    with here.database.writing() as session:
        posts.reopen_fan_out(session, 1, now=now())
    here.serve()
    here.look()
    assert here.push() == of_all("B")


@pytest.mark.parametrize("answers", [(), (DELIVERED, BUSY)])
def test_a_digest_of_several_that_is_under_way_is_not_replaced(database, answers):
    here = Board(database)
    here.want(preferences={"digests": ["09:00"]})
    here.crawl("A", "other")
    here.want(preferences=None)
    here.fcm.meanwhile = lambda: here.rewrite("B", "other")
    assert len(here.tick(*answers)) == 3
    here.later()
    here.look()
    assert len(here.tick()) == answers.count(BUSY)
    assert not any("replaces" in message.data for message in here.fcm.sent)
    here.look()
    assert here.tick() == []
