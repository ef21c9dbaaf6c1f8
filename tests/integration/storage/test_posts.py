from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage import crawl_runs, posts
from storage.models import Post
from storage.session import Database
from tests.support.builders import NOW, add_site, found, running_run, stored_posts
from tests.support.statements import counted


def test_a_post_is_new_once(session: Session) -> None:
    site = add_site(session)
    run = running_run(session, site)
    first = posts.store(session, site_id=site.id, run_id=run.id, found=[found(1), found(2)], now=NOW)
    again = posts.store(session, site_id=site.id, run_id=run.id, found=[found(2), found(3)], now=NOW)
    assert (first, again) == (2, 1)


def test_an_edited_post_is_updated_and_not_fanned_out_again(session: Session) -> None:
    site = add_site(session)
    (post_id,) = stored_posts(session, site, [found(1, "before")])
    run = running_run(session, site)
    new = posts.store(session, site_id=site.id, run_id=run.id, found=[found(1, "after")], now=NOW)
    post, _ = posts.by_id(session, post_id)
    session.refresh(post)
    assert (new, post.title, post.fanout) == (0, "after", "ready")
    assert post.run_id != run.id


def test_the_same_id_twice_in_one_batch_is_one_post_and_the_first_counts(session: Session) -> None:
    site = add_site(session)
    run = running_run(session, site)
    new = posts.store(session, site_id=site.id, run_id=run.id, found=[found(1, "pinned"), found(1, "listed")], now=NOW)
    assert new == 1
    assert session.scalars(select(Post.title)).all() == ["pinned"]


def test_two_crawls_at_once_store_a_post_once(database: Database) -> None:
    with database.writing() as session:
        site = add_site(session)
        run = running_run(session, site)
        site_id, run_id = site.id, run.id

    def store(offset: int) -> int:
        new = 0
        for start in range(0, 200, 20):
            with database.writing() as session:
                batch = [found(n) for n in range(start, start + 30)]
                batch = batch[::-1] if offset else batch
                new += posts.store(session, site_id=site_id, run_id=run_id, found=batch, now=NOW)
        return new

    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(store, (0, 1)))
    with database.reading() as session:
        stored = session.scalar(select(func.count()).select_from(Post))
    assert sum(counts) == stored == 210


def test_storing_a_batch_of_known_posts_is_one_statement(session: Session) -> None:
    site = add_site(session)
    run = running_run(session, site)
    batch = [found(n) for n in range(100)]
    with counted(session) as statements:
        posts.store(session, site_id=site.id, run_id=run.id, found=batch, now=NOW)
    assert len(statements) == 2
    with counted(session) as statements:
        posts.store(session, site_id=site.id, run_id=run.id, found=batch, now=NOW)
    assert len(statements) == 1


def test_an_old_post_is_stored_silently(session: Session) -> None:
    site = add_site(session)
    old = found(1, published_at=NOW - timedelta(days=8))
    recent = found(2, published_at=NOW - timedelta(days=6))
    ready = stored_posts(session, site, [old, recent, found(3)])
    fates = dict(session.execute(select(Post.external_id, Post.fanout)).all())
    assert fates == {"id-1": "silent", "id-2": "ready", "id-3": "ready"}
    assert len(ready) == 2


def test_nothing_can_fan_out_a_post_before_its_run_is_closed(session: Session) -> None:
    site = add_site(session)
    run = running_run(session, site)
    posts.store(session, site_id=site.id, run_id=run.id, found=[found(1)], now=NOW)
    post_id = session.scalars(select(Post.id)).one()
    claimed = posts.claim_fan_out(session, post_id, token="t", now=NOW, lease_until=NOW)
    assert claimed is None
    assert posts.stranded(session, enqueued_before=NOW + timedelta(days=1), now=NOW) == []


def test_a_fan_out_has_one_owner_until_its_lease_ends(session: Session) -> None:
    later = NOW + timedelta(minutes=1)
    (post_id,) = stored_posts(session, add_site(session), [found(1)])
    assert posts.claim_fan_out(session, post_id, token="a", now=NOW, lease_until=later)
    assert posts.claim_fan_out(session, post_id, token="b", now=NOW, lease_until=later) is None
    after = later + timedelta(seconds=1)
    assert posts.claim_fan_out(session, post_id, token="b", now=after, lease_until=after)
    assert not posts.finish_fan_out(session, post_id, token="a", users=0, now=after)
    assert posts.finish_fan_out(session, post_id, token="b", users=0, now=after)
    assert posts.claim_fan_out(session, post_id, token="c", now=after, lease_until=after) is None


def test_posts_that_came_after_their_run_was_closed_as_dead_are_decided(session: Session) -> None:
    site = add_site(session)
    stored_posts(session, site, [found(1)])
    run_id = session.scalars(select(Post.run_id)).one()
    assert run_id is not None
    posts.store(session, site_id=site.id, run_id=run_id, found=[found(2)], now=NOW)
    assert posts.runs_with_undecided_posts(session) == [run_id]
    assert len(crawl_runs.decide_late_posts(session, run_id, now=NOW)) == 1
    assert posts.runs_with_undecided_posts(session) == []


def test_held_posts_are_released_or_dropped(session: Session) -> None:
    first, second = add_site(session, "first"), add_site(session, "second")
    for site in (first, second):
        stored_posts(session, site, [found(1), found(2)], fanout="held")
    assert len(posts.settle(session, first.id, now=NOW, release=True)) == 2
    posts.settle(session, second.id, now=NOW, release=False)
    fates = set(session.execute(select(Post.site_id, Post.fanout)))
    assert fates == {(first.id, "ready"), (second.id, "dropped")}
