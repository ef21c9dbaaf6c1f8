"""Real children on a loopback site: what a crawl reports, and how it ends when something is wrong."""

import dataclasses
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.crawling import child
from pipeline.crawling.child import CrawlOrder, CrawlProgress, CrawlReport, forkserver_pid, run_child
from storage.run_figures import NOT_THE_SITES
from storage.session import Database
from tests.support.builders import add_site, running_run
from tests.support.faulty_site import FaultySite, faulty_site, wait_until
from tests.support.faulty_spiders import POSTS

OrderFor = Callable[..., CrawlOrder]
pytestmark = pytest.mark.usefixtures("_forkserver")


def crawl(order: CrawlOrder, **options: Any) -> CrawlReport:
    return run_child(order, stop=options.pop("stop", threading.Event()), **options)


def listing(url: str) -> dict[str, str]:
    return {"url": url, "row": "tr.row", "title": "a", "date": ".date::text"}


def faulty(site: FaultySite, fault: str, **params: object) -> dict[str, object]:
    """The first page gives a batch of posts; the second page's callback does the fault."""
    return {"url": site.url("/board"), "then": site.url("/board?second"), "fault": fault, **params}


def crawls_under_way() -> list[psutil.Process]:
    pid = forkserver_pid()
    assert pid is not None
    return psutil.Process(pid).children(recursive=True)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_board_is_crawled_and_stored(site: FaultySite, order_for: OrderFor, stored: Callable[[], int]) -> None:
    site.robots = "User-agent: *\nDisallow: /private\n"
    news: list[CrawlProgress] = []

    report = crawl(order_for(spider="listing", params=listing(site.url("/board?posts=3"))), on_progress=news.append)

    assert (report.finish_reason, report.ok, report.errors, report.first_error) == ("finished", True, 0, None)
    assert (report.pages, report.items_seen, report.new_posts) == (1, 3, 3)
    assert report.status_counts == {"200": 1}
    assert report.bytes > 100
    assert report.cpu_s is not None
    assert 0 < report.cpu_s < 5
    assert report.robots == {site.origin: site.robots}
    assert news
    assert stored() == 3
    agents = {seen.headers["user-agent"] for seen in site.requests}
    assert agents == {"crawlpush-tests (+mailto:tests@example.org)"}


def test_a_second_crawl_finds_nothing_new_and_asks_for_no_robots_txt(
    site: FaultySite, order_for: OrderFor, stored: Callable[[], int]
) -> None:
    site.robots = ""
    params = listing(site.url("/board"))
    first = crawl(order_for(spider="listing", params=params))
    site.requests.clear()

    second = crawl(order_for(spider="listing", params=params, robots=first.robots))

    assert (second.ok, second.items_seen, second.new_posts) == (True, 3, 0)
    assert [seen.path for seen in site.requests] == ["/board"]
    assert stored() == 3


def test_posts_are_stored_in_postgresql_too(site: FaultySite, order_for: OrderFor, postgres_url: str) -> None:
    database = Database(postgres_url)
    with database.writing() as session:
        run = running_run(session, add_site(session))
        run_id, site_id = run.id, run.site_id
    order = order_for(spider="listing", params=listing(site.url("/board")), database_url=postgres_url)
    order = dataclasses.replace(order, run_id=run_id, site_id=site_id)

    first, second = crawl(order), crawl(order)

    database.close()
    assert (first.ok, first.items_seen, first.new_posts) == (True, 3, 3)
    assert (second.ok, second.items_seen, second.new_posts) == (True, 3, 0)


def test_the_database_refuses_the_posts(site: FaultySite, order_for: OrderFor, stored: Callable[[], int]) -> None:
    # There is no such run.
    report = crawl(order_for(spider="listing", params=listing(site.url("/tagged")), run_id=999))

    assert (report.finish_reason, report.ok, report.items_seen, report.new_posts) == ("unstorable", False, 3, 0)
    assert report.first_error is not None
    assert "FOREIGN KEY constraint failed" in report.first_error
    assert report.validators == {}
    assert stored() == 0


