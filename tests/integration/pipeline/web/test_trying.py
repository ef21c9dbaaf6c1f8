"""Try over HTTP: what is clicked on the snapshot of a page becomes its definition, and nothing of the page gets out."""

import html
import re
from collections.abc import Iterator

import lxml.html
import pytest
import requests

from pipeline.web.pages import snapshots
from storage import operators, sites
from tests.support.api import TIMEOUT_S, Api
from tests.support.http_server import Said, http_server
from tests.support.reader import Reader

BOARD = """<html lang=ko><head><style>*{{background:url(//evil.example)}}</style><base href="/b/"></head>
<body onload=alert(1)><script>alert(2)</script><h1>Board of the <b>school</b></h1><table class=board>{}</table>"""
ROW = """<tr><td>{0}</td><td class=subject><a href="post/{0}" onclick="alert(3)">Title of the post {0}</a></td>
<td class=name>writer {0}</td><td class=when>2026-05-0{0}</td></tr>"""


@pytest.fixture
def api(steered: Api) -> Api:
    return steered


@pytest.fixture
def board() -> Iterator[str]:
    page = BOARD.format("".join(ROW.format(n) for n in range(1, 8)))
    with http_server(lambda asked: Said(page) if asked.path == "/board" else Said(status=404)) as origin:
        yield f"{origin}/board"


class Tried:
    """A page of Try, with its form."""

    def __init__(self, answer: requests.Response) -> None:
        self.status = answer.status_code
        self.text = html.unescape(answer.text)
        self.root = lxml.html.fromstring(answer.content)
        (form,) = (each for each in self.root.forms if each.action.endswith("/try"))
        self.form = {name: value or "" for name, value in form.form_values()}
        self.frame = next(iter(self.root.xpath("//iframe/@src")), "")
        self.titles = [each.text_content().strip() for each in self.root.xpath("//th[@scope='row']")]


def find(reader: Reader, board: str) -> Tried:
    return Tried(reader.post("/try", token=reader.token(), step="find", url=board, private="yes"))


def number(frame: requests.Response, text: str) -> str:
    found = re.search(rf'<a href="(\d+)"[^>]*>{re.escape(text)}</a>', frame.text)
    assert found, text
    return found[1]


def test_what_is_clicked_becomes_the_definition(api: Api, reader: Reader, board: str) -> None:
    tried = find(reader, board)
    assert (tried.status, tried.form["param-title"]) == (200, "td.subject a")
    assert any("Title of the post 3" in title for title in tried.titles)

    # Whoever has its name sees the snapshot: its frame has no session.
    frame = requests.get(f"{api.url}{tried.frame}", timeout=TIMEOUT_S)
    assert re.search(r'class="title">Title of the post 1<', frame.text)
    policy = frame.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "sandbox allow-top-navigation-by-user-activation" in policy
    assert not {"allow-scripts", "allow-same-origin", "unsafe-inline", "img-src"} & set(re.split(r"[\s;]+", policy))
    tree = lxml.html.fromstring(frame.content)
    assert {each.tag for each in tree.iter()} <= {
        *("html", "head", "meta", "title", "base", "style", "body", "nav", "main", "div", "a", "p")
    }
    assert "evil" not in frame.text
    assert "alert" not in frame.text

    # A click there arrives without one: the page that answers goes on by itself, with the session.
    click = f"{api.url}{tried.frame}".replace("/title/", "/date/") + number(frame, "writer 2")
    answer = requests.get(click, timeout=TIMEOUT_S)
    following = re.search(r'http-equiv="refresh" content="0;url=/ops([^"]+)"', answer.text)
    assert following
    assert requests.get(f"{api.url}/ops{following[1]}", timeout=TIMEOUT_S).status_code == 401
    picked = Tried(reader.get(following[1]))
    assert (picked.status, picked.form["param-date"]) == (200, "td.name")
    assert picked.form["param-title"] == "td.subject a"

    # The same by the list beside it, with all that was typed.
    form = picked.form | {"token": reader.token(), "name": "school", "pick": f"date:{number(frame, '2026-05-03')}"}
    again = Tried(reader.post("/try", **form))
    assert (again.form["param-date"], again.form["name"]) == ("td.when", "school")
    assert "2026-05-07" in again.text

    # It reads what is read from now on, and is what is saved.
    wrong = Tried(reader.post("/try", **again.form | {"token": reader.token(), "step": "again", "param-title": "h9"}))
    assert (wrong.status, "title selector 'h9' finds nothing" in wrong.text, wrong.frame != "") == (422, True, True)
    reader.post("/try", **again.form | {"token": reader.token(), "step": "save"})
    with api.context.database.reading() as session:
        site = sites.by_name(session, "school")
        assert (site.params["date"], site.allow_private) == ("td.when", True)
        assert [each.what for each in operators.changes(session, limit=9)] == ["sites add school"]


def test_a_korean_page_says_in_korean_why_nothing_was_found(reader: Reader, board: str) -> None:
    reader.session.headers["Accept-Language"] = "ko"
    tried = Tried(reader.post("/try", token=reader.token(), step="find", url=f"{board}s", private="yes"))
    assert f"서버가 {board}s 에 404 로 응답했습니다: 페이지가 없습니다" in tried.text


def test_another_list_or_nothing_at_all_is_picked(reader: Reader, board: str) -> None:
    tried = find(reader, board)
    frame = reader.session.get(f"{reader.api.url}{tried.frame}", timeout=TIMEOUT_S)
    answer = reader.get(f"/try/{tried.form['kept']}?pick=row:{number(frame, 'school')}")
    assert (answer.status_code, "nothing like this repeats" in answer.text) == (422, True)
    assert Tried(answer).form["param-title"] == "td.subject a"
    for odd in ("row:99999", "row:-1", "row:x", "nose:1", "row", "row:" + "9" * 40):
        answer = reader.get(f"/try/{tried.form['kept']}?pick={odd}")
        assert (answer.status_code, 'role="alert"' in answer.text) == (422, True), odd


@pytest.mark.parametrize("place", ["try/{}", "try/{}?pick=row:1", "snapshot/{}/title/", "snapshot/{}/nose/"])
def test_what_is_not_kept_any_more_says_so(reader: Reader, place: str) -> None:
    assert reader.get(f"/{place.format('x' * 22)}").status_code == 404


@pytest.mark.parametrize("path", ["x/title/1", "{}/nose/1", "{}/title/1x", "{}/title/%22%3E", "%22%3E{}/title/1"])
def test_no_odd_click_is_passed_on(reader: Reader, path: str) -> None:
    answer = reader.get(f"/snapshot/{path.format('x' * 22)}")
    assert (answer.status_code, "refresh" in answer.text) == (404, False)


def test_what_is_tried_is_kept_for_half_an_hour(api: Api) -> None:
    redis = api.context.redis
    name = snapshots.keep(redis, {"page": {"text": "가" * 500_000}})
    assert 0 < redis.ttl(snapshots.PREFIX + name) <= snapshots.KEPT_S
    assert redis.strlen(snapshots.PREFIX + name) < 50_000
    assert snapshots.kept(redis, name)["page"]["text"] == "가" * 500_000
