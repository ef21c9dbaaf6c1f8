"""Posts that are edited: those whom the new text newly concerns get them, once, and nobody else hears of it."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from pipeline.broker.notify_room import NotifyRoom
from pipeline.fanout.edits import is_flood, look_at_edits
from pipeline.fanout.slices import FanOuts, FanOutSettings, SliceEnd
from pipeline.resources import now
from storage import post_pages, posts, subscriptions, users
from storage.models import Notification, Post, PostEdit, Site, User
from storage.session import Database
from tests.support.builders import add_site, add_user, closed_run, found, keyword

Texts = dict[int, str]


class Board:
    """A site whose posts are edited, its readers, and a dispatcher whose turns are taken by hand."""

    def __init__(self, database: Database) -> None:
        self.database = database
        with database.writing() as session:
            self.site_id = add_site(session, match_body=True).id
        self.rung: list[str] = []
        settings = FanOutSettings(slice_users=1, lease_s=60)
        self._fan_outs = FanOuts(database, settings, room=NotifyRoom(1000, lambda: 0), publish=self._publish)

    def _publish(self, keys: Sequence[tuple[int, int]]) -> None:
        with self.database.reading() as session:
            names = dict(session.execute(select(User.id, User.external_id)).all())
        self.rung += [names[user_id] for _, user_id in keys]

    def reader(self, name: str, *phrases: str) -> None:
        with self.database.writing() as session:
            add_user(session, name, *phrases)

    def crawl(self, titles: Texts, *, fanout: str = "ready", **values: object) -> list[int]:
        with self.database.writing() as session:
            site = session.get_one(Site, self.site_id)
            seen = [found(number, title, **values) for number, title in titles.items()]
            return closed_run(session, site, seen, fanout=fanout, now=now())

    def slice(self, post: int) -> SliceEnd:
        return self._fan_outs.next_slice(post)

    def serve(self) -> list[str]:
        """Whom the messages are for that the open fan-outs send, to their end."""
        self.rung = []
        with self.database.reading() as session:
            open_ = session.scalars(select(Post.id).where(Post.fanout == "ready")).all()
        for post in open_:
            while self.slice(post) is SliceEnd.MORE:
                pass
        return self.rung

    def edit(self, titles: Texts, **values: object) -> list[int]:
        """Crawl an edit, and look at it; the posts that are fanned out again."""
        self.crawl(titles, **values)
        return look_at_edits(self.database, self._fan_outs.matchers)

    def fates(self) -> list[str]:
        with self.database.reading() as session:
            return list(session.scalars(select(Post.fanout).order_by(Post.external_id)))


@pytest.fixture
def board(database_url: str) -> Iterator[Board]:
    database = Database(database_url)
    yield Board(database)
    database.close()


def test_an_edit_that_newly_matches_owes_those_people_the_post_and_nobody_else(board):
    board.reader("early", "장학금")
    board.reader("late", "연장")
    board.reader("both", "장학금", "연장")
    (post,) = board.crawl({1: "장학금 안내"})
    assert board.serve() == ["early", "both"]
    # Who subscribes when the post is there already is told of what comes, whatever others are owed.
    board.reader("newcomer", "장학금")
    assert board.edit({1: "장학금 안내 (연장)"}) == [post]
    assert board.serve() == ["late"]
    with board.database.reading() as session:
        assert session.get_one(Post, post).matched_users == 3
        assert len(session.scalars(select(Notification.id)).all()) == 3
    assert board.edit({1: "장학금 안내 (연장)"}) == []


def test_a_body_that_newly_matches_and_an_exclusion_that_is_gone_are_such_edits(board):
    with board.database.writing() as session:
        user = users.add(session, "without", timezone="UTC", now=now())
        subscriptions.add(
            session, user.id, keyword=keyword("장학금"), site_id=None, exclude=[keyword("취소")], limit=9, now=now()
        )
    board.reader("in-body", "기숙사")
    board.crawl({1: "장학금 취소", 2: "안내"})
    assert board.serve() == []
    assert len(board.edit({1: "장학금"})) == len(board.edit({2: "안내"}, body="기숙사 신청")) == 1
    assert board.serve() == ["without", "in-body"]


def test_a_title_that_changes_at_each_crawl_is_fanned_out_once_for_each_thing_it_says(board):
    board.reader("closed", "마감")
    board.reader("always", "장학금")
    board.crawl({1: "장학금"})
    board.serve()
    again = [bool(board.edit({1: f"{'[마감] ' * (n % 2)}장학금 조회 {n}"})) and board.serve() for n in range(8)]
    assert again == [False, ["closed"], *[False] * 6]
    with board.database.reading() as session:
        assert [(edit.title, edit.changed) for edit in session.scalars(select(PostEdit))] == [("", False)]
    # What is new in spite of all that is told.
    board.reader("more", "추가")
    board.edit({1: "장학금 추가 조회 9"})
    assert board.serve() == ["more"]


def test_an_edit_during_a_fan_out_passes_nobody_over(board):
    board.reader("newest", "재연장")
    for name in ("a", "b"):
        board.reader(f"new-{name}", "연장")
        board.reader(f"old-{name}", "안내")
    (post,) = board.crawl({1: "안내"})
    assert board.slice(post) is SliceEnd.MORE
    # It goes on as it began, and then the edit is looked at.
    assert board.edit({1: "연장"}) == []
    assert board.serve() == ["old-b"]
    assert look_at_edits(board.database, board._fan_outs.matchers) == [post]
    assert board.slice(post) is SliceEnd.MORE
    # Edited once more, in the middle of that.
    assert board.edit({1: "연장 재연장"}) == []
    assert board.serve() == ["new-b"]
    assert look_at_edits(board.database, board._fan_outs.matchers) == [post]
    # Those whose notification still waits have another message, which finds nothing to do.
    assert board.serve() == ["newest", "new-a", "new-b"]


@pytest.mark.parametrize(
    ("fanout", "aged", "published", "rings"),
    [
        ("ready", timedelta(0), timedelta(days=6), True),
        ("ready", timedelta(0), timedelta(days=8), False),
        # Without a date, its age is how long it has been known.
        ("ready", timedelta(days=8), None, False),
        ("silent", timedelta(0), None, True),
        ("silent", timedelta(0), timedelta(days=8), False),
        ("dropped", timedelta(0), None, False),
    ],
)
def test_which_edited_posts_ring(board, fanout, aged, published, rings):
    board.reader("reader", "연장")
    dates = {"published_at": now() - published if published else None}
    board.crawl({1: "안내"}, fanout="held" if fanout == "dropped" else fanout, **dates)
    board.serve()
    with board.database.writing() as session:
        posts.settle(session, board.site_id, now=now(), release=False)
        session.execute(update(Post).values(first_seen_at=now() - aged))
    board.edit({1: "안내 연장"}, **dates)
    assert board.serve() == (["reader"] if rings else [])


@pytest.mark.parametrize(("release", "rung"), [(True, ["reader"] * 6), (False, [])])
def test_a_page_that_is_read_anew_is_held_for_approval(board, release, rung):
    board.reader("reader", "장학")
    plain = {number: f"안내 {number}" for number in range(6)}
    board.crawl(plain)
    board.serve()
    with_labels = {number: f"[장학] {title}" for number, title in plain.items()}
    assert board.edit(with_labels) == []
    assert board.fates() == ["held"] * 6
    # Another edit meanwhile changes nothing about that.
    assert board.edit({**with_labels, 0: "[장학] 안내"}) == []
    with board.database.writing() as session:
        posts.settle(session, board.site_id, now=now(), release=release)
    assert board.serve() == rung
    assert board.fates() == ["done"] * 6
    board.edit(with_labels)
    # What waits to be sent may get a second message, which is a repeat.
    assert set(board.serve()) <= set(rung)


def test_bodies_that_come_later_than_their_titles_are_no_flood(board):
    board.reader("reader", "기숙사")
    ids = board.crawl({number: f"안내 {number}" for number in range(6)})
    board.serve()
    with board.database.writing() as session:
        for post in ids:
            post_pages.keep(session, post, text="", attachments=[{"name": "기숙사_신청서.hwp", "url": ""}], image="")
    assert sorted(look_at_edits(board.database, board._fan_outs.matchers)) == ids
    assert board.serve() == ["reader"] * 6


def test_an_operators_fan_out_is_for_everybody_whatever_was_edited(board):
    (post,) = board.crawl({1: "안내"})
    board.serve()
    board.reader("reader", "안내")
    board.crawl({1: "안내 2"})
    with board.database.writing() as session:
        posts.reopen_fan_out(session, post, now=now())
    assert board.serve() == ["reader"]
    assert look_at_edits(board.database, board._fan_outs.matchers) == []


@pytest.mark.parametrize(
    ("concerning", "shown", "flood"),
    [(1, 1, False), (4, 4, False), (5, 10, True), (5, 11, False), (20, 100, False), (21, 100, True)],
)
def test_how_many_edits_are_a_flood(concerning, shown, *, flood):
    assert is_flood(concerning, shown=shown) == flood
