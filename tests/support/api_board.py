"""A loopback board whose pages want more than a plain GET: JSON, POST, a key, a session."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support import http_server

PER_PAGE = 10
HTML = {"Content-Type": "text/html; charset=utf-8"}


@dataclass
class Asked:
    """A request that arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str

    @property
    def cookies(self) -> dict[str, str]:
        return {name: each.value for name, each in SimpleCookie(self.headers.get("cookie", "")).items()}

    @property
    def fields(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body, keep_blank_values=True).items()}


@dataclass
class Answer:
    """What is sent back."""

    body: str | bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def as_json(value: Any, **headers: str) -> Answer:
    return Answer(json.dumps(value, ensure_ascii=False), headers={"Content-Type": "application/json", **headers})


def moved(url: str, status: int = 302, **headers: str) -> Answer:
    return Answer("", status, {"Location": url, **headers})


def posts(first: int, count: int = PER_PAGE) -> list[dict[str, Any]]:
    """Rows of a library's API, the newest first."""
    return [{"id": 900 - n, "title": f"Notice {900 - n} 도서관", "dateCreated": "2026-01-02 03:04:05"}
            for n in range(first, first + count)]  # fmt: skip


@dataclass
class ApiBoard:
    """Answers by path; `asked` holds what came."""

    origin: str = ""
    key: str = "no-key"
    total: int = 25
    # Who may see what is behind the login.
    password: str = "no-password"
    sessions: set[str] = field(default_factory=set)
    forms: set[str] = field(default_factory=set)
    asked: list[Asked] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)

    def url(self, path: str) -> str:
        return self.origin + path

    def paths(self) -> list[str]:
        return [each.path for each in self.asked if each.path != "/robots.txt"]

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        if asked.path in self.answers:
            return self.answers[asked.path]
        handler = getattr(self, "_" + asked.path.strip("/").replace("/", "_").replace(".", "_"), None)
        found = handler(asked) if handler else Answer("there is no such page", 404)
        assert isinstance(found, Answer)
        return found

    def _rows(self, first: int) -> list[dict[str, Any]]:
        return posts(first, max(0, min(PER_PAGE, self.total - first)))

    def _library(self, asked: Asked) -> Answer:
        """GET, by offset, as libraries' systems have it."""
        first = int(asked.query.get("offset", "0"))
        data = {"totalCount": self.total, "offset": first, "list": self._rows(first)}
        return as_json({"success": True, "code": "success.retrieved", "data": data}, ETag='"v1"')

    def _cursor(self, asked: Asked) -> Answer:
        """GET, by a cursor that only the page before gives out."""
        first = int(asked.query.get("after", "c:0").removeprefix("c:"))
        following = first + PER_PAGE
        return as_json({"items": self._rows(first), "next": f"c:{following}" if following < self.total else None})

    def _search(self, asked: Asked) -> Answer:
        """POST alone, a form or JSON."""
        if asked.method != "POST":
            return Answer("method not allowed", 405)
        sent = json.loads(asked.body) if "json" in asked.headers["content-type"] else asked.fields
        if sent.get("board") != "공지":
            return as_json({"rows": []})
        return as_json({"rows": self._rows((int(sent["page"]) - 1) * PER_PAGE)}, ETag='"v1"')

    def _keyed(self, asked: Asked) -> Answer:
        """Shown to those who know the key, in a header and in a cookie; others are told what they sent."""
        if asked.headers.get("x-api-key") != self.key or asked.cookies.get("tenant") != self.key:
            return Answer(f"<h1>forbidden for {asked.headers.get('x-api-key')}</h1>", 403)
        return as_json({"rows": self._rows(0)})

    def _members(self, asked: Asked) -> Answer:
        """A list for members; others are sent to the form, as most boards do."""
        if asked.cookies.get("sid") not in self.sessions:
            return moved("/login?back=/members")
        rows = "".join(f"<li><a href=/view?no={row['id']}>{row['title']}</a>" for row in self._rows(0))
        return Answer(f"<a class=logout href=/logout>logout</a><ul>{rows}</ul>", headers=HTML)

    def _members_json(self, asked: Asked) -> Answer:
        """The same as an API, which answers 401 to others; POST alone."""
        if asked.method != "POST" or asked.cookies.get("sid") not in self.sessions:
            return Answer('{"user": null}', 401, {"Content-Type": "application/json"})
        return as_json({"user": {"name": "me"}, "rows": self._rows(0)})

    def _login(self, asked: Asked) -> Answer:
        """A form with a field against forgery, which is good once, for the cookie that came with it."""
        if asked.method == "GET":
            token = f"t{len(self.forms)}-{id(asked)}"
            self.forms.add(token)
            page = (
                "<form action=/search><input name=q></form><form method=post action=/login>"
                f"<input type=hidden name=_csrf value={token}><input type=hidden name=back value=/members>"
                "<input name=user><input type=PASSWORD name=pw><button name=go value=1>Log in</button></form>"
            )
            return Answer(page, headers={**HTML, "Set-Cookie": f"form={token}; Path=/; HttpOnly"})
        sent = asked.fields
        token = sent.get("_csrf", "")
        good = token in self.forms and asked.cookies.get("form") == token and sent.get("back") == "/members"
        self.forms.discard(token)
        if not good or (sent.get("user"), sent.get("pw")) != ("me", self.password):
            return moved("/login?failed=1")
        sid = f"s{len(self.sessions)}-{token}"
        self.sessions.add(sid)
        return moved("/home", 302, **{"Set-Cookie": f"sid={sid}; Path=/; HttpOnly"})

    def _api_login(self, asked: Asked) -> Answer:
        """JSON alone; a token and, as some have it, a cookie besides."""
        if asked.method != "POST":
            return Answer("method not allowed", 405)
        if json.loads(asked.body) != {"id": "me", "pw": self.password}:
            return Answer('{"error": "no such user"}', 401, {"Content-Type": "application/json"})
        token = f"tok.{len(self.sessions)}-{id(asked)}"
        self.sessions.add(token)
        return as_json({"data": {"token": token}}, **{"Set-Cookie": f"sid={token}; Path=/; HttpOnly"})

    def _api_rows(self, asked: Asked) -> Answer:
        """Shown to those who have the token in a header."""
        header = asked.headers.get("authorization", "").removeprefix("Bearer ") or asked.headers.get("x-auth-token")
        if header not in self.sessions:
            return Answer(json.dumps({"error": "no", "you": header}), 401, {"Content-Type": "application/json"})
        return as_json({"user": "me", "rows": [{**row, "body": header} for row in self._rows(0)]})

    def _home(self, _: Asked) -> Answer:
        return Answer("<h1>hello</h1>", headers=HTML)

    def _next(self, _: Asked) -> Answer:
        """A page of Next.js, which holds its posts for its own scripts."""
        data = json.dumps({"props": {"pageProps": {"posts": self._rows(0)}}})
        page = f'<div id=__next></div><script id="__NEXT_DATA__" type="application/json">{data}</script>'
        return Answer(page, headers={"Content-Type": "text/html; charset=utf-8"})


@contextmanager
def api_board(board: ApiBoard | None = None) -> Iterator[ApiBoard]:
    """A board on a free port of loopback."""
    board = board or ApiBoard()

    def serve(asked: http_server.Asked) -> http_server.Said:
        parts = urlsplit(asked.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in asked.headers.items()}
        answer = board.answer(Asked(asked.method, parts.path, query, headers, asked.body.decode()))
        return http_server.Said(answer.body, answer.status, tuple(answer.headers.items()))

    with http_server.http_server(serve) as board.origin:
        yield board
