"""JSON and POST boards, keys and cookies, fetched by real children."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import psutil
import pytest
from sqlalchemy import select

from pipeline.crawling.child import forkserver, run_child
from pipeline.crawling.order import CrawlOrder, CrawlReport
from storage.models import Post
from storage.session import Database
from tests.support.api_board import Answer, ApiBoard, api_board, moved

OrderFor = Callable[..., CrawlOrder]
Crawl = Callable[..., CrawlReport]
SECRET = "k3y&mehr+/%=" + "x" * 20
JSON_ROWS = {"title": "title", "link_template": "/view?no={id}", "id": "id", "date": "dateCreated"}
KEYED: dict[str, Any] = {
    "rows": "rows",
    **JSON_ROWS,
    "headers": ["X-Api-Key: secret:BOARD_KEY"],
    "cookies": ["tenant=secret:BOARD_KEY"],
}


@pytest.fixture
def board() -> Iterator[ApiBoard]:
    with api_board() as serving:
        yield serving


@pytest.fixture(scope="module")
def _secrets() -> Iterator[None]:
    """A forkserver that has the secrets in its environment, as a crawler's has."""
    forkserver.stop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOARD_KEY", SECRET)
        patch.setenv("BROKEN_KEY", "a\nb")
        yield
    forkserver.stop()


@pytest.fixture
def crawl(_secrets: None, order_for: OrderFor) -> Crawl:
    def crawled(url: str, spider: str = "json", validators: dict[str, Any] | None = None, **params: Any) -> CrawlReport:
        order = order_for(spider=spider, params={"url": url, **params}, validators=validators or {})
        return run_child(order, stop=threading.Event())

    return crawled


@pytest.fixture
def stored_posts(database: Database) -> Callable[[], list[Post]]:
    def load() -> list[Post]:
        with database.reading() as session:
            return list(session.scalars(select(Post).order_by(Post.id)))

    return load


@pytest.mark.parametrize(
    ("path", "params", "pages"),
    [
        ("/library", {"rows": "data.list", "page_template": "/library?offset={offset}"}, 4),
        ("/cursor", {"rows": "items", "next": "next", "page_template": "/cursor?after={cursor}"}, 3),
        ("/search", {"rows": "rows", "form": ["board=공지", "page={page}"]}, 4),
        ("/search", {"rows": "rows", "json": '{"board": "공지", "page": {page}}'}, 4),
        ("/next", {"rows": "props.pageProps.posts", "embedded": "script#__NEXT_DATA__"}, 1),
    ],
)
def test_a_board_in_json_is_read_page_by_page(board, crawl, stored_posts, path, params, pages):
    report = crawl(board.url(path), max_pages=5, **params, **JSON_ROWS)
    assert (report.ok, report.first_error, report.pages) == (True, None, pages)
    found = stored_posts()
    assert len(found) == (board.total if pages > 1 else 10)
    # However many were stored at once.
    assert ("id:900", "Notice 900 도서관") in {(each.external_id, each.title) for each in found}
    assert board.url("/view?no=900") in {each.url for each in found}
    assert report.validators.keys() == ({board.url(path)} if path == "/library" else set())


def test_a_post_is_never_conditional(board, crawl):
    url = board.url("/search")
    assert crawl(url, rows="rows", form=["board=공지", "page=1"], validators={url: ('"v1"', None)}, **JSON_ROWS).ok
    assert "if-none-match" not in board.asked[-1].headers


def test_a_listing_and_a_feed_are_asked_for_by_post_too(board, crawl):
    board.answers["/list"] = Answer("<li><a href=/p/1>One</a><li><a href=/p/2>Two</a>")
    report = crawl(
        board.url("/list"), "listing", row="li", form={"boardId": "7"}, headers={"Referer": "http://a.example/"}
    )
    assert (report.items_seen, board.asked[-1].method, board.asked[-1].body) == (2, "POST", "boardId=7")
    assert board.asked[-1].headers["referer"] == "http://a.example/"
    board.answers["/feed"] = Answer("<rss><channel><item><title>a</title><link>/1</link></item></channel></rss>")
    assert crawl(board.url("/feed"), "feed", method="post").items_seen == 1
    assert board.asked[-1].method == "POST"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer("<form><input type=password name=pw></form>"), "answered with a page, not with JSON.*login"),
        (Answer("[" * 50_000), "nested too deeply"),
        (Answer('{"rows": [' + "[]," * 300_000 + "[]]}"), "more than 250,000 objects"),
        (Answer('{"rows": "' + "x" * 2_000_000), "larger than|exceeded|expected response size"),
        (Answer('{"rows": [{"ti'), "damaged at character"),
        (Answer(""), "the answer is empty"),
        (Answer('{"rows": {}}'), "finds an object and no list"),
    ],
)  # fmt: skip
def test_hostile_json_is_a_failed_or_empty_run_with_a_word_for_it(board, crawl, answer, words):
    board.answers["/bad"] = answer
    report = crawl(board.url("/bad"), rows="rows", **JSON_ROWS)
    assert report.items_seen == 0
    assert report.finish_reason == "finished"
    assert re.search(words, report.first_error or ""), report.first_error


