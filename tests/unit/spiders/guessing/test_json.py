"""JSON that `sites try` finds by itself, in the shapes that sites have it in: what is proposed, and what is refused."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from spiders.guessing.propose import Proposal, propose

NOW = datetime(2026, 3, 10, 6, tzinfo=UTC)
URL = "https://a.example/news"
SUBJECTS = [
    "Scholarship applications open",
    "Library closed on Friday",
    "New bus timetable for the campus",
    "Results of the student election",
    "Call for papers on urban trees",
    "Cafeteria menus of the week",
]
Rows = Callable[[int, str], dict[str, Any]]


def rows(make: Rows) -> list[dict[str, Any]]:
    return [make(number, title) for number, title in enumerate(SUBJECTS, 1)]


def tried(body: Any, content_type: str = "application/json") -> Proposal:
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return propose(text.encode(), URL, content_type, now=NOW)


def wordpress(n: int, title: str) -> dict[str, Any]:
    return {
        "id": 900 - n,
        "date": f"2026-03-0{n}T09:00:00",
        "modified": "2026-03-09T09:00:00",
        "slug": f"p{n}",
        "author": 7,
        "link": f"https://a.example/2026/03/p{n}/",
        "title": {"rendered": title},
        "featured_media": n,
        "_links": {"self": [{"href": f"https://a.example/wp-json/wp/v2/posts/{n}"}]},
    }


def api(n: int, title: str) -> dict[str, Any]:
    return {
        "seq": 70 - n,
        "boardId": 3,
        "subject": title,
        "thumbUrl": f"https://img.example/{n}.png",
        "regDt": 1772900000 - n,
        "viewUrl": f"/view?seq={70 - n}",
        "writerNm": "Kim",
        "noticeYn": "N",
    }


def by_id(n: int, title: str) -> dict[str, Any]:
    return {"id": 70 - n, "title": title, "dateCreated": "2026-03-02 10:00:00"}


def jobs(n: int, title: str) -> dict[str, Any]:
    return {
        "id": 4000 + n,
        "title": title,
        "absolute_url": f"https://jobs.example/a/jobs/{4000 + n}",
        "location": {"name": "Seoul"},
        "updated_at": "2026-03-02T10:00:00-05:00",
    }


def item(n: int, title: str) -> dict[str, Any]:
    return {
        "@type": "ListItem",
        "position": n,
        "item": {
            "@type": "NewsArticle",
            "headline": title,
            "url": f"https://a.example/articles/{n}00",
            "datePublished": f"2026-03-0{n}",
        },
    }


@pytest.mark.parametrize(
    ("body", "params"),
    [
        (rows(wordpress), {"rows": "@", "title": "title.rendered", "link": "link", "date": "date", "id": "id"}),
        (
            {
                "code": 0,
                "data": {"total": 9, "items": rows(api)},
                "menus": [{"name": f"Menu {n}", "url": f"/m/{n}"} for n in range(9)],
            },
            {
                "rows": "data.items",
                "title": "subject",
                "link": "viewUrl",
                "date": "regDt",
                "id": "seq",
                "author": "writerNm",
                "pinned": "noticeYn",
            },
        ),
        (
            {"jobs": rows(jobs), "meta": {"total": 6}},
            {"rows": "jobs", "title": "title", "link": "absolute_url", "date": "updated_at", "id": "id"},
        ),
        (
            {"links": {"next": "https://a.example/news?page=2"}, "list": rows(api)},
            {"next": "links.next", "rows": "list"},
        ),
        (
            {"data": {"children": [{"kind": "t3", "data": row} for row in rows(jobs)]}},
            {"rows": "data.children", "title": "data.title", "link": "data.absolute_url"},
        ),
    ],
)
def test_an_answer_is_proposed_with_what_says_which_post_it_is(body: Any, params: dict[str, str]) -> None:
    found = tried(body)
    assert found.spider == "json", found.notes
    assert {name: found.params.get(name) for name in params} == params
    assert [post.title for post in found.posts] == SUBJECTS
    assert all(post.published_at for post in found.posts)


PAGE = "<html lang=en><head><title>News</title></head><body><div id=__next></div>{}</body></html>"


@pytest.mark.parametrize(
    ("script", "params"),
    [
        (
            '<script id="__NEXT_DATA__" type="application/json">'
            f"{json.dumps({'props': {'pageProps': {'posts': rows(api)}}})}</script>",
            {"embedded": "script#__NEXT_DATA__", "rows": "props.pageProps.posts", "title": "subject"},
        ),
        (
            f"<script>window.__INITIAL_STATE__ = {json.dumps({'board': {'list': rows(api)}})};</script>",
            {"embedded": "window.__INITIAL_STATE__", "rows": "board.list"},
        ),
        (
            f'<script>window["__DATA__"]=JSON.parse({json.dumps(json.dumps(rows(jobs)))})</script>',
            {"embedded": "window.__DATA__", "rows": "@"},
        ),
        (f"<script>var boardList = {json.dumps(rows(jobs))};</script>", {"embedded": "js:boardList", "rows": "@"}),
        (
            '<script type="application/ld+json">{"@type": "WebSite", "name": "A"}</script>'
            '<script type="application/ld+json">'
            f"{json.dumps({'@type': 'ItemList', 'itemListElement': rows(item)})}</script>",
            {
                "embedded": 'script[type="application/ld+json"]',
                "rows": "itemListElement",
                "title": "item.headline",
                "link": "item.url",
                "date": "item.datePublished",
            },
        ),
        (
            '<script type="application/ld+json">'
            f"{json.dumps({'@graph': [{'@type': 'WebSite'}, {'itemListElement': rows(item)}]})}</script>",
            {"rows": '"@graph"[].itemListElement[]', "title": "item.headline"},
        ),
    ],
)
def test_json_in_a_page_that_shows_no_rows_is_proposed(script: str, params: dict[str, str]) -> None:
    found = tried(PAGE.format(script), "text/html")
    assert found.spider == "json", found.notes
    assert {name: found.params.get(name) for name in params} == params
    assert [post.title for post in found.posts] == SUBJECTS


def test_rows_without_addresses_are_refused_with_what_to_give() -> None:
    found = tried({"success": True, "data": {"list": rows(by_id)}})
    assert found.spider == ""
    assert "JSON that is no JSON Feed" in found.notes[0]
    assert found.notes[-1].endswith(
        "because the rows have no addresses of their own: if they are posts, give --spider json -p rows='data.list' "
        "-p title='title' -p date='dateCreated' -p id='id' -p link_template='https://.../{id}'"
    )


@pytest.mark.parametrize(
    "body",
    [
        {"ok": True},
        [],
        {"menu": [{"name": name, "url": f"/{name}"} for name in ("home", "news", "about", "faq", "login")]},
        [{"title": f"{n}", "url": f"https://img.example/{n}.png"} for n in range(9)],
        {"rows": [{"name": "same", "url": "/one", "date": "2026-01-01"}] * 9},
        {"prices": [{"label": f"{n} USD", "value": n} for n in range(30)]},
        [[1, 2], [3, 4]],
    ],
)
def test_what_is_not_surely_posts_is_refused(body: Any) -> None:
    assert tried(body).spider == ""
    script = f"<script>window.__INITIAL_STATE__ = {json.dumps({'x': body, 'pad': 'x' * 200})}</script>"
    assert tried(PAGE.format(script), "text/html").spider == ""


def test_a_page_with_rows_is_read_as_a_page() -> None:
    lines = "".join(
        f"<li><a href='/n/{n}00'>{title}</a> <i>2026-03-0{n}</i></li>" for n, title in enumerate(SUBJECTS, 1)
    )
    script = f"<script>window.__INITIAL_STATE__ = {json.dumps(rows(api))}</script>"
    assert tried(PAGE.format(f"<ul class=posts>{lines}</ul>{script}"), "text/html").spider == "listing"
