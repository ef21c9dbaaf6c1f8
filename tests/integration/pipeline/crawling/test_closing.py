"""Closing runs on real databases: what becomes of posts that come under new ids, and what is usual."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.crawling.closing import Closed, close_run, decide_late_posts
from pipeline.crawling.health import health_of
from pipeline.resources import now
from storage import posts, showings, sites
from storage.models import CrawlRun, Post, Showing, Site
from storage.posts import FoundPost
from storage.run_figures import RunFigures
from storage.session import Database
from tests.conftest import DATABASES
from tests.support.builders import add_site, running_run

TITLES = ("국가장학금 2차 신청", "기숙사 추첨", "백엔드 인턴", "도서관 연장 개방", "Spring job fair", "교환학생 설명회")
URL = "https://board.test/list"


def page(form: str, titles: Sequence[str] = TITLES) -> list[FoundPost]:
    """Posts with these titles; N in their addresses is another number for each."""
    urls = [form.replace("N", str(100 + n)) for n in range(len(titles))]
    return [FoundPost(external_id=url, url=url, title=title) for url, title in zip(urls, titles, strict=True)]


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> str:
    """Both kinds, unlike for crawls of real children."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def site_id(database: Database) -> int:
    with database.writing() as session:
        return add_site(session, baseline_done=False, params={"url": URL, "row": "tr"}).id


def run_of(database: Database, site_id: int, found: Sequence[FoundPost], **figures: Any) -> tuple[posts.Stored, Closed]:
    """A good run that found these posts, from the page's top; the figures say how it was otherwise."""
    with database.writing() as session:
        run = running_run(session, session.get_one(Site, site_id), now=now())
        stored = posts.store_batch(session, site_id=site_id, run_id=run.id, found=found, now=now())
        good = {"finish_reason": "finished", "ok": True, "items_seen": len(found), "shown": stored.ids}
        return stored, close_run(session, run, RunFigures(**{**good, **figures}))


def crawl(database: Database, site_id: int, found: Sequence[FoundPost], **figures: Any) -> Closed:
    return run_of(database, site_id, found, **figures)[1]


def stored_posts(database: Database) -> Sequence[Post]:
    with database.reading() as session:
        return session.scalars(select(Post).order_by(Post.id)).all()


def site_of(database: Database) -> Site:
    with database.reading() as session:
        return session.scalars(select(Site)).one()


def test_a_page_whose_ids_change_at_each_crawl_pushes_nobody_and_does_not_grow(database, site_id):
    assert crawl(database, site_id, page("http://a.test/v?no=N&t=0")).fanout == "silent"
    for number in range(1, 4):
        assert crawl(database, site_id, page(f"http://a.test/v?no=N&t={number}")) == Closed(
            new=0, fanout="ready", ready=()
        )
    kept = stored_posts(database)
    assert [(post.fanout, post.title) for post in kept] == [("silent", title) for title in TITLES]
    assert {post.external_id for post in kept} == {post.url for post in page("http://a.test/v?no=N&t=3")}
    site = site_of(database)
    assert health_of(site, held_posts=0) == "ids change"
    assert "`crawlpush sites set board -p ignore_query=t`" in (site.advice or "")

    # A new post among them is pushed once.
    found = page("http://a.test/v?no=N&t=4", (*TITLES, "새 공지"))
    assert [crawl(database, site_id, found).new for _ in range(2)] == [1, 0]
    with database.reading() as session:
        runs = session.scalars(select(CrawlRun).order_by(CrawlRun.id)).all()
    assert [(run.new_posts, run.carried_posts) for run in runs] == [(6, 0), (0, 6), (0, 6), (0, 6), (1, 6), (0, 0)]
    # When the ids stay it recovers by itself.
    crawl(database, site_id, found)
    site = site_of(database)
    assert (health_of(site, held_posts=0), site.advice) == ("well", None)


def test_a_run_whose_worker_died_floods_nobody_either(database, site_id):
    crawl(database, site_id, page("http://a.test/N"))
    assert crawl(database, site_id, page("http://b.test/N"), finish_reason="lost", ok=False).new == 0
    # Nor do those that its child stored after it was closed.
    with database.writing() as session:
        run = session.scalars(select(CrawlRun).order_by(CrawlRun.id.desc())).first()
        assert run is not None
        late = page("http://c.test/N", (*TITLES, "새 공지"))
        posts.store(session, site_id=site_id, run_id=run.id, found=late, now=now())
        ready = decide_late_posts(session, run.id)
    assert [post.title for post in stored_posts(database) if post.id in ready] == ["새 공지"]


def test_posts_that_wait_for_approval_stay_held_under_their_new_ids(database, site_id):
    crawl(database, site_id, page("http://a.test/N"))
    many = [f"공고 {number}" for number in range(60)]
    assert crawl(database, site_id, page("http://a.test/new/N", many)).fanout == "held"
    assert crawl(database, site_id, page("http://b.test/N", many)).new == 0
    assert [post.fanout for post in stored_posts(database)] == ["silent"] * 6 + ["held"] * 60


