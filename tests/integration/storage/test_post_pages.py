"""Which posts' own pages are owed, and storing what they held."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from storage import post_pages, posts, retention
from storage.models import Post, PostEdit, Site
from storage.session import Database
from tests.support.builders import NOW, add_site, found, running_run


def take(database: Database, site_id: int, run_id: int, limit: int = 20) -> list[int]:
    with database.writing() as session:
        owed = post_pages.take(session, site_id=site_id, run_id=run_id, limit=limit, now=NOW)
    return [each.post_id for each in owed]


@pytest.fixture
def run(database: Database) -> tuple[int, int]:
    """A site and a run that found two posts, and one that is too old."""
    with database.writing() as session:
        site = add_site(session)
        run = running_run(session, site)
        new = [found(1), found(2), found(3, published_at=NOW - timedelta(days=30))]
        posts.store(session, site_id=site.id, run_id=run.id, found=new, now=NOW)
        return site.id, run.id


def test_a_page_is_owed_for_three_crawls_and_those_that_are_new_come_first(database, run):
    assert take(database, *run) == [1, 2]
    with database.writing() as session:
        session.get_one(Post, 1).fanout = "dropped"
    assert [take(database, run[0], 0) for _ in range(3)] == [[2], [2], []]


@pytest.mark.parametrize("state", [{"baseline_done": False}, {"trouble": "ids change"}])
def test_nothing_is_owed_where_nobody_is_pushed(database, run, state):
    with database.writing() as session:
        for name, value in state.items():
            setattr(session.get_one(Site, run[0]), name, value)
    assert take(database, *run) == []


@pytest.mark.parametrize(("fanout", "noted"), [("undecided", []), ("held", []), ("ready", [1]), ("done", [1])])
def test_what_a_page_held_is_kept_and_after_the_fan_out_noted(database, run, fanout, noted):
    take(database, *run)
    files = [{"name": "신청서.hwp", "url": ""}]
    with database.writing() as session:
        session.get_one(Post, 1).fanout = fanout
        session.flush()
        for post_id in (1, 99):
            post_pages.keep(session, post_id, text="", attachments=files, image="https://a.example/b.png")
    assert take(database, *run) == [2]
    with database.reading() as session:
        post = session.scalars(select(Post).where(Post.id == 1)).one()
        assert (post.fanout, post.attachments, post.image) == (fanout, files, "https://a.example/b.png")
        assert session.scalars(select(PostEdit.post_id)).all() == noted


def test_retention_takes_the_files_with_the_text(database, run):
    with database.writing() as session:
        post_pages.keep(session, 1, text="text", attachments=[{"name": "a.pdf", "url": ""}], image="")
        session.get_one(Post, 1).fanout = "done"
        session.flush()
        assert retention.empty_posts(session, before=NOW + timedelta(days=1), limit=10) == 1
    with database.reading() as session:
        assert session.get_one(Post, 1).attachments is None
