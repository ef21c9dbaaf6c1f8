"""Sites over HTTP: tried, added and changed by the commands that an operator types; crawled, held and paused."""

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.broker.publish import queue_length
from pipeline.celery import CRAWL_QUEUE, FANOUT_QUEUE
from pipeline.settings import load
from storage import crawl_runs, sites
from storage.session import Database
from tests.integration.pipeline.web.test_person import NOW
from tests.support.api import Api, running_api
from tests.support.builders import a_post
from tests.support.http_server import Said, http_server

PAGE = "<html lang='ko'><body><table>" + "".join(
    f"<tr><td class='subject'><a href='/view?no={n}'>장학금 신청 안내 {n}차 모집</a></td><td>2026.11.{n:02}</td></tr>"
    for n in range(10, 20)
)
LISTING: dict[str, Any] = {"spider": "listing", "params": {"row": "tr", "title": ".subject a"}, "allow_private": True}


@pytest.fixture
def board() -> Iterator[str]:
    """The address of a board with ten posts."""
    with http_server(lambda asked: Said(PAGE) if asked.path == "/board" else Said(status=404)) as origin:
        yield f"{origin}/board"


@pytest.fixture
def api(sqlite_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    # The commands are processes of their own, and read their settings from the environment.
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    with running_api(load()) as running:
        yield running


def test_a_site_is_tried_added_and_changed_as_on_the_command_line(api, board):
    tried = api.call("POST", "/v1/sites:try", "sites", json={"url": board, "allow_private": True})
    assert tried.status_code == 200, tried.text
    assert (tried.json()["spider"], len(tried.json()["posts"])) == ("listing", 10)
    body = {"name": "notices", "url": board, "timezone": "Asia/Seoul", **LISTING}
    added = api.call("POST", "/v1/sites", "sites", json=body)
    assert added.status_code == 201, added.text
    assert (added.json()["name"], added.json()["timezone"], added.json()["health"]) == ("notices", "Asia/Seoul", "new")
    again = api.call("POST", "/v1/sites", "sites", json=body)
    assert (again.status_code, "notices" in again.json()["detail"]) == (422, True)
    changed = api.call("PATCH", "/v1/sites/notices", "sites", json={"schedule": "1h", "enabled": False})
    assert (changed.json()["schedule"], changed.json()["enabled"]) == ("1h", False)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"params": {"row": "tr", "title": ".nothing"}}, "no posts"),
        ({"params": {"colour": "red"}}, "there is no parameter 'colour'"),
        ({"schedule": "now and then"}, "now and then"),
        ({"timezone": "Mars"}, "Mars"),
        ({"allow_private": False}, "private"),
        ({"max_age": "--help"}, "--help"),
    ],
)
def test_what_cannot_be_watched_is_refused_in_the_words_of_the_command(api, board, change, sentence):
    body = {"name": "notices", "url": board, **LISTING, **change}
    refused = api.call("POST", "/v1/sites", "sites", json=body)
    assert refused.status_code == 422, refused.text
    assert sentence in refused.json()["detail"]
    assert api.call("GET", "/v1/sites", "read").json() == []


def test_a_crawl_that_is_asked_for_is_owed_and_enqueued_once(api):
    with api.context.database.writing() as session:
        sites.add(session, name="board", spider="listing", now=NOW)
    before = queue_length(api.context.broker, CRAWL_QUEUE)
    first = api.call("POST", "/v1/sites/board/crawl", "sites")
    again = api.call("POST", "/v1/sites/board/crawl", "sites")
    assert (first.status_code, again.status_code) == (202, 409)
    assert queue_length(api.context.broker, CRAWL_QUEUE) == before + 1
    (run,) = api.call("GET", "/v1/sites/board/runs", "read").json()
    assert (run["id"], run["status"], run["trigger"]) == (first.json()["run"], "queued", "manual")


