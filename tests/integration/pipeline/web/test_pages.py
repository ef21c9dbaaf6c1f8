"""The pages of operators over HTTP: who gets in, what a form needs, what is on record, what hostile texts become."""

import html
import socket
import subprocess
import sys
import threading
from datetime import timedelta
from functools import reduce

import lxml.html
import pytest
import requests

from pipeline.resources import now
from pipeline.settings import load
from pipeline.web.pages.app import ROUTES
from pipeline.web.pages.links import new_link_address
from storage import operators, sites, users
from storage.models import Post
from tests.support.api import TIMEOUT_S, Api, running_api
from tests.support.builders import subscribe
from tests.support.reader import Reader
from tests.support.waiting import wait_until


@pytest.fixture
def api(steered: Api) -> Api:
    return steered


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}\u202e"


def add_site(api: Api, name: str = "board", *, held: int = 0) -> None:
    with api.context.database.writing() as session:
        site = sites.add(session, name=name, spider="listing", now=now())
        site.params = {"url": "https://me:secret@www.example.org/board"}
        site.baseline_done = True
        session.flush()
        for number in range(held):
            post = {"external_id": str(number), "url": "https://x", "title": HOSTILE, "content_hash": "x"}
            session.add(Post(site_id=site.id, first_seen_at=now(), fanout="held", **post))


FILLED = {"{site}": "board", "{post}": "1", "{user:path}": "minji", "{kept}": "x" * 22}


def filled(path: str) -> str:
    return reduce(lambda text, name: text.replace(name, FILLED[name]), FILLED, path)


PATHS = [(page.method, filled(page.path)) for page in ROUTES if not page.is_public]


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), *PATHS])
def test_nobody_sees_or_changes_anything_without_a_session(api, method, path):
    add_site(api, held=1)
    with requests.Session() as session:
        session.cookies.set("crawlpush", "guessed")
        answer = session.request(
            method, f"{api.url}/ops{path}", data={"change": "drop", "count": "1"}, timeout=TIMEOUT_S
        )
    assert (answer.status_code, "crawlpush web link" in answer.text, "board" in answer.text) == (401, True, False)
    with api.context.database.reading() as session:
        assert session.query(Post).filter_by(fanout="held").count() == 1
        assert operators.changes(session, limit=9) == []


@pytest.mark.parametrize("path", [path for method, path in PATHS if method == "POST"])
@pytest.mark.parametrize("lacks", ["token", "own token", "origin"])
def test_each_form_needs_its_sessions_token_and_our_origin(api, reader, path, lacks):
    add_site(api, held=1)
    form = {"change": "drop", "count": "1", "token": reader.token()}
    match lacks:
        case "token":
            del form["token"]
        case "own token":
            form["token"] = Reader(api).sign_in("mallory").token()
        case _:
            reader.session.headers["Origin"] = "https://evil.example"
    answer = reader.post(path, **form)
    assert (answer.status_code, "nothing was changed" in answer.text) == (403, True)
    with api.context.database.reading() as session:
        assert session.query(Post).filter_by(fanout="held").count() == 1
    reader.session.headers.pop("Origin", None)
    assert reader.get("/changes").status_code == 200


