"""Posts' own pages, fetched by real children: what comes of good ones, and of those that are not."""

import dataclasses
import threading
from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import select, update

from pipeline.crawling.child import run_child
from pipeline.crawling.closing import Closed, close_run
from pipeline.crawling.order import CrawlOrder, CrawlReport
from pipeline.resources import now
from storage.models import CrawlRun, Post, PostEdit, Site
from storage.session import Database
from tests.support.builders import running_run
from tests.support.faulty_site import FaultySite, response

OrderFor = Callable[..., CrawlOrder]
Crawl = Callable[..., CrawlReport]
pytestmark = pytest.mark.usefixtures("_forkserver")

HTML = "Content-Type: text/html; charset=utf-8"
TEXT = "신청 기간은 금요일까지이며, 국가장학금을 받는 학생도 함께 신청할 수 있습니다."


def page(title: str, text: str = TEXT, more: str = "") -> bytes:
    return f"<!doctype html><meta charset=utf-8><h1>{title}</h1><div class=text>{text}</div>{more}".encode()


def board(site: FaultySite, *numbers: int) -> None:
    rows = "".join(f'<tr class="row"><td><a href="/post/{n}">Post {n} 공지</a>' for n in numbers)
    site.answers["/list"] = response("200 OK", f"<table>{rows}</table>".encode(), HTML)


def post(site: FaultySite, number: int, body: bytes | None = None, status: str = "200 OK", *headers: str) -> None:
    body = page(f"Post {number} 공지") if body is None else body
    site.answers[f"/post/{number}"] = response(status, body, *(headers or (HTML,)))


@pytest.fixture
def crawl(site: FaultySite, order_for: OrderFor, database: Database) -> Crawl:
    """Crawls the board as a run of its own, and leaves the run open; `own` are the parameters of posts' pages."""

    def crawled(own: dict[str, object] | None = None, **changes: object) -> CrawlReport:
        with database.writing() as session:
            session.execute(update(CrawlRun).where(CrawlRun.status == "running").values(status="finished"))
            run = running_run(session, session.scalars(select(Site)).one(), now=now())
        params = {"url": site.url("/list"), "row": "tr.row", "title": "a", **(own or {"post_body": "div.text"})}
        order = order_for(spider="listing", params=params, run_id=run.id)
        return run_child(dataclasses.replace(order, **changes), stop=threading.Event())  # type: ignore[arg-type]

    return crawled


def close(database: Database, report: CrawlReport) -> Closed:
    with database.writing() as session:
        run = session.scalars(select(CrawlRun).where(CrawlRun.status == "running")).one()
        return close_run(session, run, report)


def posts(database: Database) -> Sequence[Post]:
    with database.reading() as session:
        return session.scalars(select(Post).order_by(Post.id)).all()


def fetched(site: FaultySite) -> list[str]:
    return [path for path in site.paths() if path != "/list"]


def test_a_new_posts_page_gives_its_text_files_and_picture_and_is_fetched_once(site, crawl, database):
    more = (
        '<ul class=files><li><a href="/down?no=3">1. 신청서_양식.hwp (12KB)</a><li><a href="/down?no=4">안내.pdf</a>'
        '<img class=poster src="https://img.example/poster.png"><img class=poster src="http://img.example/plain.png">'
    )
    post(site, 1, page("Post 1 공지", f"{TEXT}<script>track()</script>", more))
    board(site, 1)
    own = {"post_body": "div.text", "post_attachments": "ul.files a", "post_image": "img.poster"}

    first, second = crawl(own), crawl(own)

    assert (first.ok, first.pages, first.post_pages, first.page_problem, first.errors) == (True, 1, 1, None, 0)
    assert (second.ok, second.post_pages, second.new_posts) == (True, 0, 0)
    assert fetched(site) == ["/post/1"]
    (stored,) = posts(database)
    assert stored.body == f"{TEXT} [1. 신청서_양식.hwp] [안내.pdf]"
    assert stored.image == "https://img.example/poster.png"
    assert stored.attachments == [
        {"name": "1. 신청서_양식.hwp", "url": site.url("/down?no=3")},
        {"name": "안내.pdf", "url": site.url("/down?no=4")},
    ]


LOGIN = b"<title>Login</title><h2>Sign in</h2><form><input name=id><input type=password name=pw></form>"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (response("404 Not Found", b"gone"), "the server answered 404: the page is not there"),
        (response("410 Gone", b""), "the server answered 410: the page is gone for good"),
        (response("302 Found", b"", "Location: http://10.0.0.1/admin"), "it sends on to another host, 10.0.0.1"),
        (response("302 Found", b"", "Location: http://login.example/"), "it sends on to another host, login.example"),
        (response("302 Found", b"", "Location: /sign-in"), "a login page"),
        (response("200 OK", LOGIN, HTML), "a login page"),
        (response("200 OK", b"<p>something else</p>", HTML), "post_body, 'div.text', matches nothing on it"),
        (response("200 OK", b"<div class=text> &nbsp; </div>", HTML), "post_body, 'div.text', holds no text"),
        (response("200 OK", b"", HTML), "the answer is empty"),
        (response("200 OK", b"%PDF-1.4", HTML), "a PDF, not with a page"),
        (response("200 OK", b"x" * 1_500_000, HTML), "larger than"),
        (b"", "the server closed the connection"),
    ],
)
def test_a_page_that_cannot_be_read_has_a_word_in_the_run_and_costs_nobody_the_push(
    site, crawl, database, answer, words
):
    board(site, 1, 2)
    site.answers |= {"/post/1": answer, "/sign-in": response("200 OK", LOGIN, HTML)}
    post(site, 2)
    report = crawl()
    assert (report.ok, report.errors, report.new_posts, report.post_pages) == (True, 0, 2, 1), report
    assert words in (report.page_problem or ""), report.page_problem
    assert [each.body for each in posts(database)] == ["", TEXT]
    closed = close(database, report)
    assert closed.ready == tuple(each.id for each in posts(database))
    with database.reading() as session:
        run = session.scalars(select(CrawlRun).order_by(CrawlRun.id.desc())).first()
        assert (run.post_pages, run.page_problem) == (1, report.page_problem)


