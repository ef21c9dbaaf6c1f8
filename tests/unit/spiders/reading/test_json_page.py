"""JSON answers and pages with JSON in them, as boards send them and as nobody should."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiders.params import JSONParams
from spiders.reading.expressions import ExpressionError, is_true
from spiders.reading.json_page import JSONPage, parse_json
from spiders.reading.json_text import VALUES, NotJSONError, read_json
from spiders.reading.places import Place

NOW = datetime(2026, 3, 10, 6, tzinfo=UTC)
URL = "https://a.example/api/list?page=1"
ROWS = [{"no": 7, "title": "Seven", "url": "/p/7"}, {"no": 6, "title": "Six", "url": "/p/6"}]


def read(body: Any, /, **params: Any) -> JSONPage:
    given = {"url": URL, "rows": "@", "title": "title", "link": "url", **params}
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    return parse_json(text, URL, JSONParams.from_mapping(given), NOW)


def one(row: dict[str, Any], **params: Any) -> Any:
    page = read([row], **params)
    assert page.posts, page.problem or page.skipped
    return page.posts[0]


def titles(page: JSONPage) -> list[str]:
    return [post.title for post in page.posts]


def test_an_answer_gives_its_posts() -> None:
    item = {
        "id": 8000000000000000017,
        "attributes": {"name": "R&amp;D <b>first</b> \ud83d\ude00"},
        "created": 1772000000,
        "writer": {"name": "Kim"},
        "html": "<p>Read&nbsp;this</p>",
        "top": "Y",
    }
    page = read(
        {"data": {"list": [item]}},
        rows="data.list",
        title="attributes.name",
        link="",
        link_template="https://a.example/view?no={id}&t={attributes.name}",
        date="created",
        author="writer",
        body="html",
        id="id",
        pinned="top",
    )
    (post,) = page.posts
    assert (post.external_id, post.title) == ("id:8000000000000000017", "R&D first 😀")
    assert post.url.startswith("https://a.example/view?no=8000000000000000017&t=R%26amp;D%20%3Cb%3Efirst")
    assert (post.author, post.body, post.pinned) == ("Kim", "Read this", True)
    assert post.published_at == datetime.fromtimestamp(1772000000, UTC)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1772000000, "2026-02-25 06:13:20"),
        (1772000000123, "2026-02-25 06:13:20"),
        ("1772000000", "2026-02-25 06:13:20"),
        (1772000000.0, "2026-02-25 06:13:20"),
        ("/Date(1772000000123+0900)/", "2026-02-25 06:13:20"),
        ([2026, 2, 25, 15, 13], "2026-02-25 06:13:00"),
        (["2026-02-25 15:13"], "2026-02-25 06:13:00"),
        ("2026-02-25T06:13:20.123456789Z", "2026-02-25 06:13:20"),
        ("2026.02.25", "2026-02-24 15:00:00"),
        ("20260225151320", "2026-02-25 06:13:20"),
        ("3시간 전", "2026-03-10 03:00:00"),
        (None, None),
        (True, None),
        ({"a": 1}, None),
        (1e300, None),
        ([2026, 99, 99], None),
        ([[[]]], None),
    ],
)
def test_a_date_may_be_written_as_apis_write_it(value: Any, moment: str | None) -> None:
    found = one(ROWS[0] | {"at": value}, date="at", timezone="Asia/Seoul").published_at
    assert (found and f"{found:%Y-%m-%d %H:%M:%S}") == moment


def test_rows_are_left_out_pinned_and_stripped() -> None:
    rows = [
        {"title": "[new] One", "url": "/1", "notice": "N", "kind": "post"},
        {"title": "Two", "url": "/2", "notice": 1, "kind": "ad"},
        {"title": "Three", "url": "/ads/3", "notice": True},
        {"title": "[Ad] Four", "url": "/4"},
        {"title": "Five", "url": None},
        {"title": None, "url": "/6"},
        {"title": "One", "url": "/1"},
        "no object",
    ]
    page = read(rows, skip=["kind=='ad'", "link:/ads/", r"title:^\[Ad\]"], strip=r"re:^\[new\]", pinned="notice")
    assert [(post.title, post.url, post.pinned) for post in page.posts] == [("One", "https://a.example/1", False)]
    assert dict(page.skipped) == {
        "left out by skip \"kind=='ad'\"": 1,
        "left out by skip 'link:/ads/'": 1,
        r"left out by skip 'title:^\[Ad\]'": 1,
        "no link": 1,
        "no title": 1,
        "repeats an earlier row": 1,
        "no title and no link": 1,
    }


@pytest.mark.parametrize("value", [0, "0", "N", "n", "false", "", [], {}, None, False, "off", 0.0])
def test_what_apis_write_for_no_is_no(value: Any) -> None:
    assert not is_true(value)


def test_rows_of_one_address_are_refused_with_the_name_that_tells_them_apart() -> None:
    rows = [{"title": f"Post {n}", "url": "/view", "bbsNo": n, "n": "same"} for n in range(4)]
    page = read(rows)
    assert page.is_ambiguous
    assert page.problem.endswith("set id to 'bbsNo', which differs from row to row")
    assert len(read(rows, id="bbsNo").posts) == 4


@pytest.mark.parametrize(
    ("body", "rows", "words"),
    [
        ({"data": {"list": []}}, "data.list", "finds an empty list"),
        ({"data": {"list": []}, "code": 0}, "data.items", "finds nothing in the JSON: at its top are 'data', 'code'"),
        ([{"a": 1}], "list", "it is a list itself, which @ finds"),
        ({"posts": {"1": {"title": "a"}}}, "posts", "finds an object and no list .*values\\(posts\\)"),
        ({"posts": "gone"}, "posts", "finds no list but 'gone'"),
        ([{"subject": "a", "url": "/1"}], "@", "none is a post: no title .*the first has 'subject', 'url'"),
    ],
)
def test_what_holds_no_posts_says_why(body: Any, rows: str, words: str) -> None:
    page = read(body, rows=rows)
    assert not page.posts
    assert page.is_empty == ("empty" in words)
    assert re.search(words, page.problem), page.problem


NEXT_DATA = json.dumps({"props": {"pageProps": {"posts": ROWS}}})
STATE = '{"list":[{"no":7,"title":"Seven","url":"/p/7","x":undefined,"y":"a undefined b","z":!0}]}'


@pytest.mark.parametrize(
    ("page", "embedded", "rows"),
    [
        (f'<script id="__NEXT_DATA__" type="application/json">{NEXT_DATA}</script>',
         'xpath://script[@id="__NEXT_DATA__"]/text()', "props.pageProps.posts"),
        (f'<script id="__NEXT_DATA__">{NEXT_DATA}</script>', "script#__NEXT_DATA__", "props.pageProps.posts"),
        (f"<script>var a=1;window.__STATE__ = {STATE};(function(){{}})()</script>", "window.__STATE__", "list"),
        (f"<script>window['__STATE__']={STATE}</script>", 'window["__STATE__"]', "list"),
        (f"<script>let board = {STATE}</script>", "js:board", "list"),
        (f"<script>self.app.state={json.dumps({'list': ROWS})}</script>", "window.app.state", "list"),
        (f"<script>window.S=JSON.parse({json.dumps(json.dumps(ROWS))});</script>", "window.S", "@"),
        ("<script>window.S=JSON.parse('[{\\\"title\\\":\\\"Seven\\\",\\x22url\\x22:\\\"\\/p\\/7\\\"}]');</script>",
         "window.S", "@"),
        (f'<script type="application/ld+json">{{"@type":"WebSite"}}</script><script type="application/ld+json">'
         f'{json.dumps({"items": ROWS})}</script>', 'script[type="application/ld+json"]', "items"),
        (f"<script class=d>window.S = {STATE}</script>", "script.d", "list"),
        (f"<main data-page='{json.dumps({'list': ROWS})}'></main>", "main::attr(data-page)", "list"),
    ],
)  # fmt: skip
def test_json_that_a_page_embeds_is_found(page: str, embedded: str, rows: str) -> None:
    found = read(f"<html lang=ko><body>{page}</body></html>", embedded=embedded, rows=rows)
    assert titles(found)[0] == "Seven"
    assert found.posts[0].url == "https://a.example/p/7"


@pytest.mark.parametrize(
    ("page", "embedded", "words"),
    [
        ("<p>redesigned</p>", "script#data", "embedded is 'script#data', but it finds nothing on the page"),
        ("<script>var b = 1</script>", "window.S", "no script of the page sets it"),
        ("<script>window.S = f(1)</script>", "window.S", "what the script sets there is no JSON"),
        ('<script id=data>{"a": </script>', "script#data", "the JSON is damaged at character"),
    ],
)
def test_a_page_without_the_json_says_so(page: str, embedded: str, words: str) -> None:
    with pytest.raises(NotJSONError, match=words):
        read(page, embedded=embedded)


GOOD = json.dumps(ROWS, ensure_ascii=False)
KOREAN = '[{"title": "장학금 신청 안내", "url": "/1"}]'


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + GOOD.encode(),
        ")]}'\n" + GOOD,
        ")]}'," + GOOD,
        "while(1);" + GOOD,
        "for (;;);" + GOOD,
        f"jQuery123_456({GOOD});",
        f"/**/typeof cb === 'function' && cb({GOOD});",
        f"\r\n // made by hand\n callback.x( {GOOD} )",
        json.dumps(ROWS).encode("utf-16"),
        json.dumps(ROWS).encode("utf-16-le"),
        GOOD + "\n<!-- 0.02s -->",
        json.dumps({"d": json.dumps(ROWS)}),
    ],
)  # fmt: skip
def test_json_is_read_in_whatever_wrapping_it_comes(body: str | bytes) -> None:
    rows = "d" if isinstance(body, str) and body.startswith('{"d"') else "@"
    assert titles(read(body, rows=rows)) == ["Seven", "Six"]


@pytest.mark.parametrize("encoding", ["utf-8", "cp949", "utf-16"])
@pytest.mark.parametrize("declared", ["application/json", "application/json; charset=iso-8859-1", "text/html"])
def test_a_wrong_charset_does_no_harm(encoding: str, declared: str) -> None:
    params = JSONParams.from_mapping({"url": URL, "rows": "@", "title": "title", "link": "url"})
    found = parse_json(KOREAN.encode(encoding), URL, params, NOW, declared)
    assert titles(found) == ["장학금 신청 안내"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "the answer is empty"),
        ("\ufeff \r\n", "the answer is empty"),
        ("<!doctype html><form><input type=password></form>", "answered with a page, not with JSON"),
        ("OK", "answered with a text, not with JSON"),
        ("null", "answered with a text"),
        ("[" * 100_000, "nested too deeply|damaged"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested too deeply"),
        ("[" + "{}," * (VALUES + 1) + "{}]", "more than 250,000 objects and lists"),
        (GOOD[:-9], "damaged at character [0-9]+ of [0-9]+"),
        ("{'a': 1}", "damaged at character 1 "),
        ("[1, 2,]", "damaged at character"),
    ],
)
def test_what_is_no_json_is_named(body: str, words: str) -> None:
    with pytest.raises(NotJSONError, match=words):
        read(body)


@pytest.mark.parametrize(
    ("row", "expected", "note"),
    [
        ('{"title": "a", "title": "b", "url": "/1"}', "b", "has 'title' twice"),
        ('{"title": "a", "no": NaN, "x": -Infinity, "url": "/1"}', "a", "says NaN, which is no number"),
        ('{"title": "a\\ud800b", "url": "/\\udfff1"}', "ab", ""),
        ('{"title": "a\\u0000\\u202eb", "url": "/1"}', "ab", ""),
        ('{"title": 1' + "0" * 5000 + ', "url": "/1"}', "1" + "0" * 498 + "…", ""),
        ('{"title": 1e999, "url": "/1"}', "", ""),
        ('{"title": "' + "x" * 100_000 + '", "url": "/1"}', "x" * 499 + "…", ""),
        ('{"title": "tab\there", "url": "/1"}', "tab here", ""),
        ('{"title": ["a"], "url": {"a": 1}}', "", ""),
    ],
)
def test_odd_values_cost_nothing_but_themselves(row: str, expected: str, note: str) -> None:
    page = read(f"[{row}]")
    assert titles(page) == ([expected] if expected else [])
    assert any(note in each for each in page.notes) if note else not page.notes
    for post in page.posts:
        (post.title + post.url + post.external_id).encode()


def test_an_expression_that_meets_other_values_is_an_error_of_ours() -> None:
    with pytest.raises(ExpressionError, match=r"'length\(no\)' cannot be used here"):
        read(ROWS, title="length(no)")


NAMES = st.sampled_from(["title", "url", "at", "x"])
VALUES_OF_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
)


@given(VALUES_OF_JSON)
def test_any_json_is_read_without_a_crash(value: Any) -> None:
    body = json.dumps({"rows": value})
    assert read_json(body).value.keys() == {"rows"}
    page = read(body, rows="rows", date="at", author="x", body="x", pinned="x", id="x")
    assert page.posts or page.problem


@pytest.mark.parametrize(
    ("template", "first", "third"),
    [
        ('{"page": {page}, "size": 20}', '{"page": 1, "size": 20}', '{"page": 3, "size": 20}'),
        ('{"from": {offset}}', '{"from": 0}', '{"from": 40}'),
        ('{"p":{page0}}', '{"p":0}', '{"p":2}'),
        ('{"after": {cursor}}', '{"after": null}', '{"after": "a\\"b"}'),
        ('{"after": "{cursor}"}', '{"after": ""}', '{"after": "a\\"b"}'),
        ('{"query": "{ posts(n: {page}) { id } }"}', '{"query": "{ posts(n: 1) { id } }"}',
         '{"query": "{ posts(n: 3) { id } }"}'),
    ],
)  # fmt: skip
def test_a_body_names_the_place_where_a_page_begins(template: str, first: str, third: str) -> None:
    assert Place().in_json(template) == first
    assert Place(page=3, offset=40, cursor='a"b').in_json(template) == third


def test_an_address_escapes_a_cursor() -> None:
    assert Place(cursor="a b&c=/=").in_address("/l?c={cursor}") == "/l?c=a%20b%26c%3D%2F%3D"