def test_a_link_signs_in_once_even_when_many_use_it_at_once(api):
    address = new_link_address(api.context.database, api.url, "minji", now=now())
    for _ in range(2):
        # As a chat's preview does.
        assert requests.get(address, timeout=TIMEOUT_S).status_code == 200
    readers = [Reader(api) for _ in range(6)]
    threads = [
        threading.Thread(target=r.post, args=("/sign-in",), kwargs={"key": address.rpartition("=")[2]}) for r in readers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(r.get("/").status_code == 200 for r in readers) == 1


def test_the_bare_address_leads_to_the_pages(api, reader):
    home, ready = (reader.session.get(f"{api.url}{path}", timeout=TIMEOUT_S) for path in ("/", "/readyz"))
    assert (home.status_code, home.url, "Sign out" in home.text) == (200, f"{api.url}/ops/", True)
    assert (ready.status_code, ready.history) == (200, [])
    stranger = requests.get(f"{api.url}/", timeout=TIMEOUT_S)
    assert (stranger.status_code, "crawlpush web link" in stranger.text) == (401, True)
    assert requests.post(f"{api.url}/", timeout=TIMEOUT_S).status_code == 405
    assert "/" not in requests.get(f"{api.url}/openapi.json", timeout=TIMEOUT_S).json()["paths"]


def test_an_old_link_and_an_old_session_are_nothing(api, reader):
    old = new_link_address(api.context.database, api.url, "minji", now=now() - timedelta(minutes=11))
    answer = Reader(api).post("/sign-in", key=old.rpartition("=")[2])
    assert (answer.status_code, "older than ten minutes" in answer.text) == (403, True)
    with api.context.database.writing() as session:
        session.query(operators.OperatorSecret).update({"expires_at": now() - timedelta(seconds=1)})
    assert reader.get("/").status_code == 401


def test_signing_out_ends_the_session_for_whoever_has_its_cookie(api, reader):
    kept = reader.session.cookies["crawlpush"]
    assert reader.post("/sign-out", token=reader.token()).status_code == 401
    reader.session.cookies.set("crawlpush", kept)
    assert reader.get("/").status_code == 401


def test_the_cookie_is_for_this_site_alone_and_no_script(api):
    address = new_link_address(api.context.database, api.url, "minji", now=now())
    form = {"key": address.rpartition("=")[2]}
    there = {"allow_redirects": False, "timeout": TIMEOUT_S}
    plain = requests.post(f"{api.url}/ops/sign-in", data=form, headers={"Host": "push.example.org"}, **there)
    assert (plain.status_code, "https" in plain.text) == (403, True)
    # From a proxy on this machine, which says that the browser came over TLS.
    behind = {"Host": "push.example.org", "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    secure = requests.post(f"{api.url}/ops/sign-in", data=form, headers=behind, **there)
    cookie = secure.headers["Set-Cookie"].lower()
    assert cookie.startswith("__host-crawlpush=")
    assert all(part in cookie for part in ("; secure", "; httponly", "; samesite=strict", "; path=/"))
    assert "domain=" not in cookie


@pytest.mark.parametrize(
    ("proxies", "headers", "status"),
    [
        ("127.0.0.1", {"X-Forwarded-User": "sora"}, 200),
        ("127.0.0.0/8", {"X-Forwarded-User": "sora", "X-Forwarded-For": "203.0.113.9"}, 200),
        ("127.0.0.1", {}, 401),
        ("10.0.0.1", {"X-Forwarded-User": "sora"}, 401),
        # Who comes through a proxy that is not named, but believed as to addresses, does not become the one that is.
        ("10.0.0.1", {"X-Forwarded-User": "sora", "X-Forwarded-For": "10.0.0.1"}, 401),
        ("", {"X-Forwarded-User": "sora"}, 401),
    ],
)
def test_a_name_from_a_proxy_counts_from_its_own_address_alone(sqlite_url, redis_url, proxies, headers, status):
    settings = load().model_copy(
        update={
            "database_url": sqlite_url,
            "redis_url": redis_url,
            "web_operator_header": "X-Forwarded-User",
            "web_operator_proxies": proxies,
        }
    )
    with running_api(settings) as api:
        reader = Reader(api)
        reader.session.headers.update(headers)
        answer = reader.get("/changes")
        assert answer.status_code == status
        if status == 200:
            assert "sora" in answer.text
            assert reader.post("/sign-out", token=reader.token()).history


def test_a_change_is_the_command_and_is_on_record(api, reader):
    add_site(api)
    answer = reader.post("/sites/board", token=reader.token(), change="pause-crawls")
    assert (answer.status_code, "crawls of board are paused" in answer.text) == (200, True)
    refused = reader.post("/sites/board", token=reader.token(), change="schedule", schedule="--help me")
    assert (refused.status_code, "crawlpush sites schedule" in html.unescape(refused.text)) == (422, True)
    with api.context.database.reading() as session:
        assert sites.by_name(session, "board").crawl_paused_at is not None
        newest, oldest = operators.changes(session, limit=9)
    assert (oldest.operator, oldest.what, oldest.command) == (
        "minji",
        "pause crawl",
        "crawlpush pause crawl --site=board",
    )
    assert oldest.outcome == "crawls of board are paused"
    assert "--help me" in (newest.outcome or "")
    page = html.unescape(reader.get("/changes").text)
    assert all(text in page for text in ("minji", oldest.command, newest.command))


def test_a_flood_is_released_with_its_number_typed(api, reader):
    add_site(api, held=3)
    for wrong in ("", "2", "three"):
        answer = reader.post("/sites/board", token=reader.token(), change="drop", count=wrong)
        assert (answer.status_code, "3 posts of board are held" in answer.text) == (409, True)
    assert reader.post("/sites/board", token=reader.token(), change="release", count="3").status_code == 200
    with api.context.database.reading() as session:
        assert {post.fanout for post in session.query(Post)} == {"ready"}


@pytest.mark.parametrize(
    "path", ["/", "/sites", "/sites/{name}", "/held", "/changes", "/posts", "/posts/1", "/people/{name}?post=1"]
)
def test_hostile_texts_are_texts(api, reader, path):
    name = HOSTILE.replace("/", "_")[:64]
    add_site(api, name, held=2)
    with api.context.database.writing() as session:
        site = sites.by_name(session, name)
        site.advice, site.trouble, site.failures = HOSTILE, "broken", 3
        users.add(session, name, timezone="UTC", now=now())
        operators.begin_change(session, operator=HOSTILE, what=HOSTILE, command=HOSTILE, now=now())
    address = path.format(name=requests.utils.quote(name, safe=""))
    # Signing in has taken the first picture of how things stand, which is shown for some seconds.
    wait_until(lambda: "alert(1)" in html.unescape(reader.get(address).text), "the page shows what was added")
    answer = reader.get(address)
    assert answer.status_code == 200
    page = lxml.html.fromstring(answer.content)
    assert [each.get("src", "").partition("?")[0] for each in page.iter("script")] == ["/ops/static/htmx.min.js"]
    assert not [each.tag for each in page.iter("img", "iframe", "object", "style")]
    assert not [name for each in page.iter() for name in each.attrib if name.startswith("on") or name == "style"]
    assert "alert(1)" in page.text_content()
    assert "secret" not in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/sites/nobody", 404),
        ("/nowhere", 404),
        ("/posts/0", 404),
        ("/posts/99999999999999999999", 404),
        ("/posts/x", 404),
        ("/posts?site=nobody", 404),
        ("/posts?before=x&q=%25_", 200),
        ("/people/nobody", 404),
        ("/people?user=a%2Fb", 404),
        ("/people?user=%00", 404),
        ("/static/..%2frendering.py", 404),
        ("/changes?before=x", 200),
        ("/changes?before=99999999999999999999999", 200),
        ("/sites?health=%00&q=%ff", 200),
    ],
)
def test_odd_addresses_get_a_page(reader, path, status):
    answer = reader.get(path)
    assert answer.status_code == status
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("module", "others"),
    [
        (
            "pipeline.web.server",
            ["jinja2", "pipeline.web.pages.app", "celery.apps.worker", "alembic", "aiosqlite", "pyfcm"],
        ),
        # Each of them is megabytes: the vendors' libraries, and what reads pages.
        ("pipeline.web.pages.app", ["pyfcm", "apns2", "requests", "scrapy", "lxml"]),
    ],
)
def test_the_process_loads_no_more_than_it_needs(module, others):
    code = f"import sys, pipeline.web.server, {module}; print({{*{others}}} & {{*sys.modules}})"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def test_many_floods_are_shown_some_at_a_time(api, reader, monkeypatch):
    # One phrase at a time says the same as all of them at once.
    monkeypatch.setattr("pipeline.web.pages.sites.PHRASES_AT_ONCE", 1)
    names = [f"board-{n:02}" for n in range(12)]
    for name in names:
        add_site(api, name, held=2)
    with api.context.database.writing() as session:
        for person, phrases in {"sora": ["alert", "onerror"], "minji": ["nothing", "onerror"]}.items():
            user = users.add(session, person, timezone="UTC", now=now())
            for phrase in phrases:
                subscribe(session, user, phrase)
    page = lxml.html.fromstring(reader.get("/held?site=board-11").content)
    floods = [each.text_content() for each in page.xpath("//section/h2")]
    assert floods == ["board-11", *names[:7]]
    assert page.text_content().count("They would be 4 notifications") == 8
    rest = page.xpath("//ul[@class='words']//a")
    assert [each.text_content() for each in rest] == names[7:11]


