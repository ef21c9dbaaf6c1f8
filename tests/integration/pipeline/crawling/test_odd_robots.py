"""Real children on servers that do not give out their robots.txt, or wrap it oddly (RFC 9309)."""

import threading
from collections.abc import Callable

import pytest

from pipeline.crawling.child import CrawlOrder, CrawlReport, run_child
from tests.support.faulty_site import FaultySite, response

OrderFor = Callable[..., CrawlOrder]
pytestmark = pytest.mark.usefixtures("_forkserver")

FORBIDDEN = "User-agent: *\nDisallow: /board\n"
LOST = [b"", response("500 Internal Server Error", b""), response("503 Service Unavailable", b"")]


def crawl(order_for: OrderFor, url: str, **changes: object) -> CrawlReport:
    params = {"url": url, "row": "tr.row", "title": "a"}
    return run_child(order_for(spider="listing", params=params, **changes), stop=threading.Event())


@pytest.mark.parametrize("answer", LOST)
def test_without_a_copy_nothing_is_crawled_and_the_error_names_robots_txt(
    site: FaultySite, order_for: OrderFor, answer: bytes
) -> None:
    site.answers["/robots.txt"] = answer

    report = crawl(order_for, site.url("/board"))

    assert (report.finish_reason, report.ok, report.robots) == ("robots_unreachable", False, {})
    assert report.first_error is not None
    assert report.first_error.startswith(f"{site.origin}/robots.txt cannot be read (")
    assert site.paths() == []
    assert crawl(order_for, site.url("/board"), obey_robots=False).ok


@pytest.mark.parametrize("answer", LOST)
def test_an_old_copy_serves(site: FaultySite, order_for: OrderFor, answer: bytes) -> None:
    site.answers["/robots.txt"] = answer

    free = crawl(order_for, site.url("/board"), old_robots={site.origin: ""})
    forbidden = crawl(order_for, site.url("/board"), old_robots={site.origin: FORBIDDEN})

    assert (free.ok, free.errors, free.items_seen, free.robots) == (True, 0, 3, {})
    assert (forbidden.finish_reason, forbidden.ok) == ("robots", False)


def test_nothing_changed_is_a_good_run_although_robots_txt_is_lost(site: FaultySite, order_for: OrderFor) -> None:
    site.answers["/robots.txt"] = b""
    validators = {site.url("/tagged"): ('"v1"', None)}

    report = crawl(order_for, site.url("/tagged"), old_robots={site.origin: ""}, validators=validators)

    assert (report.ok, report.not_modified, report.errors) == (True, True, 0)


def test_a_new_one_goes_before_an_old_copy(site: FaultySite, order_for: OrderFor) -> None:
    site.robots = "User-agent: *\nDisallow:\n"

    report = crawl(order_for, site.url("/board"), old_robots={site.origin: FORBIDDEN})

    assert report.ok
    assert report.robots == {site.origin: site.robots}


@pytest.mark.parametrize(
    "status", ["400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found", "410 Gone"]
)
def test_what_is_not_there_forbids_nothing(site: FaultySite, order_for: OrderFor, status: str) -> None:
    site.answers["/robots.txt"] = response(status, FORBIDDEN.encode())

    report = crawl(order_for, site.url("/board"))

    assert (report.ok, report.robots) == (True, {site.origin: ""})


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + FORBIDDEN.encode(),
        b"\xff\xfe" + FORBIDDEN.encode("utf-16-le"),
        FORBIDDEN.encode("utf-16-be"),
        FORBIDDEN.replace("\n", "\r").encode(),
        b"# \x00\xff\n" + FORBIDDEN.encode(),
    ],
)
def test_a_robots_txt_in_an_odd_wrapping_is_obeyed_and_can_be_stored(
    site: FaultySite, order_for: OrderFor, body: bytes
) -> None:
    site.answers["/robots.txt"] = response("200 OK", body)

    report = crawl(order_for, site.url("/board"))

    assert (report.finish_reason, report.ok) == ("robots", False)
    assert "\x00" not in report.robots[site.origin]