def test_a_database_that_can_only_be_read_is_not_the_sites_failure(
    site: FaultySite, order_for: OrderFor, postgres_url: str
) -> None:
    read_only = f"{postgres_url}{'&' if '?' in postgres_url else '?'}options=-cdefault_transaction_read_only%3Don"
    report = crawl(order_for(spider="listing", params=listing(site.url("/board")), database_url=read_only))

    assert (report.finish_reason, report.ok) == ("store_failed", False)
    assert report.finish_reason in NOT_THE_SITES


def test_nothing_changed(site: FaultySite, order_for: OrderFor) -> None:
    params = listing(site.url("/tagged"))
    first = crawl(order_for(spider="listing", params=params))
    assert first.validators == {site.url("/tagged"): ('"v1"', "Fri, 02 Jan 2026 03:04:05 GMT")}

    second = crawl(order_for(spider="listing", params=params, validators=first.validators))

    assert (second.finish_reason, second.ok, second.not_modified) == ("finished", True, True)
    assert (second.pages, second.items_seen, second.errors) == (0, 0, 0)
    assert second.status_counts == {"304": 1}
    assert site.requests[-1].headers["if-modified-since"] == "Fri, 02 Jan 2026 03:04:05 GMT"


def test_an_exception_on_the_start_page_fails_the_run_and_keeps_its_posts(
    site: FaultySite, order_for: OrderFor, stored: Callable[[], int]
) -> None:
    params = {"url": site.url("/tagged"), "fault": "raise", "posts": 5}

    report = crawl(order_for(params=params))

    assert (report.finish_reason, report.ok, report.errors) == ("finished", False, 1)
    assert report.first_error is not None
    assert report.first_error.startswith(f"Spider error processing <GET {site.url('/tagged')}>")
    assert "faulty_spiders.py" in report.first_error
    assert report.first_error.endswith("LookupError: the row has no title")
    assert (report.items_seen, report.new_posts, stored()) == (5, 5, 5)
    assert report.validators == {}


def test_an_exception_on_a_later_page_is_counted(
    site: FaultySite, order_for: OrderFor, stored: Callable[[], int]
) -> None:
    report = crawl(order_for(params=faulty(site, "raise")))

    assert (report.finish_reason, report.ok, report.errors) == ("finished", True, 1)
    assert stored() == POSTS
    assert report.validators == {}


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/nothing-here", "404", "the server answered 404 for"),
        ("/broken", "500", "the server answered 500 for"),
        ("/loop", "302", "max redirections reached"),
    ],
)
def test_no_page_is_a_failed_run(site: FaultySite, order_for: OrderFor, path: str, status: str, words: str) -> None:
    report = crawl(order_for(spider="listing", params=listing(site.url(path))))

    assert (report.finish_reason, report.ok, report.items_seen, report.errors) == ("finished", False, 0, 1)
    assert report.first_error is not None
    assert words in report.first_error
    assert set(report.status_counts) == {status}
    assert len(site.paths()) <= 7


def test_nobody_listens(order_for: OrderFor) -> None:
    with faulty_site() as site:
        url = site.url("/board")

    report = crawl(order_for(spider="listing", params=listing(url), obey_robots=False))

    assert (report.ok, report.pages, report.errors) == (False, 0, 1)
    assert report.first_error is not None
    assert "Connection was refused" in report.first_error


def test_robots_txt_forbids_the_page(site: FaultySite, order_for: OrderFor) -> None:
    site.robots = "User-agent: *\nDisallow: /board\n"
    params = listing(site.url("/board"))

    refused = crawl(order_for(spider="listing", params=params))
    remembered = crawl(order_for(spider="listing", params=params, robots=refused.robots))
    exempted = crawl(order_for(spider="listing", params=params, obey_robots=False))

    for report in (refused, remembered):
        assert (report.finish_reason, report.ok, report.pages) == ("robots", False, 0)
        assert report.first_error == f"Forbidden by robots.txt: {site.url('/board')}"
    assert exempted.ok
    assert [seen.path for seen in site.requests] == ["/robots.txt", "/board"]


