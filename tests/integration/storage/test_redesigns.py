"""Stored posts get the ids that their redesigned page has for them, and nobody is told of them again."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from storage import redesigns, showings, sites
from storage.models import Post, PostEdit, Site
from storage.posts import FoundPost
from storage.redesigns import SiteBusyError
from tests.support.builders import NOW, add_site, found, running_run, stored_posts


def rows(session: Session, site: Site) -> dict[int, tuple[str, str]]:
    """Row -> external id and fan-out."""
    session.expire_all()
    posts = session.scalars(select(Post).where(Post.site_id == site.id).order_by(Post.id))
    return {post.id: (post.external_id, post.fanout) for post in posts}


def board(session: Session, *titles: str) -> tuple[Site, list[int]]:
    site = add_site(session)
    stored_posts(session, site, [found(n, title) for n, title in enumerate(titles)])
    by_title = {post.title: post.id for post in session.scalars(select(Post))}
    return site, [by_title[title] for title in titles]


def move(
    session: Session, site: Site, known: dict[int, FoundPost], silent: Sequence[FoundPost] = (), new: Sequence[str] = ()
) -> int:
    order = [post.external_id for post in (*known.values(), *silent)]
    return redesigns.move(session, site.id, known=known, silent=silent, new=new, order=order, now=NOW)


def test_a_post_keeps_its_row_and_what_was_done_about_it_under_its_new_id(session: Session) -> None:
    site, (a, b) = board(session, "A", "B")
    moved = move(
        session, site, {a: replace(found(10, "A"), body="now with a text"), b: found(1, "B")}, [found(12, "older")]
    )
    assert moved == 1
    after = rows(session, site)
    assert after[a], after[b] == (("id-10", "ready"), ("id-1", "ready"))
    (silent,) = after.keys() - {a, b}
    assert after[silent] == ("id-12", "silent")
    # What is only the page's new look is no edit that somebody could be told of.
    assert session.scalars(select(PostEdit)).all() == []
    stored = redesigns.known_posts(session, site.id)
    assert ([post.id for post in stored.posts], stored.shown) == ([a, b, silent], 3)


@pytest.mark.parametrize("clash", ["swapped", "another post's", "a new post's"])
def test_ids_that_were_other_posts_are_given_all_the_same(session: Session, clash: str) -> None:
    site, (a, b, c) = board(session, "A", "B", "C")
    match clash:
        case "swapped":
            move(session, site, {a: found(1, "A"), b: found(0, "B")})
            expected = {a: "id-1", b: "id-0", c: f"before-redesign:{c}"}
        case "another post's":
            move(session, site, {a: found(2, "A"), b: found(5, "B")})
            expected = {a: "id-2", b: "id-5", c: f"before-redesign:{c}"}
        case _:
            move(session, site, {a: found(7, "A"), b: found(8, "B")}, new=["id-2"])
            expected = {a: "id-7", b: "id-8", c: f"before-redesign:{c}"}
    assert {post_id: key for post_id, (key, _) in rows(session, site).items()} == expected


def test_where_no_number_was_dealt_anew_the_other_posts_keep_their_ids(session: Session) -> None:
    site, (a, b, c) = board(session, "A", "B", "C")
    move(session, site, {a: found(10, "A")}, [found(11, "D")])
    assert [rows(session, site)[each][0] for each in (a, b, c)] == ["id-10", "id-1", "id-2"]
    # The same id with another title is an edit, which the next crawl stores.
    move(session, site, {a: found(10, "A")}, [found(1, "B, edited")])
    assert rows(session, site)[b][0] == "id-1"


def test_a_row_that_is_gone_meanwhile_does_not_come_back_to_be_pushed(session: Session) -> None:
    site, (a,) = board(session, "A")
    move(session, site, {a: found(10, "A"), a + 999: found(11, "B")})
    assert sorted(rows(session, site).values()) == [("id-10", "ready"), ("id-11", "silent")]


def test_posts_are_known_in_the_order_of_the_page_then_from_the_newest_on(session: Session) -> None:
    site, (a, b, c, d) = board(session, "A", "B", "C", "D")
    assert [post.id for post in redesigns.known_posts(session, site.id).posts] == [d, c, b, a]
    showings.keep(session, site.id, [c, a])
    known = redesigns.known_posts(session, site.id)
    assert ([post.id for post in known.posts], known.shown) == ([c, a, d, b], 2)
    # One that the page shows is known however many came since.
    assert [post.id for post in redesigns.known_posts(session, site.id, limit=1).posts] == [c, a, d]


def test_a_site_that_is_being_crawled_is_left_alone_and_a_queued_crawl_is_not_in_the_way(session: Session) -> None:
    site = add_site(session)
    sites.queue_run(session, site.id, trigger="manual", now=NOW)
    redesigns.hold_crawls(session, site)
    other = add_site(session, "other")
    running_run(session, other)
    with pytest.raises(SiteBusyError, match="other is being crawled"):
        redesigns.hold_crawls(session, other)
