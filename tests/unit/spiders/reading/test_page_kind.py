"""What a page without posts is taken for, and that ordinary pages are taken for nothing."""

import pytest

from spiders.reading.page_kind import page_kind

URL = "https://board.example/list/"
MENU = "".join(f'<li><a href="/menu/{n}">menu entry {n}</a></li>' for n in range(30))
ROWS = "".join(f'<tr><td><a href="/v?n={n}">Notice number {n}</a><td>2026-11-{n:02}</td></tr>' for n in range(1, 12))
BOARD = f"<!doctype html><title>Board</title><ul>{MENU}</ul><table><tbody>{ROWS}</tbody></table>"
LOGIN_BOX = '<form action="/login.do"><input name=id><input type=password name=pw></form>'
SCRIPT = "<script>" + "window.state = 1;" * 50 + "</script>"


PAGES = [
    ("", "empty"),
    (" \r\n\t", "empty"),
    ('{"results": []}', "json"),
    ('[{"MatterName": "Ordinance"}]', "json"),
    ("<title>Just a moment...</title><script src=/cdn-cgi/challenge-platform/h/b/x></script>", "challenge"),
    ("<script>document.cookie='WAF=1;path=/';location.reload();</script>", "challenge"),
    ("<title>Attention Required! | Cloudflare</title><h1>Sorry, you have been blocked</h1>", "challenge"),
    ('<div class="g-recaptcha" data-sitekey=x></div><p>Prove it</p>', "challenge"),
    ("<p>비정상적인 접근이 감지되었습니다. 보안문자를 입력하세요.</p>", "challenge"),
    (LOGIN_BOX, "login"),
    (f"<title>로그인</title><ul>{MENU}</ul>{LOGIN_BOX}", "login"),
    ('<form action="https://idp.example/sso"><input type=hidden name=SAMLRequest value=x></form>', "login"),
    ("<p>이 게시판은 로그인 후 이용할 수 있습니다.</p>", "login"),
    ('<frameset><frame src="top.html"><frame src="list.html" name="main"></frameset>', "frames"),
    ('<div><a href="/">home</a><iframe src="list.html"></iframe></div>', "frames"),
    ('<meta http-equiv="refresh" content="60; url=/new/board">moved', "moved"),
    ('<script>top.location.href = "/bbs/list.do";</script>', "moved"),
    ('<div id="root"></div><script src=/app.js></script>', "script"),
    ("<noscript>You need to enable JavaScript to run this app.</noscript><script src=/a.js></script>", "script"),
    (f"{MENU}<tr v-for='post in posts'><td>{{{{ post.title }}}}</td></tr>", "template"),
    (f"{MENU}<div class='job-results-loading'>Please wait</div>", "template"),
    (f"{MENU}<table><thead><tr><th>No<th>Title</thead><tbody></tbody></table>", "hollow"),
    (f"{MENU}<ul class='board_list'></ul>", "hollow"),
    (f"<p>hello</p>{SCRIPT}", "thin"),
    (f"{MENU}<link rel=alternate type='application/rss+xml' href='/rss'>", "feed"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "name"), PAGES)
def test_a_page_that_holds_no_posts_is_named(body: str, name: str) -> None:
    kind = page_kind(body.encode(), URL, content_type="text/html; charset=utf-8")
    assert kind.name == name
    assert not kind.sentence.endswith(".")


@pytest.mark.parametrize(
    "body",
    [
        BOARD,
        BOARD + LOGIN_BOX,
        BOARD + '<script src="/cdn-cgi/challenge-platform/scripts/jsd/main.js"></script>',
        BOARD + "<noscript>Please enable JavaScript</noscript>" + SCRIPT,
        BOARD + '<iframe src="https://www.youtube.com/embed/x"></iframe>',
        BOARD + '<meta http-equiv="refresh" content="60">',
        BOARD + "<table><tbody></tbody></table>",
    ],
)
def test_a_board_is_taken_for_nothing_else(body: str) -> None:
    assert page_kind(body, URL) is None


@pytest.mark.parametrize(
    ("magic", "what"), [(b"%PDF-1.7", "a PDF"), (b"\x1f\x8b\x08", "gzip"), (b"\x89PNG", "picture")]
)
def test_a_file_is_named(magic: bytes, what: str) -> None:
    kind = page_kind(magic + b"\x00\x01\x02", URL)
    assert (kind.name, kind.is_other) == ("file", True)
    assert what in kind.sentence


@pytest.mark.parametrize(
    ("body", "address"),
    [
        ('<frameset><frame src="top.html"><frame src="list.html" name="main"></frameset>', URL + "list.html"),
        ('<base href="/dept/"><iframe id=content src="board?x=1"></iframe>', "https://board.example/dept/board?x=1"),
        ("<meta http-equiv=refresh content=\"5;URL='/new/'\">", "https://board.example/new/"),
    ],
)
def test_the_address_to_go_to_is_named(body: str, address: str) -> None:
    kind = page_kind(body, URL)
    assert address in kind.sentence


def test_a_status_and_a_header_tell_what_the_page_does_not() -> None:
    challenged = page_kind(BOARD, URL, status=403, headers={"CF-Mitigated": "challenge"})
    locked = page_kind(BOARD, URL, status=401)
    assert (challenged.name, locked.name) == ("challenge", "login")


def test_a_page_that_only_may_be_another_is_a_hint() -> None:
    hint, other = page_kind(f"{MENU}<ul class=news></ul>", URL), page_kind("[]", URL)
    assert (hint.is_other, other.is_other) == (False, True)