def test_the_list_of_sites_goes_on(api, reader, monkeypatch):
    monkeypatch.setattr("pipeline.web.pages.sites.SITES_SHOWN", 3)
    names = [f"a&b {n}" for n in range(7)]
    for name in names:
        add_site(api, name)
    path, found = "/sites?q=a%26b", list[str]()
    while path:
        page = lxml.html.fromstring(reader.get(path).content)
        found += [each.text_content() for each in page.xpath("//th[@scope='row']/a")]
        path = next((each.get("href").removeprefix("/ops") for each in page.xpath("//main//p/a")), "")
    assert found == names


@pytest.mark.parametrize(
    "form",
    [
        {"url": "http://127.0.0.1:{port}/board"},
        {"url": "http://localhost:{port}/board", "spider": "listing", "step": "again", "param-row": "tr"},
        {"url": "http://[::ffff:127.0.0.1]:{port}/board"},
        {"url": "http://0x7f.1:{port}/board", "step": "save", "name": "x", "spider": "listing", "param-row": "tr"},
        {"url": "file:///etc/passwd"},
        {"url": "--allow-private"},
        {"url": "http://127.0.0.1:{port}/board", "timezone": "UTC --allow-private"},
        {"url": "http://127.0.0.1:{port}/board", "step": "again", "spider": "listing --allow-private"},
        {"url": "http://127.0.0.1:{port}/x", "step": "again", "spider": "feed", "param-allow_private": "yes"},
        {"url": "http://127.0.0.1:{port}/x", "step": "save", "name": "--allow-private", "spider": "feed"},
    ],
)
def test_no_field_reaches_a_private_address_unless_it_is_said_to_be_one(api, reader, form):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        port = server.getsockname()[1]
        sent = {name: value.format(port=port) for name, value in form.items()}
        answer = reader.post("/try", token=reader.token(), **sent)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert answer.status_code in (422, 504)
    assert 'role="alert"' in answer.text
    with api.context.database.reading() as session:
        assert sites.all_sites(session) == []