def test_an_error_page_for_robots_txt_allows_everything(site: FaultySite, order_for: OrderFor) -> None:
    report = crawl(order_for(spider="listing", params=listing(site.url("/board"))))

    assert report.ok
    assert report.robots == {site.origin: ""}


def test_the_server_asks_to_come_back_much_later(site: FaultySite, order_for: OrderFor) -> None:
    report = crawl(order_for(spider="listing", params=listing(site.url("/busy?status=429&after=3600"))))

    assert (report.finish_reason, report.ok, report.retry_after_s) == ("retry_after", False, 3600)
    assert report.first_error is not None
    assert "the server answered 429 and asks to come back in 3600 s" in report.first_error
    assert len(site.paths()) == 1


def test_the_server_sends_away_who_asks_for_robots_txt(site: FaultySite, order_for: OrderFor) -> None:
    site.robots_busy = "600"

    report = crawl(order_for(spider="listing", params=listing(site.url("/board"))))

    assert (report.finish_reason, report.ok, report.retry_after_s) == ("retry_after", False, 600)
    assert site.paths() == []
    assert report.robots == {}


def test_too_many_requests_without_a_time(site: FaultySite, order_for: OrderFor) -> None:
    report = crawl(order_for(spider="listing", params=listing(site.url("/busy?status=429"))))

    assert (report.finish_reason, report.ok, report.retry_after_s) == ("retry_after", False, None)
    assert len(site.paths()) == 1


def test_a_short_pause_is_waited_for(site: FaultySite, order_for: OrderFor) -> None:
    started = time.monotonic()

    report = crawl(order_for(spider="listing", params=listing(site.url("/busy-once"))))

    assert (report.finish_reason, report.ok, report.items_seen) == ("finished", True, 3)
    assert report.status_counts == {"503": 1, "200": 1}
    assert time.monotonic() - started >= 1


def test_a_page_that_is_too_big(site: FaultySite, order_for: OrderFor) -> None:
    report = crawl(order_for(spider="listing", params=listing(site.url("/huge?mb=50")), download_max_bytes=300_000))

    assert (report.ok, report.pages, report.errors) == (False, 0, 1)
    assert report.first_error is not None
    assert "larger than 300000 bytes" in report.first_error


def test_the_limit_of_pages(site: FaultySite, order_for: OrderFor, stored: Callable[[], int]) -> None:
    report = crawl(order_for(params=faulty(site, "nothing"), max_pages=1))

    assert (report.finish_reason, report.ok, report.pages) == ("closespider_pagecount", True, 1)
    assert site.paths() == ["/board"]
    assert stored() == POSTS


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_out_of_bounds(site: FaultySite, order_for: OrderFor, host: str) -> None:
    params = listing(f"http://{host}:{site.port}/board")

    report = crawl(order_for(spider="listing", params=params, allow_private=False))

    assert (report.ok, report.pages) == (False, 0)
    assert report.first_error is not None
    assert "is not an address of the public internet" in report.first_error
    assert site.requests == []


def test_a_redirect_into_a_private_network(site: FaultySite, order_for: OrderFor) -> None:
    with faulty_site("127.0.0.2") as private:
        params = {"url": site.url(f"/to?url={private.url('/board')}"), "fault": "nothing"}

        report = crawl(order_for(spider="rebinding", params=params, allow_private=False))

        assert private.requests == []
    assert (report.ok, report.items_seen) == (False, 0)
    assert report.status_counts == {"302": 1}
    assert report.first_error is not None
    assert "127.0.0.2 is not an address of the public internet" in report.first_error


