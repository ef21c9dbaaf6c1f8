"""Real children on servers that spell HTTP in their own ways, break off, or send without end."""

import gzip
from collections.abc import Callable

import pytest

from pipeline.crawling.order import CrawlReport
from tests.integration.pipeline.crawling.conftest import Crawl
from tests.support.faulty_site import FaultySite, board, response

pytestmark = pytest.mark.usefixtures("_forkserver")

Answered = Callable[[bytes], CrawlReport]
PAGE = board(3)
WHOLE = PAGE + b"</html>\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def length(of: bytes, more: int = 0) -> bytes:
    return b"Content-Length: %d\r\n\r\n" % (len(of) + more)


def chunk(data: bytes, *, after_size: bytes = b"", end: bytes = b"\r\n") -> bytes:
    return b"%x" % len(data) + after_size + end + data + end


@pytest.fixture
def answered(site: FaultySite, crawl_board: Crawl) -> Answered:
    """Crawls a page for which the server gives this answer."""

    def crawl(answer: bytes) -> CrawlReport:
        site.answers["/x"] = answer
        return crawl_board("/x")

    return crawl


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + length(WHOLE, more=400) + WHOLE,
        CHUNKED + chunk(WHOLE),
        CHUNKED + chunk(WHOLE)[:-2],
        CHUNKED + chunk(PAGE, after_size=b"  ") + b"0 \r\n\r\n",
        CHUNKED + chunk(PAGE, after_size=b" ; a=b") + b"0\r\nX-Trailer: y\r\n\r\n",
        CHUNKED + chunk(PAGE, end=b"\n") + b"0\n\n",
        CHUNKED + b"".join(chunk(PAGE[n : n + 1]) for n in range(len(PAGE))) + b"0\r\n\r\n",
        HEAD + "‘access-control-allow-origin’: *\r\n".encode() + length(PAGE) + PAGE,
        HEAD + b": nothing\r\nX Y: z\r\nContent-Length : %d\r\n\r\n" % len(PAGE) + PAGE,
        HEAD + b"Powered by hand\r\n" + length(PAGE) + PAGE,
        HEAD + b"Content-Length: many\r\n\r\n" + PAGE,
        HEAD + b"Transfer-Encoding: identity\r\n" + length(PAGE) + PAGE,
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunk(gzip.compress(PAGE)) + b"0\r\n\r\n",
        (HEAD + length(PAGE)).replace(b"\r\n", b"\n") + PAGE,
        b"HTTP/1.1  200\r\n" + length(PAGE) + PAGE,
        b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + length(PAGE) + PAGE,
        HEAD + length(gzip.compress(PAGE)) + gzip.compress(PAGE),
        HEAD + b"Content-Encoding: gzip\r\n" + length(PAGE) + PAGE,
        HEAD + b"Content-Encoding: br\r\n\r\n" + gzip.compress(PAGE),
        HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(gzip.compress(PAGE)),
        HEAD + b"Content-Encoding: utf-8\r\n\r\n" + PAGE,
        HEAD + b"\r\n\xff\xfe" + PAGE.decode().encode("utf-16-le"),
    ],
)
def test_what_browsers_read_is_read(answered, answer):
    report = answered(answer)
    assert (report.ok, report.items_seen, report.errors, report.first_error) == (True, 3, 0, None)


def test_a_page_that_breaks_off_is_asked_for_again_and_then_read_as_far_as_it_came(site, answered):
    report = answered(HEAD + length(PAGE, more=400) + PAGE)
    assert site.paths() == ["/x", "/x"]
    assert (report.ok, report.items_seen, report.errors) == (True, 3, 1)
    assert "the answer broke off" in (report.first_error or "")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "closed the connection before its answer was complete"),
        (HEAD, "closed the connection before its answer was complete"),
        (HEAD + length(b"", more=400), "the answer broke off"),
        (CHUNKED + b"zz\r\n", "a chunk's size is 'zz', no number"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "does not speak HTTP: its answer begins with 'SSH-2.0-OpenSSH_9.2'"),
        (HEAD + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\nhello", "several lengths, 5, 7"),
        (HEAD + b"X: y\r\n" * 100_000, "the headers are longer than 256 KiB"),
        (HEAD + b"X: " + b"y" * 500_000, "a header line is longer than 64 KiB"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000, "more than 10 interim answers (100)"),
        (CHUNKED + b"1\r\n \r\n" * 25_000, "the body came in more than 20000 chunks"),
        (HEAD + b"\r\n" + gzip.compress(b"<p>" + b" " * 5_000_000), "larger than 1000000 bytes when it is unpacked"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(answered, answer, words):
    report = answered(answer)
    assert (report.ok, report.items_seen) == (False, 0)
    assert words in (report.first_error or "")
    assert "twisted" not in report.first_error


def refresh(delay: int, url: str, *headers: str) -> bytes:
    return response(
        "200 OK", b'<meta http-equiv="refresh" content="%d; url=%s">' % (delay, url.encode()) + PAGE, *headers
    )


@pytest.mark.parametrize(
    "answer",
    [
        refresh(60, "/x"),
        refresh(0, "/x", "Content-Type: text/html"),
        refresh(5, "#top", "Content-Type: text/html"),
        refresh(30, "/elsewhere", "Content-Type: text/html"),
        refresh(5, "/x", "Content-Type: text/html", "Set-Cookie: a=b"),
        response("200 OK", PAGE, "Content-Type: text/html", "Refresh: 60"),
        response("200 OK", PAGE, "Content-Type: text/html", "Refresh: 45; url=/elsewhere"),
        response("200 OK", PAGE, "Content-Type: text/html", "Refresh: 5;URL='/x'"),
    ],
)
def test_a_page_that_reloads_itself_is_read(site, answered, answer):
    report = answered(answer)
    assert (report.ok, report.items_seen) == (True, 3)
    assert set(site.paths()) == {"/x"}


@pytest.mark.parametrize(
    "answer",
    [
        response("200 OK", b"<meta http-equiv=refresh content='5;url=/board'>", "Content-Type: text/html"),
        response("200 OK", b"<p>one moment", "Content-Type: text/html", "Refresh: 0; url=/board"),
        response("200 OK", b"", "Refresh: 3;URL='/board'"),
    ],
)
def test_a_refresh_that_leads_elsewhere_soon_is_followed(site, answered, answer):
    report = answered(answer)
    assert (report.ok, report.items_seen) == (True, 3)
    assert site.paths() == ["/x", "/board"]


def test_a_304_that_nobody_asked_for_is_a_failed_run(answered):
    report = answered(response("304 Not Modified", b""))
    assert (report.ok, report.not_modified) == (False, False)
    assert "the server answered 304" in (report.first_error or "")
    assert "nobody asked" in report.first_error


def test_a_validator_that_cannot_be_stored_is_left_out(answered):
    report = answered(response("200 OK", PAGE, "Content-Type: text/html", 'ETag: "a\x00b"'))
    assert (report.ok, report.validators) == (True, {})
