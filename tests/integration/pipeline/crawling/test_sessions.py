"""Boards that want a login: sessions that are kept, that end, and that are never had."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from redis import Redis

from pipeline.crawling.child import forkserver
from pipeline.crawling.crawler import Crawler
from pipeline.crawling.order import CrawlReport
from pipeline.resources import now
from pipeline.settings import Settings
from storage import site_sessions, sites
from storage.models import CrawlRun, Site, SiteSession
from storage.session import Database
from tests.support.api_board import Answer, ApiBoard, Asked, api_board

PASSWORD = "pa&ss=wört+1"
LOGIN = {"login": ["user=me", "pw=secret:BOARD_PASSWORD"]}
MEMBERS = {"row": "li", "logged_in": "a.logout", **LOGIN}
Crawl = Callable[..., tuple[CrawlReport, list[str]]]


@pytest.fixture(scope="module")
def _password() -> Iterator[None]:
    forkserver.stop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOARD_PASSWORD", PASSWORD)
        yield
    forkserver.stop()


@pytest.fixture
def board() -> Iterator[ApiBoard]:
    with api_board(ApiBoard(password=PASSWORD)) as serving:
        yield serving


@pytest.fixture
def watched(
    _password: None, database: Database, sqlite_url: str, redis_url: str, board: ApiBoard
) -> Callable[..., Crawl]:
    """A site that is watched by a crawler as workers have it; each crawl tells its report and the paths asked for."""
    settings = Settings(
        database_url=sqlite_url, redis_url=redis_url, session_key=Fernet.generate_key().decode(), crawl_delay_s=0
    )

    def watch(path: str = "/members", spider: str = "listing", **params: Any) -> Crawl:
        logins = "/api/login" if "login_json" in params else "/login"
        params = {"url": board.url(path), "login_url": board.url(logins), **(params or MEMBERS)}
        with database.writing() as session:
            site = sites.add(
                session, name="board", spider=spider, now=now(), params=params, allow_private=True, baseline_done=True
            )
            site_id = site.id

        def crawl(**changes: Any) -> tuple[CrawlReport, list[str]]:
            board.asked.clear()
            with database.writing() as session:
                run_id = sites.queue_run(session, site_id, trigger="manual", now=now())
            assert run_id is not None
            crawler = Crawler(settings.model_copy(update=changes), database, Redis.from_url(redis_url))
            end = crawler.crawl(run_id, stop=threading.Event(), hand_back=False)
            return end.report, [f"{each.method} {each.path}" for each in board.asked if each.path != "/robots.txt"]

        return crawl

    return watch


LOGGING_IN = ["GET /login", "POST /login", "GET /home"]


def test_a_session_is_kept_until_it_ends_and_then_begun_anew_within_the_crawl(board, watched, database):
    crawl = watched()
    first, asked = crawl()
    assert (first.ok, first.items_seen, first.errors) == (True, 10, 0), first.first_error
    assert asked == ["GET /members", "GET /login", *LOGGING_IN, "GET /members"]

    second, asked = crawl()
    assert (second.ok, asked) == (True, ["GET /members"])

    # In the middle of the week the server forgets everybody.
    board.sessions.clear()
    board.total = 30
    third, asked = crawl()
    assert (third.ok, third.items_seen, third.errors) == (True, 10, 0)
    assert asked[-4:] == [*LOGGING_IN, "GET /members"]
    assert len(board.sessions) == 1

    with database.reading() as session:
        (kept,) = session.query(SiteSession)
        assert kept.cookies.startswith("gAAAA")
        everything = str([vars(row) for table in (SiteSession, CrawlRun, Site) for row in session.query(table)])
    assert PASSWORD not in everything
    assert not any(sid in everything for sid in board.sessions)


def test_an_api_is_asked_again_as_it_was_asked_before(board, watched):
    rows = {"rows": "rows", "title": "title", "id": "id", "logged_in": "user.name", "form": ["board=7"], **LOGIN}
    report, asked = watched("/members.json", "json", **rows)()
    assert (report.ok, report.items_seen) == (True, 10), report.first_error
    assert asked == ["POST /members.json", *LOGGING_IN, "POST /members.json"]
    assert board.asked[-1].fields == {"board": "7"}


def test_a_refused_login_breaks_the_site_and_is_not_tried_after_the_third_time(board, watched, database):
    board.password = "another"
    crawl = watched()
    for _ in range(3):
        report, asked = crawl()
        assert "was refused: after it, " in (report.first_error or "")
        assert asked.count("POST /login") == 1
    report, asked = crawl()
    assert (report.ok, asked) == (False, [])
    assert "was refused 3 times, and is not tried again until the site is changed" in (report.first_error or "")
    with database.reading() as session:
        (site,) = session.query(Site)
        assert site.trouble == "broken"
        assert "the login at" in (site.advice or "")
        assert site_sessions.kept(session, site.id).refused == 3

    board.password = PASSWORD
    with database.writing() as session:
        sites.set_enabled(session, "board", enabled=True, now=now())
    report, _ = crawl()
    assert report.ok


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer("<h1>welcome</h1>"), "login_url has no form with a field for a password"),
        (Answer("busy", 503), "the server answered 503 for"),
        (Answer("<form><input type=password name=pw></form>"), "the login form is sent by GET"),
        (Answer("<form method=post action=http://thief.example/><input type=password name=pw></form>"),
         "the login form is sent to http://thief.example, which is neither"),
    ],
)  # fmt: skip
def test_a_login_that_cannot_be_tried_is_an_ordinary_failure(board, watched, database, answer, words):
    board.answers["/login"] = answer
    report, _ = watched()()
    assert (report.ok, report.login_refused) == (False, False)
    assert words in (report.first_error or "")
    assert not any(each.method == "POST" for each in board.asked)


@pytest.mark.parametrize("key", ["", "short"])
def test_without_a_key_no_login_is_tried(board, watched, key):
    report, asked = watched()(session_key=key)
    assert (report.ok, asked) == (False, [])
    assert "SESSION_KEY, by which its cookies are kept, is not set or is no key" in (report.first_error or "")


def test_another_key_only_costs_a_login(watched):
    crawl = watched()
    crawl()
    report, asked = crawl(session_key=Fernet.generate_key().decode())
    assert (report.ok, "POST /login" in asked) == (True, True)


JSON_LOGIN = {"login_json": {"id": "me", "pw": "secret:BOARD_PASSWORD"}}
API = {"rows": "rows", "title": "title", "id": "id", "logged_in": "user", **JSON_LOGIN}
TOKEN = {"login_token": "data.token"}
X_TOKEN = {**TOKEN, "login_header": "X-Auth-Token: {token}"}


@pytest.mark.parametrize(
    ("path", "spider", "params", "method"),
    [
        ("/api/rows", "json", {**API, **TOKEN}, "GET"),
        ("/api/rows", "json", {**API, **X_TOKEN, "form": ["board=7"]}, "POST"),
        # An answer that sets a cookie, and no more.
        ("/members", "listing", {"row": "li", "logged_in": "a.logout", **JSON_LOGIN}, "GET"),
    ],
)
def test_a_login_by_json_is_kept_and_begun_anew_as_one_by_a_form(
    board, watched, database, path, spider, params, method
):
    crawl = watched(path, spider, **params)
    page, login = f"{method} {path}", "POST /api/login"
    for expected in ([page, login, page], [page]):
        report, asked = crawl()
        assert (report.ok, report.items_seen, report.errors) == (True, 10, 0), report.first_error
        assert [each for each in asked if each != "GET /login"] == expected
    board.sessions.clear()
    report, asked = crawl()
    assert (report.ok, asked.count(login)) == (True, 1)
    with database.reading() as session:
        everything = str([vars(row) for table in (SiteSession, CrawlRun, Site) for row in session.query(table)])
    assert PASSWORD not in everything
    assert not any(token in everything for token in board.sessions)


def test_a_token_goes_to_the_site_alone(board, watched):
    def shown(asked: list[Asked]) -> set[str]:
        return {each.path for each in asked if "x-auth-token" in each.headers}

    with api_board() as other:
        crawl = watched("/api/rows", "json", **{**API, **X_TOKEN})
        crawl()
        assert shown(board.asked) == {"/api/rows"}
        board.answers["/api/rows"] = Answer("", 302, {"Location": other.url("/elsewhere")})
        report, _ = crawl()
        assert not report.ok
        assert shown(board.asked) == {"/api/rows"}
        assert "/elsewhere" in other.paths()
        assert shown(other.asked) == set()


@pytest.mark.parametrize(
    ("answer", "words", "refused"),
    [
        (Answer('{"error": "no"}', 401), "was refused: its answer, 401, has no token that a header can hold", True),
        (Answer('{"data": {"token": "a\\r\\nX-Evil: 1"}}'), "no token that a header can hold", True),
        (Answer("<h1>welcome</h1>"), "no token that a header can hold", True),
        (Answer("{}", 404), "the login was answered 404", False),
        (Answer("{}", 503), "503", False),
        (Answer('{"data": {"token": "another"}}'), "still does not show logged_in, 'user'", True),
    ],
)
def test_a_token_that_is_not_had(board, watched, answer, words, refused):
    board.answers["/api/login"] = answer
    report, _ = watched("/api/rows", "json", **{**API, **TOKEN})()
    assert (report.ok, report.login_refused) == (False, refused)
    assert words in (report.first_error or "")
    assert "another" not in (report.first_error or "")
