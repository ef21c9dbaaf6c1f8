"""Real children on servers that answer in odd ways: read as browsers read, or a sentence that says what is wrong."""

import pytest
from sqlalchemy import select

from storage.models import Post
from tests.support.faulty_site import faulty_site, response

pytestmark = pytest.mark.usefixtures("_forkserver")


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
def test_what_is_not_the_page_fails_the_run_and_is_named(site, crawl_board, status, body, headers, words):
    site.answers["/x"] = response(status, body, "Content-Type: text/html", *headers)
    report = crawl_board("/x")
    assert (report.finish_reason, report.ok, report.items_seen) == ("finished", False, 0)
    assert words in (report.first_error or "")


def test_a_run_that_finds_nothing_is_good_and_says_why(site, crawl_board):
    report = crawl_board(params={"row": "div.gone"})
    assert (report.ok, report.items_seen, report.errors) == (True, 0, 0)
    assert report.first_error == report.problem == "the row selector 'div.gone' matches nothing on the page"


def with_login(url: str, login: str = "me:p%40w%3A") -> str:
    return url.replace("://", f"://{login}@", 1)


def test_a_name_and_password_in_the_address_are_shown_to_its_server_and_kept_from_everything_else(
    site, crawl_board, order_for, database
):
    url = with_login(site.url("/private?posts=2"))
    params = {"max_pages": 2, "page_template": with_login(site.url("/private?posts=3&p={page}"))}
    report = crawl_board(url, params=params)
    assert (report.ok, report.items_seen, report.pages) == (True, 3, 2)
    with database.reading() as session:
        urls = [post.url for post in session.scalars(select(Post))]
    assert urls[0].startswith(f"{site.origin}/post?id=")
    headers = [value for seen in site.requests for name, value in seen.headers.items() if name != "authorization"]
    for text in (repr(report), repr(order_for(params={**params, "url": url})), *urls, *headers):
        assert "p%40w" not in text
        assert "p@w" not in text


def test_a_password_is_not_sent_to_where_a_redirect_leads(site, crawl_board):
    with faulty_site("127.0.0.2") as other:
        report = crawl_board(with_login(site.url(f"/to?url={other.url('/private')}")))
        assert all("authorization" in seen.headers for seen in site.requests)
        assert other.paths() == ["/private"]
        assert not any("authorization" in seen.headers for seen in other.requests)
    assert not report.ok


def test_a_wrong_password_is_named_and_not_shown(site, crawl_board):
    report = crawl_board(with_login(site.url("/private"), "me:wrong"))
    assert "the server answered 401" in (report.first_error or "")
    assert "HTTP Basic authentication" in report.first_error
    assert "wrong" not in report.first_error
