"""A date is doubted where it contradicts its place, and believed where it does not."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiders.items import PostItem
from spiders.reading.date_doubts import doubtful, without_doubtful_dates

NOW = datetime(2026, 11, 28, 7, tzinfo=UTC)
URL = "http://a.example/board"


def moments(days: Sequence[float | None]) -> list[datetime | None]:
    return [None if each is None else NOW - timedelta(days=each) for each in days]


@pytest.mark.parametrize(
    ("ages", "expected"),
    [
        ([0, 1, 2, 3, 9], set()),
        ([300, 1, 2, 3, 9], {0}),
        ([300, 1, 1, 1], {0}),
        ([300, 1, 2], {0}),
        ([0, 300, 2, 3], {1}),
        ([0, None, 300, None, 2, 3], {2}),
        ([0, 1, 2, 0, 8, 9], {3}),
        ([9, 8, 7, 300, 6, 5], {3}),
        ([9, 8, 7, 6, 300], {4}),
        ([300, 1], set()),
        ([300], set()),
        ([], set()),
        ([0, 0.9, 0.2, 1.5], set()),
        ([5, 300, 2, 80, 1, 40, 7, 200], set()),
        ([0, 1, 2, 3, 9, 8.5, 20, 30], set()),
        ([0, 1, 2, 30, 9, 40, 50], {3, 4}),
    ],
)
def test_a_date_is_doubted_by_its_place_between_the_others(ages, expected):
    assert doubtful(moments(ages)) == expected


AGES = st.lists(st.floats(0, 2_000), min_size=4, max_size=40).map(sorted)


@given(AGES)
def test_nothing_is_doubted_on_a_page_whose_newest_posts_stand_first(ages):
    assert not doubtful(moments(ages))


@given(st.lists(st.integers(0, 2_000), min_size=4, max_size=40, unique=True).map(sorted))
def test_nothing_is_doubted_on_a_page_whose_newest_posts_stand_last(ages):
    assert not doubtful(moments(ages[::-1]))


@given(AGES, st.data())
def test_a_post_whose_date_is_misread_is_not_silenced_on_a_page_in_order(ages, data):
    place = data.draw(st.integers(0, len(ages) - 2))
    # Read as older than the post below it: the closing transaction would silence it by its age.
    misread = data.draw(st.floats(ages[place + 1] + 1.01, 9_000))
    assert place in doubtful(moments([*ages[:place], misread, *ages[place + 1 :]]))


@given(st.lists(st.one_of(st.none(), st.floats(0, 3_000)), max_size=60))
def test_rows_without_a_date_change_nothing(ages):
    dated = {place for place, age in enumerate(ages) if age is not None}
    found = doubtful(moments(ages))
    assert found <= dated
    close = sorted(dated)
    assert {close.index(place) for place in found} == doubtful(moments([ages[place] for place in close]))


def test_a_pinned_post_may_be_old():
    posts = [
        PostItem(external_id=str(age), url=URL, title="t", published_at=NOW - timedelta(days=age), pinned=age == 400)
        for age in (400, 300, 1, 2, 3, 4)
    ]
    kept = [post.published_at for post in without_doubtful_dates(posts)]
    assert [each is None for each in kept] == [False, True, False, False, False, False]


def test_thousands_of_rows_in_no_order_take_no_time():
    ages = [(n * 7_919) % 20_011 / 10 for n in range(20_000)]
    assert doubtful(moments(ages)) == set()
