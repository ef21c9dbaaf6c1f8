"""What is found again of a board that was redesigned: generated redesigns whose truth is known; what is refused."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from spiders.guessing.known_posts import KnownPost, recognise
from spiders.guessing.repair import Repair, repair
from spiders.items import PostItem
from tests.support.redesigns import case, judged

NOW = datetime(2026, 11, 28, 6, tzinfo=UTC)
REDESIGNS = 200


def outcomes(seeds: Sequence[int]) -> Counter[str]:
    """How many redesigns were repaired and refused; what is wrong with a repair stands as it is."""
    found: Counter[str] = Counter()
    for seed in seeds:
        redesign = case(seed)
        outcome = judged(redesign, redesign.repaired())
        found[f"{outcome}, as it should be" if redesign.refused and outcome == "refused" else outcome] += 1
    return found


def test_redesigned_boards_are_repaired_and_nothing_is_pushed_again():
    found = outcomes(range(1, 25))
    assert set(found) <= {"repaired", "refused", "refused, as it should be"}, found
    assert found["repaired"] >= 20


@pytest.mark.full
def test_of_two_hundred_redesigns_none_is_repaired_wrongly():
    found = outcomes(range(1, REDESIGNS + 1))
    assert set(found) <= {"repaired", "refused", "refused, as it should be"}, found
    assert found["refused, as it should be"] == REDESIGNS // 7
    assert found["repaired"] >= 0.97 * (REDESIGNS - REDESIGNS // 7), found


def at(days: float) -> datetime:
    return NOW - timedelta(days=days)


def known(*posts: tuple[str, float | None]) -> list[KnownPost]:
    """Stored posts: titles with their age in days, as the page showed them."""
    return [
        KnownPost(id=n, external_id=f"old/{n}", title=title, published_at=None if days is None else at(days))
        for n, (title, days) in enumerate(posts)
    ]


def shown(*posts: tuple[str, float | None]) -> list[PostItem]:
    return [
        PostItem(
            external_id=f"new/{n}",
            url=f"http://a.test/new/{n}",
            title=title,
            published_at=None if days is None else at(days),
        )
        for n, (title, days) in enumerate(posts)
    ]


A, B, C, D = ("수강 신청 안내", 5.0), ("기숙사 2차 추첨", 6.0), ("도서관 휴관", 7.0), ("Job fair 2026", 8.0)
UNDATED = [(title, None) for title, _ in (A, B, C, D)]


@pytest.mark.parametrize(
    ("before", "now", "same", "new"),
    [
        # Capitals and blanks are the page's, digits are the post's.
        ([A, B, C, D], [A, B, C, ("JOB  fair 2026", 8.0)], {0: 0, 1: 1, 2: 2, 3: 3}, set()),
        ([A, B, C, D], [("기숙사 3차 추첨", 1.0), A, B, C], {1: 0, 2: 1, 3: 2}, {0}),
        # A weekly title of another week is another post; of two weeks, each is its own.
        ([("공지", 7.0), B, C, D], [("공지", 0.5), A, B, C, D], {2: 1, 3: 2, 4: 3}, {0, 1}),
        ([("공지", 0.5), B, ("공지", 7.5), D], [("공지", 0.2), B, ("공지", 7.4), D], {0: 0, 1: 1, 2: 2, 3: 3}, set()),
        # Older posts than any that was known are not new, though nobody knows them.
        ([A, B, C], [A, B, C, D, ("작년 안내", 300.0)], {0: 0, 1: 1, 2: 2}, set()),
        # Without dates the place says which of them it is: beside the same post as before.
        (
            [UNDATED[0], ("공지", None), *UNDATED[1:]],
            [("공지", None), ("새 글", None), UNDATED[0], ("공지", None), *UNDATED[1:]],
            {2: 0, 3: 1, 4: 2, 5: 3, 6: 4},
            {0, 1},
        ),
        # One that stands elsewhere now may be either: it is neither known nor new.
        ([*UNDATED, ("공지", None)], [("공지", None), *UNDATED], {1: 0, 2: 1, 3: 2, 4: 3}, set()),
        # Another design cuts its titles, or shows them whole.
        ([("Scholarship r...", 5.0), B, C], [("Scholarship round 2 is open", 5.0), B, C], {0: 0, 1: 1, 2: 2}, set()),
        ([("Scholarship round 2 is open", 5.0), B, C], [("Scholarship …", 5.0), B, C], {0: 0, 1: 1, 2: 2}, set()),
        # A known title with a later date is new above the others, and a date that was read wrongly among them.
        ([A, B, C, ("식단", 8.0), D], [A, B, ("식단", 1.0), C, D], {0: 0, 1: 1, 3: 2, 4: 4}, set()),
        # "3 weeks ago" is no other date than the day was.
        (
            [("가", 15.0), ("나", 16.0), ("다", 20.0)],
            [("가", 14.0), ("나", 14.0), ("다", 14.0)],
            {0: 0, 1: 1, 2: 2},
            set(),
        ),
    ],
)
def test_posts_are_recognised_by_title_date_and_order(before, now, same, new):
    found = recognise(known(*before), shown(*now), NOW)
    assert {place: old.id for place, old in found.known.items()} == same
    assert found.new == new


BEFORE = {"url": "http://a.test/list", "timezone": "UTC", "row": "table.old tr", "title": "a", "date": "td.d"}
TITLES = [f"Announcement of event number {n}" for n in range(12)]


def repaired(body: str, *, row: str = "", shown: int = 12, titles: Sequence[str] = TITLES) -> Repair:
    return repair(
        f"<html><body>{body}</body></html>".encode(),
        BEFORE["url"],
        before=BEFORE,
        known=known(*((title, float(n)) for n, title in enumerate(titles))),
        shown=shown,
        now=NOW,
        row=row,
    )


def listed(name: str, titles: Sequence[str] = TITLES, link: str = "/p/") -> str:
    rows = (f"<li><a href='{link}{n}'>{title}</a><i>{at(n):%Y-%m-%d}</i></li>" for n, title in enumerate(titles))
    return f"<ul class='{name}'>{''.join(rows)}</ul>"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            listed("l", [f"Something else no. {n}" for n in range(12)]),
            "none of the 12 known titles is found on the page",
        ),
        (
            "<form action='/login'><input name='u'><input type='password' name='p'></form>",
            "none of the 12 known titles is found on the page: ",
        ),
        (listed("one") + listed("two", link="/q/"), "two lists hold the known titles, the rows"),
        (listed("one") + listed("", link="/q/").replace(" class=''", ""), "two lists hold the known titles"),
        (listed("") + listed("", link="/q/"), "hold most of the known titles twice"),
        (listed("") + listed(""), "12 of the 12 known titles are found on the page, but nothing that repeats"),
        (listed("popular", TITLES[:3]), "may be a box beside the list"),
        (
            listed("l", [t for n, title in enumerate(TITLES) for t in (title, f"Other {n}a", f"Other {n}b")]),
            "may be another list",
        ),
    ],
)
def test_what_is_not_sure_is_refused_with_the_reason_and_the_way_out(body, sentence):
    found = repaired(body)
    assert sentence in found.refusal
    assert not found.params


def test_of_two_lists_the_one_is_taken_that_a_person_chooses():
    body = listed("one") + listed("two", link="/q/")
    assert "--row" in repaired(body).refusal
    found = repaired(body, row="ul.two > li")
    assert not found.refusal
    assert {post.url for post in found.posts} == {f"http://a.test/q/{n}" for n in range(12)}


def test_a_page_that_only_gave_its_posts_new_addresses_keeps_its_definition():
    rows = "".join(
        f"<tr><td><a href='/view/{n}00'>{title}</a></td><td class='d'>{at(n):%Y-%m-%d}</td></tr>"
        for n, title in enumerate(TITLES)
    )
    found = repaired(f"<table class='old'>{rows}</table>")
    assert found.params == BEFORE
    assert [old.id for old in found.recognition.known.values()] == [*range(12)]


def test_what_says_how_the_page_is_fetched_is_kept_and_what_is_lost_is_said():
    before = {**BEFORE, "headers": ["X-A: b"], "max_pages": 2, "skip": [".ad", r"title:^\[Ad\]"], "author": "td.w"}
    found = repair(
        f"<html><body>{listed('l')}</body></html>".encode(),
        BEFORE["url"],
        before=before,
        known=known(*((title, float(n)) for n, title in enumerate(TITLES))),
        shown=12,
        now=NOW,
    )
    assert found.params["headers"] == ["X-A: b"]
    assert found.params["skip"] == [r"title:^\[Ad\]"]
    assert any(note.startswith("author was 'td.w'") for note in found.notes)
