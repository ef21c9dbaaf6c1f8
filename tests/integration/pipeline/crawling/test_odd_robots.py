"""Real children on servers that do not give out their robots.txt, or wrap it oddly (RFC 9309)."""

import pytest

from tests.support.faulty_site import response

pytestmark = pytest.mark.usefixtures("_forkserver")

FORBIDDEN = "User-agent: *\nDisallow: /board\n"
LOST = [b"", response("500 Internal Server Error", b""), response("503 Service Unavailable", b"")]


@pytest.mark.parametrize("answer", LOST)
def test_without_a_copy_nothing_is_crawled_and_the_error_names_robots_txt(site, crawl_board, answer):
    site.answers["/robots.txt"] = answer
    report = crawl_board()
    assert (report.finish_reason, report.ok, report.robots) == ("robots_unreachable", False, {})
    assert report.first_error.startswith(f"{site.origin}/robots.txt cannot be read (")
    assert site.paths() == []
    assert crawl_board(obey_robots=False).ok


@pytest.mark.parametrize("answer", LOST)
def test_an_old_copy_serves(site, crawl_board, answer):
    site.answers["/robots.txt"] = answer
    free = crawl_board(old_robots={site.origin: ""})
    forbidden = crawl_board(old_robots={site.origin: FORBIDDEN})
    assert (free.ok, free.errors, free.items_seen, free.robots) == (True, 0, 3, {})
    assert (forbidden.finish_reason, forbidden.ok) == ("robots", False)


def test_nothing_changed_is_a_good_run_although_robots_txt_is_lost(site, crawl_board):
    site.answers["/robots.txt"] = b""
    validators = {site.url("/tagged"): ('"v1"', None)}
    report = crawl_board("/tagged", old_robots={site.origin: ""}, validators=validators)
    assert (report.ok, report.not_modified, report.errors) == (True, True, 0)


def test_a_new_one_goes_before_an_old_copy(site, crawl_board):
    site.robots = "User-agent: *\nDisallow:\n"
    report = crawl_board(old_robots={site.origin: FORBIDDEN})
    assert report.ok
    assert report.robots == {site.origin: site.robots}


@pytest.mark.parametrize(
    "status", ["400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found", "410 Gone"]
)
def test_what_is_not_there_forbids_nothing(site, crawl_board, status):
    site.answers["/robots.txt"] = response(status, FORBIDDEN.encode())
    report = crawl_board()
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
def test_a_robots_txt_in_an_odd_wrapping_is_obeyed_and_can_be_stored(site, crawl_board, body):
    site.answers["/robots.txt"] = response("200 OK", body)
    report = crawl_board()
    assert (report.finish_reason, report.ok) == ("robots", False)
    assert "\x00" not in report.robots[site.origin]
