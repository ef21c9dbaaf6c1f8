"""Small texts: durations, lines, names of time zones."""

from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.basics.durations import exact_duration, parse_duration, rounded_duration
from pipeline.basics.text import first_line, last_line, printable
from pipeline.basics.time_zones import find_zone


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *[("90s", 90), ("5m", 300), (" 36 h ", 129_600), ("7d", 604_800), ("2w", 1_209_600), ("0s", 0)],
        *[("5 min", 300), ("every 2 hours", 7_200), ("every day", 86_400), ("every 1 week", 604_800)],
        *[("30분", 1_800), ("2시간마다", 7_200), ("3 일", 259_200)],
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "m", "-5m", "1.5h", "5M", "1y", "٥m", "5m 3s", "every", "every 5", "hourly", "분", "5분m"]
)
def test_anything_else_is_no_duration(text: str) -> None:
    assert parse_duration(text) is None


def test_whoever_asks_may_know_fewer_units() -> None:
    assert parse_duration("2w", units="smhd") is None


@given(st.integers(min_value=0, max_value=10**8))
def test_an_exact_duration_reads_as_what_it_was(seconds: int) -> None:
    assert parse_duration(exact_duration(seconds)) == seconds


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (90, "90s"), (3_600, "1h"), (604_800, "7d"), (0.5, "0.5s")])
def test_an_exact_duration_has_the_largest_unit_that_fits(seconds: float, text: str) -> None:
    assert exact_duration(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(4.4, "4 s"), (90, "1.5 min"), (5_400, "1.5 h"), (129_600, "1.5 d")])
def test_a_person_reads_a_rounded_duration(seconds: float, text: str) -> None:
    assert rounded_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [("", "", ""), (" \n ", "", ""), ("one", "one", "one"), ("\n one\ntwo\r\nthree \n", "one", "three")],
)
def test_one_line_of_an_error(text: str, first: str, last: str) -> None:
    assert (first_line(text), last_line(text)) == (first, last)
    assert first_line(RuntimeError(text)) == first


@given(st.text())
def test_a_terminal_gets_one_line_without_commands(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) == len(text)


def test_every_zone_of_the_machine_is_found() -> None:
    assert [name for name in available_timezones() if find_zone(name) is None] == []


@pytest.mark.parametrize("name", ["", "Asia", "Asia/Soul", "../UTC", "/etc/passwd", "Asia//Seoul", "a\0b", "x" * 5000])
def test_what_is_no_zone_is_not_found(name: str) -> None:
    assert find_zone(name) is None
