"""Real children on servers that answer in odd ways: read as browsers read, or a sentence that says what is wrong."""

import threading
from collections.abc import Callable

import pytest

from pipeline.crawling.child import CrawlOrder, CrawlReport, run_child
from tests.support.faulty_site import FaultySite, response

OrderFor = Callable[..., CrawlOrder]
pytestmark = pytest.mark.usefixtures("_forkserver")


def crawl(order: CrawlOrder) -> CrawlReport:
    return run_child(order, stop=threading.Event())


def listing(url: str) -> dict[str, str]:
    return {"url": url, "row": "tr.row", "title": "a"}


@pytest.mark.parametrize(
    ("status", "body", "headers", "words"),
    [
        ("200 OK", b"<title>Just a moment...</title><script>_cf_chl_opt={}</script>", [], "challenge for browsers"),
        ("403 Forbidden", b"<p>wait</p>", ["cf-mitigated: challenge"], "403 for http://127.0.0.1"),
        ("403 Forbidden", b"<p>wait</p>", ["cf-mitigated: challenge"], "challenge for browsers (Cloudflare)"),
        ("200 OK", b"<form><input type=password></form>", [], "a login page"),
        ("401 Unauthorized", b"", ['WWW-Authenticate: Basic realm="x"'], "HTTP Basic authentication"),
        ("200 OK", b'[{"title": "a"}]', [], "JSON that is no JSON Feed"),
        ("200 OK", b"<div id=root></div><script src=/a.js></script>", [], "runs no scripts"),
        ("410 Gone", b"gone", [], "the page is gone for good"),
    ],
)
def test_what_is_not_the_page_fails_the_run_and_is_named(
    site: FaultySite, order_for: OrderFor, status: str, body: bytes, headers: list[str], words: str
) -> None:
    site.answers["/x"] = response(status, body, "Content-Type: text/html", *headers)

    report = crawl(order_for(spider="listing", params=listing(site.url("/x"))))

    assert (report.finish_reason, report.ok, report.items_seen) == ("finished", False, 0)
    assert report.first_error is not None
    assert words in report.first_error


def test_a_run_that_finds_nothing_is_good_and_says_why(site: FaultySite, order_for: OrderFor) -> None:
    report = crawl(order_for(spider="listing", params={**listing(site.url("/board")), "row": "div.gone"}))

    assert (report.ok, report.items_seen, report.errors) == (True, 0, 0)
    assert report.first_error == report.problem == "the row selector 'div.gone' matches nothing on the page"