def test_a_secret_reaches_the_site_and_nothing_else(board, crawl, sqlite_url, capfd, order_for):
    board.key = SECRET
    good = crawl(board.url("/keyed"), **KEYED)
    assert (good.ok, good.items_seen) == (True, 10)
    assert all("x-api-key" not in each.headers for each in board.asked if each.path == "/robots.txt")

    # The server says it again: in an error's page, and in the address that it sends on to.
    board.key = "another"
    refused = crawl(board.url("/keyed"), **KEYED)
    board.answers["/keyed"] = moved(board.url(f"/nowhere?key={quote_plus(SECRET)}"))
    lost = crawl(board.url("/keyed"), **KEYED)
    assert "403" in (refused.first_error or "")
    assert "/nowhere?key=***" in (lost.first_error or "")

    kept = Path(sqlite_url.removeprefix("sqlite:///")).read_bytes()
    arguments = " ".join(str(each.info["cmdline"]) for each in psutil.process_iter(["cmdline"]))
    said = "".join(capfd.readouterr()) + str([good, refused, lost, order_for(params=KEYED)]) + arguments
    for form in (SECRET, quote_plus(SECRET), quote(SECRET)):
        assert form.encode() not in kept
        assert form not in said


def test_a_secret_is_escaped_as_its_place_asks(board, crawl):
    for sent in ({"form": ["board=secret:BOARD_KEY", "page=1"]}, {"json": {"board": "a secret:BOARD_KEY", "page": 1}}):
        crawl(board.url("/search"), rows="rows", **JSON_ROWS, **sent)
    form, body = (each for each in board.asked if each.path == "/search")
    assert form.fields["board"] == SECRET
    assert json.loads(body.body) == {"board": f"a {SECRET}", "page": 1}


@pytest.mark.parametrize("status", [302, 307])
def test_another_host_sees_neither_headers_nor_cookies_nor_a_body_with_secrets(board, crawl, status):
    with api_board() as other:
        board.answers["/keyed"] = moved(other.url("/library"), status)
        crawl(board.url("/keyed"), **{**KEYED, "headers": [*KEYED["headers"], "X-Plain: 1"]})
        (asked,) = [each for each in other.asked if each.path == "/library"]
        assert not {"x-api-key", "x-plain", "cookie"} & asked.headers.keys()
        board.answers["/search"] = moved(other.url("/search"), status)
        report = crawl(board.url("/search"), rows="rows", form=["key=secret:BOARD_KEY"], **JSON_ROWS)
        assert quote_plus(SECRET) not in str(other.asked)
        assert ("the site's secrets are for" in (report.first_error or "")) == (status == 307)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("OTHER_KEY", "the environment has no OTHER_KEY, which the site's definition names as secret:OTHER_KEY"),
        ("BROKEN_KEY", "BROKEN_KEY in the environment has line breaks"),
        ("DATABASE_URL", "secret:DATABASE_URL' is not for sites"),
    ],
)
def test_a_secret_that_is_not_there_or_not_for_sites_is_a_clear_sentence(board, crawl, name, sentence):
    report = crawl(board.url("/keyed"), **{**KEYED, "cookies": [], "headers": [f"X-Api-Key: secret:{name}"]})
    assert not report.ok
    assert sentence in (report.first_error or "")
    assert "/keyed" not in board.paths()


def test_a_fixed_cookie_gives_way_to_what_the_server_sets(board, crawl):
    board.answers["/first"] = moved("/library", 302, **{"Set-Cookie": "lang=en; Path=/"})
    assert crawl(board.url("/first"), rows="data.list", cookies={"lang": "ko", "grid": "1"}, **JSON_ROWS).ok
    assert [each.cookies for each in board.asked[-2:]] == [{"lang": "ko", "grid": "1"}, {"lang": "en", "grid": "1"}]