@pytest.mark.parametrize(("status", "after"), [("429 Too Many Requests", None), ("503 Service Unavailable", "600")])
def test_a_server_that_asks_to_slow_down_is_asked_for_no_further_page_and_the_run_is_well(site, crawl, status, after):
    board(site, 1, 2, 3)
    for number in (1, 2, 3):
        post(site, number)
    post(site, 1, b"busy", status, *([f"Retry-After: {after}"] if after else [HTML]))
    report = crawl()
    assert (report.ok, report.new_posts, report.post_pages, fetched(site)) == (True, 3, 0, ["/post/1"])
    assert report.retry_after_s == (600 if after else None)
    assert f"the server answered {status[:3]}" in (report.page_problem or "")
    assert "so 2 more posts' pages were not asked for" in (report.page_problem or "")


def test_a_page_is_tried_in_two_later_crawls_and_what_it_says_is_looked_at(site, crawl, database):
    board(site, 1, 2)
    post(site, 1, b"oops", "500 Internal Server Error")
    post(site, 2, b"oops", "500 Internal Server Error")
    assert close(database, crawl()).ready == (1, 2)
    with database.writing() as session:
        session.execute(update(Post).values(fanout="done", fanout_cursor=7))

    # The second try of one is good: whom it concerns is to be looked at. The other fails for good.
    post(site, 1)
    report = crawl()
    assert (report.post_pages, close(database, report).ready) == (1, ())
    with database.reading() as session:
        assert [(e.post_id, e.expected) for e in session.scalars(select(PostEdit))] == [(1, True)]
    for _ in range(2):
        close(database, crawl())

    assert [fetched(site).count(f"/post/{number}") for number in (1, 2)] == [2, 3]
    first, second = posts(database)
    assert (first.fanout, first.body, first.page_tries) == ("done", TEXT, None)
    assert (second.fanout, second.body, second.page_tries) == ("done", "", None)


def test_no_more_pages_are_fetched_than_may_be_and_the_others_have_their_turn_in_the_next_crawl(site, crawl, database):
    board(site, 1, 2, 3)
    for number in (1, 2, 3):
        post(site, number)
    own = {"post_body": "div.text", "max_posts": 2}
    assert [crawl(own).post_pages for _ in range(3)] == [2, 1, 0]
    assert [each.body for each in posts(database)] == [TEXT] * 3


def test_nothing_is_fetched_for_a_baseline_nor_for_what_is_too_old_to_be_pushed(site, crawl, database):
    row = '<tr class="row"><td><a href="/post/1">Post 1</a><td class="date">2020-01-01'
    site.answers["/list"] = response("200 OK", row.encode(), HTML)
    post(site, 1)
    own = {"post_body": "div.text", "date": "td.date"}
    assert crawl(own).post_pages == 0
    with database.writing() as session:
        session.execute(update(Site).values(baseline_done=False))
    board(site, 1, 2)
    assert crawl(own).new_posts == 1
    assert fetched(site) == []


def test_a_page_that_hangs_does_not_make_the_crawl_fail_and_leaves_the_others_owed(site, crawl, database):
    rows = "".join(f'<tr class="row"><td><a href="/hang?{n}">Post {n} 공지</a>' for n in range(9))
    site.answers["/list"] = response("200 OK", f"<table>{rows}</table>".encode(), HTML)
    report = crawl(soft_limit_s=12, hard_limit_s=60)
    assert (report.ok, report.finish_reason, report.new_posts, report.errors) == (True, "finished", 9, 0), report
    assert "no time was left for " in (report.page_problem or "")
    assert [each.page_tries for each in posts(database)] == [1] * 9


def test_robots_txt_holds_for_posts_pages_too(site, crawl, database):
    site.robots = "User-agent: *\nDisallow: /post/\n"
    board(site, 1)
    post(site, 1)
    report = crawl()
    assert (report.ok, report.finish_reason, report.new_posts, fetched(site)) == (True, "finished", 1, [])
    assert "robots.txt" in (report.page_problem or "")


def test_a_page_of_eight_megabytes_and_a_markup_bomb_give_what_is_read_of_them(site, crawl, database):
    board(site, 1, 2, 3)
    post(site, 1, page("Post 1 공지", "가나다 " * 790_000))
    post(site, 2, page("Post 2 공지", "<b>" * 300_000 + "text"))
    post(site, 3, page("Post 3 공지", "<div>" * 20_000 + TEXT))
    report = crawl({"post_page": True}, download_max_bytes=8_000_000)
    assert (report.ok, report.errors, report.finish_reason) == (True, 0, "finished"), report
    long = posts(database)[0]
    assert 19_000 < len(long.body) <= 20_000


def test_an_edit_in_the_list_does_not_give_up_the_text_of_the_page(site, crawl, database):
    board(site, 1)
    post(site, 1)
    close(database, crawl())
    site.answers["/list"] = response("200 OK", b'<tr class="row"><td><a href="/post/1">Edited', HTML)
    crawl()
    assert [(each.title, each.body) for each in posts(database)] == [("Edited", TEXT)]
