"""`sites repair` through real crawls: a board before, its redesign, the repair, and what the crawls after push."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from storage import sites
from storage.models import Post
from storage.session import Database
from tests.support.builders import add_site
from tests.support.cli import Run, runner
from tests.support.faulty_site import FaultySite, faulty_site, response
from tests.support.redesigns import Case, case


@pytest.fixture
def run(sqlite_url: str, redis_url: str, configure: Callable[..., None]) -> Run:
    """Runs `crawlpush`; `code` is the exit code that is expected."""
    configure(DATABASE_URL=sqlite_url, REDIS_URL=redis_url, CRAWL_DELAY_S="0")
    return runner()


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def server() -> Iterator[FaultySite]:
    with faulty_site() as serving:
        yield serving


def show(server: FaultySite, page: str) -> None:
    server.answers = {"/list": response("200 OK", page.encode(), "Content-Type: text/html; charset=utf-8")}


def crawled_before(run: Run, database: Database, server: FaultySite, redesign: Case) -> None:
    """A site that was crawled before its page was redesigned."""
    show(server, redesign.old_page)
    params = {name: value for name, value in redesign.before.items() if name != "timezone"}
    with database.writing() as session:
        add_site(
            session,
            baseline_done=False,
            allow_private=True,
            max_age_s=3_650 * 86_400,
            params={**params, "url": server.url("/list")},
        )
    run("crawl", "board")
    show(server, redesign.page)


def pushed(database: Database) -> set[str]:
    """Titles of the posts that are fanned out."""
    with database.reading() as session:
        return set(session.scalars(select(Post.title).where(Post.fanout.in_(("ready", "done", "held")))))


def titles(redesign: Case, page: str, params: Any) -> set[str]:
    """The titles of the posts that were posted since, as the page shows them."""
    new = {url for url, entry in redesign.truth.items() if entry.number in redesign.new}
    return {post.title for post in redesign.reading(page, params) if post.url in new or post.url not in redesign.truth}


def seeds(first: int, *others: int) -> list[Any]:
    """One for every day; the others in full."""
    return [first, *(pytest.param(seed, marks=pytest.mark.full) for seed in others)]


@pytest.mark.parametrize("seed", seeds(2, 3, 6, 9, 11, 16, 25, 31))
def test_after_a_repair_the_next_crawls_push_what_is_new_and_nothing_again(run, database, server, seed):
    redesign = case(seed, datetime.now(UTC))
    crawled_before(run, database, server, redesign)
    expected = redesign.repaired()
    assert not expected.refusal, expected.refusal
    assert pushed(database) == set()

    said = json.loads(run("sites", "repair", "board", "--dry-run", "--json").stdout)
    assert said["new_ids"] is None
    run("sites", "repair", "board", code=1)
    output = run("sites", "repair", "board", "--yes").output
    assert "nothing is pushed again" in output
    with database.reading() as session:
        site = sites.by_name(session, "board")
        assert (site.baseline_done, site.trouble) == (True, None)
        for name in ("row", "title", "date", "id"):
            assert site.params.get(name) == expected.params.get(name), name

    run("crawl", "board")
    show(server, redesign.page)
    assert pushed(database) == titles(redesign, redesign.page, expected.params)
    show(server, redesign.later)
    run("crawl", "board")
    assert pushed(database) == titles(redesign, redesign.later, expected.params)
    assert "needs no repair" in run("sites", "repair", "board", "--yes", code=1).output


@pytest.mark.parametrize("seed", seeds(7, 14, 21))
def test_what_is_not_sure_changes_nothing_and_says_why(run, database, server, seed):
    redesign = case(seed, datetime.now(UTC))
    assert redesign.refused
    crawled_before(run, database, server, redesign)

    def stored() -> Any:
        with database.reading() as session:
            site = sites.by_name(session, "board")
            return dict(site.params), [(post.id, post.external_id) for post in session.scalars(select(Post))]

    before = stored()
    assert "board is not repaired: " in run("sites", "repair", "board", "--yes", code=1).output
    assert stored() == before


def test_what_cannot_be_repaired_is_told_in_words(run, database, server):
    assert "there is no site named 'nosuch'" in run("sites", "repair", "nosuch", code=1).output
    with database.writing() as session:
        site = add_site(session, "feed", params={"url": server.url("/list")}, allow_private=True)
        site.spider = "feed"
        add_site(session, "empty", params={"url": server.url("/list"), "row": "tr"}, allow_private=True)
    assert "only a listing has rows" in run("sites", "repair", "feed", code=1).output
    show(server, "<p>hello</p>")
    assert "none of the 0 known titles" in run("sites", "repair", "empty", code=1).output
    assert "--row: 'tr[' " in run("sites", "repair", "empty", "--row", "tr[", code=1).output