@pytest.mark.parametrize(("word", "fanout", "messages"), [("release", "ready", 3), ("drop", "dropped", 0)])
def test_held_posts_are_released_or_dropped_once(api, word, fanout, messages):
    with api.context.database.writing() as session:
        site = sites.add(session, name="board", spider="listing", now=NOW)
        for number in range(3):
            session.add(a_post(site.id, str(number), fanout="held"))
    assert api.call("GET", "/v1/sites/board", "read").json()["health"] == "held"
    before = queue_length(api.context.broker, FANOUT_QUEUE)
    answers = [api.call("POST", f"/v1/sites/board/held/{word}", "sites").json() for _ in range(2)]
    assert answers == [{"posts": 3}, {"posts": 0}]
    assert queue_length(api.context.broker, FANOUT_QUEUE) == before + messages
    assert api.call("GET", "/v1/posts/1/trace", "read").json()["fanout"] == fanout


def test_a_pause_begins_and_ends_once(api):
    with api.context.database.writing() as session:
        sites.add(session, name="board", spider="listing", now=NOW)
    body = {"what": "crawl", "site": "board"}
    assert [api.call("POST", "/v1/pauses", "sites", json=body).json()["changed"] for _ in range(2)] == [True, False]
    resumed = [api.call("POST", "/v1/pauses/resume", "sites", json=body).json()["changed"] for _ in range(2)]
    assert resumed == [True, False]
    refused = api.call("POST", "/v1/pauses", "sites", json={"what": "crawl", "channel": "fcm"})
    assert refused.status_code == 422


def test_posts_are_found_by_site_and_by_a_part_of_the_title(api):
    with api.context.database.writing() as session:
        site = sites.add(session, name="board", spider="listing", now=NOW)
        session.add_all([a_post(site.id, str(number), fanout="held") for number in range(3)])
    assert len(api.call("GET", "/v1/posts?site=board", "read").json()["items"]) == 3
    found = api.call("GET", "/v1/posts?q=title 2", "read").json()["items"]
    assert [post["title"] for post in found] == ["Title 2"]
    assert api.call("GET", "/v1/posts?q=%25%25", "read").json()["items"] == []
    page = api.call("GET", "/v1/posts?limit=2", "read").json()
    rest = api.call("GET", f"/v1/posts?limit=2&cursor={page['next_cursor']}", "read").json()
    assert [post["title"] for post in page["items"] + rest["items"]] == ["Title 2", "Title 1", "Title 0"]
    assert api.call("GET", "/v1/posts/99", "read").status_code == 404


def test_the_runs_of_a_site_are_its_own(api):
    with api.context.database.writing() as session:
        for name in ("one", "two"):
            site = sites.add(session, name=name, spider="listing", now=NOW)
            sites.queue_run(session, site.id, trigger="beat", now=NOW)
            assert len(crawl_runs.recent(session, site.id, limit=5)) == 1
    assert len(api.call("GET", "/v1/sites/two/runs", "read").json()) == 1


def test_the_api_neither_names_secrets_nor_sends_them_elsewhere(api, board, sqlite_url):
    keyed = {"params": {**LISTING["params"], "headers": ["X-Key: secret:BOARD_KEY"]}}
    for method, path, body in (
        ("POST", "/v1/sites", {"name": "notices", "url": board, **LISTING, **keyed, "check": False}),
        ("POST", "/v1/sites:try", {"url": board, **keyed}),
    ):
        answer = api.call(method, path, "sites", json=body)
        assert (answer.status_code, "names a secret" in answer.json()["detail"]) == (422, True)

    database = Database(sqlite_url)
    with database.writing() as session:
        sites.add(session, name="notices", spider="listing", now=NOW, params={"url": board, **keyed["params"]})
    database.close()
    for change in ({"url": "http://thief.example/board"}, {"params": {"tls": "expired"}}):
        answer = api.call("PATCH", "/v1/sites/notices", "sites", json={**change, "check": False})
        assert (answer.status_code, "the site sends secrets" in answer.json()["detail"]) == (422, True)
    assert api.call("PATCH", "/v1/sites/notices", "sites", json={"schedule": "1h"}).status_code == 200
