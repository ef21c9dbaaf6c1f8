"""A new post is as old as its date says only where its place allows it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crawling.believing import Shown, wrongly_old

NOW = datetime(2026, 11, 28, 7, tzinfo=UTC)
LAST_CRAWL = NOW - timedelta(hours=1)


def page(text: str) -> list[Shown]:
    """Posts by their age in days, "-" for none; those with a plus sign are new."""
    return [
        Shown(
            id=place,
            is_new=word.startswith("+"),
            published_at=None if word.strip("+") == "-" else NOW - timedelta(days=float(word.strip("+"))),
        )
        for place, word in enumerate(text.split())
    ]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("+700 900 901 950", [0]),
        ("+0 900 901 950", []),
        ("+20 +700 1 2 3", [0, 1]),
        ("400 300 +700 1 2 3", [2]),
        ("400 300 +700 - 1 1.5 2", [2]),
        ("1 2 3 +700", []),
        ("1 2 3 +700 +800", []),
        ("+- 1 2 3", []),
        ("+700 1 2", []),
        ("+700 - - - -", []),
        ("+700 3 2 1", []),
        ("+700 5 300 2 80 1 40", []),
        ("+700 +800 +900", []),
        ("", []),
    ],
)
def test_a_post_above_one_that_was_there_came_after_the_last_crawl(shown: str, expected: list[int]) -> None:
    assert wrongly_old(page(shown), last_crawl=LAST_CRAWL) == expected


def test_after_a_long_time_without_a_crawl_a_post_may_be_as_old_as_it_says() -> None:
    shown = page("+20 +29 40 41 42")
    assert wrongly_old(shown, last_crawl=NOW - timedelta(days=30)) == []
    assert wrongly_old(shown, last_crawl=NOW - timedelta(days=25)) == [1]
    assert wrongly_old(shown, last_crawl=None) == []


@given(
    st.lists(st.integers(1, 2_000), min_size=4, max_size=30, unique=True).map(sorted),
    st.integers(2, 9_000),
    st.data(),
)
def test_no_misread_date_makes_a_new_post_old_where_the_newest_stand_first(
    ages: list[int], misread: int, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(ages) - 1))
    shown = page(" ".join([*map(str, ages[:place]), f"+{misread}", *map(str, ages[place:])]))
    assert wrongly_old(shown, last_crawl=LAST_CRAWL) == [place]
