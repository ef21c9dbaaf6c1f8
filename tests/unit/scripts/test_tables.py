"""Rows as lines of a screen."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from scripts.ago import since
from scripts.tables import table_lines

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
TEXTS = st.text(alphabet="abc 장학금공지é—", max_size=60)


def test_what_has_room_is_shown_whole() -> None:
    assert table_lines(["id", "title"], [["1", "장학금"], ["23", "x"]], width=80) == [
        "id  title",
        "1   장학금",
        "23  x",
    ]


def test_the_widest_text_is_cut_first_and_a_syllable_takes_two_columns() -> None:
    _, line = table_lines(["id", "title", "status"], [["1", "국가장학금 신청 안내", "sent"]], width=26)
    assert line == "1   국가장학금 신…  sent"
    assert cell_len(line) <= 26


def test_without_a_width_nothing_is_cut() -> None:
    assert table_lines(["title"], [["x" * 500]], width=None)[1] == "x" * 500


def test_where_there_is_no_room_the_last_columns_are_left_out_and_no_heading_is_cut() -> None:
    head, line = table_lines(["subscriptions", "next_crawl"], [["장학" * 20, "in 5 min"]], width=20)
    assert head == "subscriptions"
    assert cell_len(line) <= 20


@given(
    st.integers(1, 6).flatmap(
        lambda n: st.tuples(
            st.lists(st.text("abcd", min_size=1, max_size=14), min_size=n, max_size=n),
            st.lists(st.lists(TEXTS, min_size=n, max_size=n), max_size=5),
        )
    ),
    st.integers(14, 120),
)
def test_a_table_is_a_line_a_row_no_wider_than_the_screen(table: tuple[list[str], list[list[str]]], width: int) -> None:
    headings, rows = table
    lines = table_lines(headings, rows, width=width)
    assert len(lines) == len(rows) + 1
    assert max(map(cell_len, lines)) <= width
    # No heading is cut: those that are there are the first ones, whole.
    shown = lines[0].split()
    assert shown == headings[: len(shown)]


@pytest.mark.parametrize(
    ("away", "words"),
    [
        (timedelta(0), "0 s ago"),
        (timedelta(seconds=-59), "59 s ago"),
        (timedelta(seconds=-200), "3 min ago"),
        (timedelta(minutes=5), "in 5 min"),
        (timedelta(hours=-36), "1 d ago"),
        (timedelta(hours=-23), "23 h ago"),
        (timedelta(days=-30), "2026-10-29"),
        (timedelta(days=60), "2027-01-27"),
    ],
)
def test_a_moment_is_told_from_now_and_by_its_date_when_it_is_far(away: timedelta, words: str) -> None:
    assert since(NOW + away, NOW) == words
