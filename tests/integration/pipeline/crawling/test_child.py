"""Real children on a loopback site: what a crawl reports, and how it ends when something is wrong."""

import time

import pytest

from pipeline.crawling.order import CrawlProgress
from storage.run_figures import NOT_THE_SITES
from storage.session import Database
from tests.integration.pipeline.crawling.conftest import run
from tests.support.builders import add_site, running_run
from tests.support.faulty_site import FaultySite, faulty_site
from tests.support.faulty_spiders import POSTS

pytestmark = pytest.mark.usefixtures("_forkserver")
DATED = {"date": ".date::text"}


def faulty(site: FaultySite, fault: str, **params: object) -> dict[str, object]:
    """The first page gives a batch of posts; the second page's callback does the fault."""
    return {"url": site.url("/board"), "then": site.url("/board?second"), "fault": fault, **params}


def test_a_board_is_crawled_and_stored_and_a_second_crawl_finds_nothing_new_and_asks_for_no_robots_txt(
    site, order_for, stored
):
    site.robots = "User-agent: *\nDisallow: /private\n"
    news: list[CrawlProgress] = []
    params = {"url": site.url("/board?posts=3"), "row": "tr.row", "title": "a", **DATED}
    report = run(order_for(spider="listing", params=params), on_progress=news.append)
    assert (report.finish_reason, report.ok, report.errors, report.first_error) == ("finished", True, 0, None)
    assert (report.pages, report.items_seen, report.new_posts) == (1, 3, 3)
    assert report.status_counts == {"200": 1}
    assert report.bytes > 100
    assert 0 < report.cpu_s < 5
    assert report.robots == {site.origin: site.robots}
    assert news
    assert stored() == 3
    assert {seen.headers["user-agent"] for seen in site.requests} == {"crawlpush-tests (+mailto:tests@example.org)"}

    site.requests.clear()
    second = run(order_for(spider="listing", params=params, robots=report.robots))
    assert (second.ok, second.items_seen, second.new_posts) == (True, 3, 0)
    assert [seen.path for seen in site.requests] == ["/board?posts=3"]
    assert stored() == 3


def test_posts_are_stored_in_postgresql_too(crawl_board, postgres_url):
    database = Database(postgres_url)
    with database.writing() as session:
        begun = running_run(session, add_site(session))
        of_run = {"run_id": begun.id, "site_id": begun.site_id}
    for new in (3, 0):
        report = crawl_board(params=DATED, database_url=postgres_url, **of_run)
        assert (report.ok, report.items_seen, report.new_posts) == (True, 3, new)
    database.close()


def test_the_database_refuses_the_posts(crawl_board, stored):
    # There is no such run.
    report = crawl_board("/tagged", run_id=999)
    assert (report.finish_reason, report.ok, report.items_seen, report.new_posts) == ("unstorable", False, 3, 0)
    assert "FOREIGN KEY constraint failed" in (report.first_error or "")
    assert report.validators == {}
    assert stored() == 0


def test_a_database_that_can_only_be_read_is_not_the_sites_failure(crawl_board, postgres_url):
    read_only = f"{postgres_url}{'&' if '?' in postgres_url else '?'}options=-cdefault_transaction_read_only%3Don"
    report = crawl_board(database_url=read_only)
    assert (report.finish_reason, report.ok) == ("store_failed", False)
    assert report.finish_reason in NOT_THE_SITES


def test_nothing_changed(site, crawl_board):
    first = crawl_board("/tagged")
    assert first.validators == {site.url("/tagged"): ('"v1"', "Fri, 02 Jan 2026 03:04:05 GMT")}
    second = crawl_board("/tagged", validators=first.validators)
    assert (second.finish_reason, second.ok, second.not_modified) == ("finished", True, True)
    assert (second.pages, second.items_seen, second.errors) == (0, 0, 0)
    assert second.status_counts == {"304": 1}
    assert site.requests[-1].headers["if-modified-since"] == "Fri, 02 Jan 2026 03:04:05 GMT"


def test_an_exception_on_the_start_page_fails_the_run_and_keeps_its_posts(site, order_for, stored):
    report = run(order_for(params={"url": site.url("/tagged"), "fault": "raise", "posts": 5}))
    assert (report.finish_reason, report.ok, report.errors) == ("finished", False, 1)
    error = report.first_error or ""
    assert error.startswith(f"Spider error processing <GET {site.url('/tagged')}>")
    assert "faulty_spiders.py" in error
    assert error.endswith("LookupError: the row has no title")
    assert (report.items_seen, report.new_posts, stored()) == (5, 5, 5)
    assert report.validators == {}


