"""Which of an answer's lists a page shows, and how its rows are read."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from spiders.guessing.json_guess import Shown, guess_json

NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)
URL = "https://board.example/api/notices?size=20"
TITLES = [f"{n}차 국가장학금 신청 안내" for n in range(1, 6)]
TEXT = "메뉴 " + " ".join(f"{title} 2026.11.0{n}" for n, title in enumerate(TITLES, 1))
LINKS = [("https://board.example/", "Home")] + [
    (f"https://board.example/view/10{n}?page=1", f"{title} N") for n, title in enumerate(TITLES, 1)
]
MENU = [{"menuId": n, "label": f"Menu {n}"} for n in range(1, 9)]


def rows(**more: Any) -> list[dict[str, Any]]:
    return [
        {"no": 100 + n, "subject": title, "hit": 7, "updDate": "2026-11-19", "regDate": f"2026-11-0{n} 10:00"}
        | {name: value.format(n=n) for name, value in more.items()}
        for n, title in enumerate(TITLES, 1)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "params"),
    [
        (
            {"menu": MENU, "data": {"list": rows(), "total": 5}},
            {
                "rows": "data.list",
                "title": "subject",
                "link_template": "https://board.example/view/{no}?page=1",
                "id": "no",
                "date": "regDate",
            },
        ),
        (
            rows(url="/view/10{n}?page=1"),
            {"rows": "@", "title": "subject", "link": "url", "id": "no", "date": "regDate"},
        ),
        (
            {"a-b": [{"attributes": each} for each in rows(url="/view/10{n}?page=1")]},
            {
                "rows": '"a-b"',
                "title": "attributes.subject",
                "link": "attributes.url",
                "id": "attributes.no",
                "date": "attributes.regDate",
            },
        ),
    ],
)
def test_the_list_that_is_seen_is_found_with_its_addresses_and_dates(answer: Any, params: dict[str, str]) -> None:
    guess = guess_json(json.loads(json.dumps(answer)), URL, NOW, Shown(text=TEXT, links=LINKS))
    assert (dict(guess.params), guess.seen) == (params, 5)


@pytest.mark.parametrize("answer", [{"menu": MENU}, {"rows": rows()[:2]}, [[1, 2, 3]], "text", None, {"x": [{}] * 9}])
def test_what_the_page_does_not_show_is_none_of_it(answer: Any) -> None:
    assert guess_json(answer, URL, NOW, Shown(text=TEXT, links=LINKS)) is None
    assert guess_json({"list": rows()}, URL, NOW, Shown(text="quite another page", links=LINKS)) is None


def test_addresses_that_a_script_makes_are_those_that_the_answer_names() -> None:
    answer = rows(url="https://board.example/view/10{n}")
    guess = guess_json(answer, URL, NOW, Shown(text=TEXT))
    assert guess.params["link"] == "url"


def test_a_name_for_addresses_tells_posts_apart_too() -> None:
    answer = [{"slug": f"notice-{row['no']}", "subject": row["subject"]} for row in rows()]
    links = [(f"https://board.example/p/notice-10{n}", title) for n, title in enumerate(TITLES, 1)]
    guess = guess_json(answer, URL, NOW, Shown(text=TEXT, links=links))
    assert guess.params["link_template"] == "https://board.example/p/{slug}"