@pytest.mark.parametrize("scheme", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/html,x", "s3://bucket/x"])
def test_only_the_web(order_for: OrderFor, scheme: str) -> None:
    report = crawl(order_for(params={"url": scheme, "fault": "nothing"}, obey_robots=False))

    assert (report.ok, report.pages, report.items_seen) == (False, 0, 0)
    assert report.first_error is not None
    assert "Unsupported URL scheme" in report.first_error


def test_an_unknown_spider(order_for: OrderFor) -> None:
    report = crawl(order_for(spider="nobody"))

    assert (report.finish_reason, report.ok) == ("start_error", False)
    assert report.first_error == "there is no spider named 'nobody': `scrapy list` shows their names"


def test_wrong_parameters(order_for: OrderFor) -> None:
    report = crawl(order_for(spider="listing", params={"url": "http://127.0.0.1/", "raw": "tr"}))

    assert (report.finish_reason, report.ok) == ("start_error", False)
    assert report.first_error is not None
    assert "there is no parameter 'raw'" in report.first_error


@pytest.mark.parametrize("path", ["/hang", "/drip"])
def test_a_server_that_takes_for_ever(
    site: FaultySite, order_for: OrderFor, stored: Callable[[], int], path: str
) -> None:
    params = {"url": site.url("/board"), "then": site.url(path), "fault": "nothing", "posts": 5}
    started = time.monotonic()

    report = crawl(order_for(params=params, soft_limit_s=2, hard_limit_s=90))

    assert (report.finish_reason, report.ok) == ("timeout", False)
    assert (report.items_seen, report.new_posts, stored()) == (5, 5, 5)
    assert time.monotonic() - started < 60


@pytest.mark.parametrize("fault", ["loop", "sleep", "hold_gil"])
def test_a_callback_that_never_returns(
    site: FaultySite, order_for: OrderFor, stored: Callable[[], int], fault: str
) -> None:
    started = time.monotonic()

    report = crawl(order_for(params=faulty(site, fault), soft_limit_s=3, hard_limit_s=4))

    assert (report.finish_reason, report.ok, report.errors) == ("timeout", False, 1)
    assert report.first_error is not None
    assert stored() == POSTS
    assert time.monotonic() - started < 60
    assert crawls_under_way() == []


def test_a_callback_that_takes_all_memory(site: FaultySite, order_for: OrderFor, stored: Callable[[], int]) -> None:
    report = crawl(order_for(params=faulty(site, "hog"), memory_mb=128, measure_memory=True))

    assert (report.finish_reason, report.ok) == ("memory", False)
    assert stored() == POSTS


@pytest.mark.parametrize(
    ("fault", "words"), [("exit", "ended by itself with exit code 7"), ("crash", "crashed with SIGSEGV")]
)
def test_a_crash(site: FaultySite, order_for: OrderFor, stored: Callable[[], int], fault: str, words: str) -> None:
    report = crawl(order_for(params=faulty(site, fault)))

    assert (report.finish_reason, report.ok) == ("crashed", False)
    assert report.first_error is not None
    assert words in report.first_error
    assert report.cpu_s is not None
    assert stored() == POSTS


def test_what_a_crawl_forked_ends_with_it(site: FaultySite, order_for: OrderFor, tmp_path: Path) -> None:
    note = tmp_path / "pids"

    report = crawl(order_for(params=faulty(site, "fork", note=str(note))))

    assert report.ok
    inside, outside = map(int, note.read_text().split())
    wait_until(lambda: is_gone(inside))
    if psutil.LINUX:  # elsewhere what leaves the group is out of reach
        wait_until(lambda: is_gone(outside))
    wait_until(lambda: crawls_under_way() == [])


class Crawling:
    """A crawl in a thread of its own."""

    def __init__(self, order: CrawlOrder) -> None:
        self.stop = threading.Event()
        self.report: CrawlReport | None = None
        self._order = order
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.report = run_child(self._order, stop=self.stop)

    def result(self) -> CrawlReport:
        self._thread.join(120)
        assert self.report is not None
        return self.report


def test_stop_keeps_what_is_there(
    site: FaultySite, order_for: OrderFor, stored: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "STOP_GRACE_S", 100.0)
    params = {"url": site.url("/board"), "then": site.url("/hang"), "fault": "nothing", "posts": 5}
    crawling = Crawling(order_for(params=params))
    wait_until(lambda: "/hang" in site.paths())

    started = time.monotonic()
    crawling.stop.set()
    report = crawling.result()

    assert (report.finish_reason, report.ok) == ("stopped", False)
    assert (report.items_seen, report.new_posts, stored()) == (5, 5, 5)
    # By itself: it was not killed.
    assert time.monotonic() - started < 60
    assert crawls_under_way() == []


def test_stop_kills_what_does_not_listen(
    site: FaultySite, order_for: OrderFor, stored: Callable[[], int], tmp_path: Path
) -> None:
    note = tmp_path / "note"
    crawling = Crawling(order_for(params=faulty(site, "hold_gil", note=str(note))))
    wait_until(note.exists)

    started = time.monotonic()
    crawling.stop.set()
    report = crawling.result()

    assert (report.finish_reason, report.ok) == ("stopped", False)
    assert time.monotonic() - started < 60
    assert stored() == POSTS
    assert crawls_under_way() == []


def test_the_child_is_killed(site: FaultySite, order_for: OrderFor, stored: Callable[[], int], tmp_path: Path) -> None:
    note = tmp_path / "note"
    crawling = Crawling(order_for(params=faulty(site, "sleep", note=str(note))))
    wait_until(note.exists)

    crawls_under_way()[0].kill()
    report = crawling.result()

    assert (report.finish_reason, report.ok) == ("killed", False)
    assert stored() == POSTS


def test_the_forkserver_is_killed_and_the_next_crawl_starts_it_again(
    site: FaultySite, order_for: OrderFor, stored: Callable[[], int], tmp_path: Path
) -> None:
    note = tmp_path / "note"
    crawling = Crawling(order_for(params=faulty(site, "sleep", note=str(note))))
    wait_until(note.exists)
    killed = forkserver_pid()
    assert killed is not None
    child = crawls_under_way()[0]

    psutil.Process(killed).kill()
    report = crawling.result()

    assert (report.finish_reason, report.ok) == ("killed", False)
    wait_until(lambda: is_gone(child.pid))
    assert stored() == POSTS
    assert crawl(order_for(spider="listing", params=listing(site.url("/board")))).ok
    assert forkserver_pid() not in (None, killed)


def test_several_at_once(site: FaultySite, order_for: OrderFor) -> None:
    order = order_for(spider="listing", params=listing(site.url("/board")))
    crawling = [Crawling(order) for _ in range(4)]

    reports = [each.result() for each in crawling]

    assert [report.ok for report in reports] == [True] * 4
    assert sum(report.new_posts for report in reports) == 3


def test_progress_that_raises_ends_the_crawl(site: FaultySite, order_for: OrderFor) -> None:
    def refuse(_progress: CrawlProgress) -> None:
        raise RuntimeError("the lease is gone")

    with pytest.raises(RuntimeError, match="the lease is gone"):
        crawl(order_for(params=faulty(site, "sleep")), on_progress=refuse)

    wait_until(lambda: crawls_under_way() == [])


def test_a_child_whose_lease_nobody_renews_ends_itself_however_busy_it_is(
    site: FaultySite, order_for: OrderFor
) -> None:
    """The parent may be stopped meanwhile: only the child itself can then make room for another crawl of the site."""
    until = time.monotonic() + 1.0
    order = order_for(params=faulty(site, "loop"))
    began = time.monotonic()
    report = crawl(order, lease=lambda: until)
    assert report.finish_reason == "killed"
    assert 0.9 < time.monotonic() - began < 60