def test_an_exception_on_a_later_page_is_counted(site, order_for, stored):
    report = run(order_for(params=faulty(site, "raise")))
    assert (report.finish_reason, report.ok, report.errors, report.validators) == ("finished", True, 1, {})
    assert stored() == POSTS


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/nothing-here", "404", "the server answered 404 for"),
        ("/broken", "500", "the server answered 500 for"),
        ("/loop", "302", "max redirections reached"),
    ],
)
def test_no_page_is_a_failed_run(site, crawl_board, path, status, words):
    report = crawl_board(path)
    assert (report.finish_reason, report.ok, report.items_seen, report.errors) == ("finished", False, 0, 1)
    assert words in (report.first_error or "")
    assert set(report.status_counts) == {status}
    assert len(site.paths()) <= 7


def test_nobody_listens(crawl_board):
    with faulty_site() as site:
        url = site.url("/board")
    report = crawl_board(url, obey_robots=False)
    assert (report.ok, report.pages, report.errors) == (False, 0, 1)
    assert "Connection was refused" in (report.first_error or "")


def test_robots_txt_forbids_the_page(site, crawl_board):
    site.robots = "User-agent: *\nDisallow: /board\n"
    refused = crawl_board()
    for report in (refused, crawl_board(robots=refused.robots)):
        assert (report.finish_reason, report.ok, report.pages) == ("robots", False, 0)
        assert report.first_error == f"Forbidden by robots.txt: {site.url('/board')}"
    assert crawl_board(obey_robots=False).ok
    assert [seen.path for seen in site.requests] == ["/robots.txt", "/board"]


def test_an_error_page_for_robots_txt_allows_everything(site, crawl_board):
    report = crawl_board()
    assert (report.ok, report.robots) == (True, {site.origin: ""})


@pytest.mark.parametrize(
    ("path", "robots_busy", "after_s", "words"),
    [
        ("/busy?status=429&after=3600", None, 3600, "the server answered 429 and asks to come back in 3600 s"),
        ("/busy?status=429", None, None, "the server answered 429"),
        # Sent away already when it asked for robots.txt
        ("/board", "600", 600, "come back in 600 s"),
    ],
)
def test_the_server_asks_to_come_back_much_later(site, crawl_board, path, robots_busy, after_s, words):
    site.robots_busy = robots_busy
    report = crawl_board(path)
    assert (report.finish_reason, report.ok, report.retry_after_s) == ("retry_after", False, after_s)
    assert words in (report.first_error or "")
    assert len(site.paths()) == (0 if robots_busy else 1)
    assert robots_busy is None or report.robots == {}


def test_a_short_pause_is_waited_for(crawl_board):
    started = time.monotonic()
    report = crawl_board("/busy-once")
    assert (report.finish_reason, report.ok, report.items_seen) == ("finished", True, 3)
    assert report.status_counts == {"503": 1, "200": 1}
    assert time.monotonic() - started >= 1


def test_a_page_that_is_too_big(crawl_board):
    report = crawl_board("/huge?mb=50", download_max_bytes=300_000)
    assert (report.ok, report.pages, report.errors) == (False, 0, 1)
    assert "larger than 300000 bytes" in (report.first_error or "")


def test_the_limit_of_pages(site, order_for, stored):
    report = run(order_for(params=faulty(site, "nothing"), max_pages=1))
    assert (report.finish_reason, report.ok, report.pages) == ("closespider_pagecount", True, 1)
    assert site.paths() == ["/board"]
    assert stored() == POSTS


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_out_of_bounds(site, crawl_board, host):
    report = crawl_board(f"http://{host}:{site.port}/board", allow_private=False)
    assert (report.ok, report.pages, site.requests) == (False, 0, [])
    assert "is not an address of the public internet" in (report.first_error or "")


def test_a_redirect_into_a_private_network(site, order_for):
    with faulty_site("127.0.0.2") as private:
        params = {"url": site.url(f"/to?url={private.url('/board')}"), "fault": "nothing"}
        report = run(order_for(spider="rebinding", params=params, allow_private=False))
        assert private.requests == []
    assert (report.ok, report.items_seen, report.status_counts) == (False, 0, {"302": 1})
    assert "127.0.0.2 is not an address of the public internet" in (report.first_error or "")


@pytest.mark.parametrize("scheme", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/html,x", "s3://bucket/x"])
def test_only_the_web(order_for, scheme):
    report = run(order_for(params={"url": scheme, "fault": "nothing"}, obey_robots=False))
    assert (report.ok, report.pages, report.items_seen) == (False, 0, 0)
    assert "Unsupported URL scheme" in (report.first_error or "")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"spider": "nobody"}, "there is no spider named 'nobody': `scrapy list` shows their names"),
        ({"spider": "listing", "params": {"url": "http://127.0.0.1/", "raw": "tr"}}, "there is no parameter 'raw'"),
    ],
)
def test_a_crawl_that_cannot_begin(order_for, changes, words):
    report = run(order_for(**changes))
    assert (report.finish_reason, report.ok) == ("start_error", False)
    assert words in (report.first_error or "")