def test_an_older_installation_is_compared_with_its_latest_posts(database, site_id):
    crawl(database, site_id, page("http://a.test/N"))
    with database.writing() as session:
        session.delete(session.get_one(Showing, site_id))
    assert crawl(database, site_id, page("http://b.test/N")).new == 0


def test_ids_that_only_we_take_otherwise_than_before_are_no_trouble(database, site_id):
    found = page("http://a.test/p/N")
    crawl(database, site_id, [FoundPost(external_id=f"old {p.url}", url=p.url, title=p.title) for p in found])
    assert crawl(database, site_id, found).new == 0
    assert site_of(database).trouble is None


def test_what_is_usual_is_what_was_pushed(database, site_id):
    many = page("http://a.test/N", [f"공고 {number}" for number in range(95)])
    assert crawl(database, site_id, many).fanout == "silent"
    # Neither the baseline nor what is held or dropped says how many posts are usual.
    fates = []
    for batch in range(3):
        found = page(f"http://a.test/{batch}/N", [f"채용 {batch} {number}" for number in range(60)])
        fates.append(crawl(database, site_id, found).fanout)
    assert fates == ["held"] * 3
    with database.writing() as session:
        posts.settle(session, site_id, now=now(), release=False)
    other = page("http://a.test/4/N", [f"행사 {number}" for number in range(60)])
    assert crawl(database, site_id, other).fanout == "held"
    # What was released does.
    with database.writing() as session:
        posts.settle(session, site_id, now=now(), release=True)
    again = page("http://a.test/5/N", [f"강좌 {number}" for number in range(60)])
    assert crawl(database, site_id, again).fanout == "ready"


def test_a_hostile_board_fills_the_table_only_so_far(database, site_id):
    def hostile(number: int) -> posts.Stored:
        found = page(f"http://a.test/{number}/N", [f"{number} {n}" for n in range(posts.WAITING_MOST + 500)])
        return run_of(database, site_id, found)[0]

    assert [(each.new, each.left_out) for each in map(hostile, range(3))] == [(2000, 500), (2000, 500), (0, 2500)]
    fates = [post.fanout for post in stored_posts(database)]
    assert fates == ["silent"] * posts.WAITING_MOST + ["held"] * posts.WAITING_MOST


def test_an_empty_board_that_was_read_well_is_a_baseline(database, site_id):
    crawl(database, site_id, [], is_empty=True)
    assert crawl(database, site_id, page("http://a.test/N", TITLES[:1])).fanout == "ready"


def test_a_site_whose_rows_cannot_be_told_apart_any_more_is_suspect_at_once(database, site_id):
    crawl(database, site_id, page("http://a.test/N"))
    problem = "10 of 10 rows have the same link"
    crawl(database, site_id, [], items_seen=1, is_ambiguous=True, problem=problem)
    site = site_of(database)
    assert (health_of(site, held_posts=0), site.advice) == ("suspect", problem)
    with database.writing() as session:
        sites.set_enabled(session, site.name, enabled=True, now=now())
    assert site_of(database).advice is None


def test_the_page_is_remembered_up_to_a_bound(session, site_id):
    for ids in ([1, 2], list(range(showings.SHOWN_MOST + 5))):
        showings.keep(session, site_id, ids)
    assert len(session.get_one(Showing, site_id).post_ids) == showings.SHOWN_MOST


def seen(database: Database, site_id: int, numbers: Sequence[int], **figures: Any) -> None:
    """A run that saw the posts of these numbers."""
    found = [FoundPost(external_id=f"{n}", url=f"http://a.test/{n}", title=f"공고 {n}") for n in numbers]
    crawl(database, site_id, found, **figures)


def gone(database: Database) -> list[str]:
    return [post.external_id for post in stored_posts(database) if post.gone_at is not None]


def test_a_post_is_gone_that_three_good_crawls_miss_where_older_ones_stand(database, site_id):
    seen(database, site_id, [3, 2, 1])
    seen(database, site_id, [4, 3, 2, 1])
    for _ in range(2):
        seen(database, site_id, [4, 2, 1])
    # Crawls that say nothing of the page count neither way, and one that sees it begins anew.
    for figures in (
        {"errors": 1},
        {"ok": False, "finish_reason": "timeout"},
        {"finish_reason": "closespider_pagecount"},
        {"not_modified": True, "shown": ()},
        {"is_ambiguous": True},
        {"shown": ()},
    ):
        seen(database, site_id, [4, 2, 1], **figures)
    assert gone(database) == []
    seen(database, site_id, [4, 3, 2, 1])
    for _ in range(2):
        seen(database, site_id, [5, 4, 2, 1])
    assert gone(database) == []
    seen(database, site_id, [6, 5, 4, 2, 1])
    assert gone(database) == ["3"]
    # It comes back.
    seen(database, site_id, [6, 5, 4, 3, 2, 1])
    assert gone(database) == []


def test_posts_that_newer_ones_push_off_a_short_page_are_not_gone(database, site_id):
    for number in range(20):
        seen(database, site_id, range(number + 5, number, -1))
    for _ in range(3):
        seen(database, site_id, range(24, 22, -1))
    assert gone(database) == []
