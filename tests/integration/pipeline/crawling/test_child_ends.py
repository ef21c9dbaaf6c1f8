"""Real children on a loopback site that do not end by themselves: limits, crashes, kills, and a stop."""

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import psutil
import pytest

from pipeline.crawling import child
from pipeline.crawling.child import forkserver
from pipeline.crawling.order import CrawlOrder, CrawlProgress, CrawlReport
from tests.integration.pipeline.crawling.conftest import is_gone, run
from tests.integration.pipeline.crawling.test_child import faulty
from tests.support.faulty_spiders import POSTS
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("_forkserver")
When = Callable[[Callable[[], object]], None]


def crawls_under_way() -> list[psutil.Process]:
    pid = forkserver.pid
    assert pid is not None
    return psutil.Process(pid).children(recursive=True)


@pytest.fixture
def time_is_up_when(monkeypatch: pytest.MonkeyPatch) -> When:
    """From the moment at which a condition holds, the parent finds that an hour has passed."""

    def when(condition: Callable[[], object]) -> None:
        clock = SimpleNamespace(monotonic=lambda: time.monotonic() + (3600 if condition() else 0))
        monkeypatch.setattr(child, "time", clock)

    return when


@pytest.mark.parametrize("path", ["/hang", "/drip"])
def test_a_server_that_takes_for_ever(site, order_for, stored, time_is_up_when, path):
    params = {"url": site.url("/board"), "then": site.url(path), "fault": "nothing", "posts": 5}
    time_is_up_when(lambda: path in site.paths())
    report = run(order_for(params=params, soft_limit_s=600, hard_limit_s=36_000))
    assert (report.finish_reason, report.ok) == ("timeout", False)
    assert (report.items_seen, report.new_posts, stored()) == (5, 5, 5)


@pytest.mark.parametrize("fault", ["loop", "sleep", "hold_gil"])
def test_a_callback_that_never_returns(site, order_for, stored, time_is_up_when, fault, note):
    time_is_up_when(note.exists)
    report = run(order_for(params=faulty(site, fault, note=str(note)), soft_limit_s=600, hard_limit_s=601))
    assert (report.finish_reason, report.ok, report.errors) == ("timeout", False, 1)
    assert report.first_error is not None
    assert stored() == POSTS
    wait_until(lambda: crawls_under_way() == [])


def test_a_callback_that_takes_all_memory(site, order_for, stored):
    report = run(order_for(params=faulty(site, "hog"), memory_mb=128, measure_memory=True))
    assert (report.finish_reason, report.ok) == ("memory", False)
    assert stored() == POSTS


@pytest.mark.parametrize(
    ("fault", "words"), [("exit", "ended by itself with exit code 7"), ("crash", "crashed with SIGSEGV")]
)
def test_a_crash(site, order_for, stored, fault, words):
    report = run(order_for(params=faulty(site, fault)))
    assert (report.finish_reason, report.ok) == ("crashed", False)
    assert words in (report.first_error or "")
    assert report.cpu_s is not None
    assert stored() == POSTS


def test_what_a_crawl_forked_ends_with_it(site, order_for, note):
    report = run(order_for(params=faulty(site, "fork", note=str(note))))
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
        self.report = run(self._order, stop=self.stop)

    def result(self) -> CrawlReport:
        self._thread.join(120)
        assert self.report is not None, "it does not end"
        return self.report


def test_stop_keeps_what_is_there(site, order_for, stored, monkeypatch):
    # It ends by itself: nobody has the patience to see it killed.
    monkeypatch.setattr(child, "STOP_GRACE_S", 1000.0)
    params = {"url": site.url("/board"), "then": site.url("/hang"), "fault": "nothing", "posts": 5}
    crawling = Crawling(order_for(params=params))
    wait_until(lambda: "/hang" in site.paths())
    crawling.stop.set()
    report = crawling.result()
    assert (report.finish_reason, report.ok) == ("stopped", False)
    assert (report.items_seen, report.new_posts, stored()) == (5, 5, 5)
    wait_until(lambda: crawls_under_way() == [])


def test_stop_kills_what_does_not_listen(site, order_for, stored, note):
    crawling = Crawling(order_for(params=faulty(site, "hold_gil", note=str(note))))
    wait_until(note.exists)
    crawling.stop.set()
    report = crawling.result()
    assert (report.finish_reason, report.ok) == ("stopped", False)
    assert stored() == POSTS
    wait_until(lambda: crawls_under_way() == [])


def test_the_child_is_killed(site, order_for, stored, note):
    crawling = Crawling(order_for(params=faulty(site, "sleep", note=str(note))))
    wait_until(note.exists)
    crawls_under_way()[0].kill()
    report = crawling.result()
    assert (report.finish_reason, report.ok) == ("killed", False)
    assert stored() == POSTS


def test_the_forkserver_is_killed_and_the_next_crawl_starts_it_again(site, order_for, crawl_board, stored, note):
    crawling = Crawling(order_for(params=faulty(site, "sleep", note=str(note))))
    wait_until(note.exists)
    killed = forkserver.pid
    child = crawls_under_way()[0]
    psutil.Process(killed).kill()
    report = crawling.result()
    assert (report.finish_reason, report.ok) == ("killed", False)
    wait_until(lambda: is_gone(child.pid))
    assert stored() == POSTS
    assert crawl_board().ok
    assert forkserver.pid not in (None, killed)


def test_several_at_once(site, order_for):
    order = order_for(spider="listing", params={"url": site.url("/board"), "row": "tr.row", "title": "a"})
    crawling = [Crawling(order) for _ in range(4)]
    reports = [each.result() for each in crawling]
    assert [report.ok for report in reports] == [True] * 4
    assert sum(report.new_posts for report in reports) == 3


def test_progress_that_raises_ends_the_crawl(site, order_for):
    def refuse(_progress: CrawlProgress) -> None:
        raise RuntimeError("the lease is gone")

    with pytest.raises(RuntimeError, match="the lease is gone"):
        run(order_for(params=faulty(site, "sleep")), on_progress=refuse)
    wait_until(lambda: crawls_under_way() == [])


def test_a_child_whose_lease_nobody_renews_ends_itself_however_busy_it_is(site, order_for):
    """The parent may be stopped meanwhile: only the child itself can then make room for another crawl of the site."""
    until = time.monotonic() + 1.0
    assert run(order_for(params=faulty(site, "loop")), lease=lambda: until).finish_reason == "killed"
    assert time.monotonic() >= until
