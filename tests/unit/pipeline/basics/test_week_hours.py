"""Hours of the week and times of day as people write them."""

from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.basics.preferences import EVERY_DAY, QuietHours
from pipeline.basics.week_hours import parse_cap, parse_times, parse_windows, times_text, windows_text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("22:00-08:00", "22:00-08:00"),
        (" 22:00 - 8:00 ", "22:00-08:00"),
        ("22:00–08:00", "22:00-08:00"),
        ("22:00~08:00", "22:00-08:00"),
        ("daily 12:00-13:00", "12:00-13:00"),
        ("fri,sat 23:00-09:00", "fri,sat 23:00-09:00"),
        ("Friday and Saturdays 23:00-09:00", "fri,sat 23:00-09:00"),
        ("sat-mon 23:00-24:00", "mon,sat,sun 23:00-24:00"),
        ("weekdays 0:00-07:30", "mon,tue,wed,thu,fri 00:00-07:30"),
        ("weekends 00:00-24:00", "sat,sun 00:00-24:00"),
        ("22:00-00:00", "22:00-24:00"),
        ("22:00-08:00; sat,sun 08:00-11:00", "22:00-08:00; sat,sun 08:00-11:00"),
        ("22:00-08:00, 12:00-13:00", "12:00-13:00; 22:00-08:00"),
        ("fri 22:00-23:00, sat 20:00-21:00;", "fri 22:00-23:00; sat 20:00-21:00"),
        ("22:00-08:00; 07:00-09:00; 22:00-08:00", "07:00-09:00; 22:00-08:00"),
        ("None", "none"),
    ],
)
def test_hours_are_read_as_people_write_them_and_written_in_one_form(text: str, written: str) -> None:
    assert windows_text(parse_windows(text)) == written
    assert parse_windows(written) == parse_windows(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "there are no hours"),
        (" ; ", "there are no hours"),
        ("22-08", "'22-08' is not understood"),
        ("25:00-08:00", "'25:00-08:00' is not understood"),
        ("24:00-08:00", "'24:00-08:00' is not understood"),
        ("at night", "'at' is not understood"),
        ("fry 22:00-08:00", "'fry' is not understood"),
        ("fri,sat", "'fri,sat' has days without hours"),
        ("22:00-08:00 fri", "has days without hours"),
        ("fri; 22:00-08:00", "'fri' has days without hours"),
        ("fri 22:00-08:00, 12:00-13:00", "on which days 12:00-13:00 is meant"),
        ("22:00-22:00", "22:00-22:00 has no length"),
        ("00:00-24:00", "no minute of the week"),
        ("08:00-22:00; 22:00-08:00", "no minute of the week"),
        ("none; 22:00-08:00", "'none' is not understood"),
        (";".join(f"{hour:02}:00-{hour:02}:30" for hour in range(15)), "15 windows"),
    ],
)
def test_hours_that_cannot_be_are_refused_with_the_word_that_is_wrong(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$") as refused:
        parse_windows(text)
    assert named in str(refused.value)


# At most four hours on each day: three of them never cover a week.
WINDOWS = st.builds(
    lambda start, length, days: QuietHours(start=clock(start), end=clock(start + length), days=days),
    st.integers(0, 1_439),
    st.integers(1, 240),
    st.sets(st.integers(0, 6), min_size=1).map(frozenset),
)


def clock(minutes: int) -> time:
    return time(minutes // 60 % 24, minutes % 60)


@given(st.lists(WINDOWS, max_size=3, unique=True))
def test_what_is_written_reads_as_the_same_windows(windows: list[QuietHours]) -> None:
    assert set(parse_windows(windows_text(windows))) == set(windows)


def test_a_window_belongs_to_the_day_on_which_it_begins() -> None:
    assert parse_windows("fri 23:00-09:00") == (QuietHours(start=time(23), end=time(9), days=frozenset({4})),)
    assert parse_windows("22:00-08:00")[0].days == EVERY_DAY


@pytest.mark.parametrize(
    ("text", "times"),
    [("08:00,18:00", "08:00,18:00"), ("18:00 and 8:00", "08:00,18:00"), ("8:00; 8:00", "08:00"), ("none", "none")],
)
def test_times_of_day_are_sorted_and_each_counts_once(text: str, times: str) -> None:
    assert times_text(parse_times(text)) == times


@pytest.mark.parametrize(
    ("text", "named"), [("", "no time"), ("8am", "'8am' is no time"), ("24:00", "'24:00'"), ("8", "'8' is no time")]
)
def test_what_is_no_time_of_day_is_refused(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        parse_times(text)


@pytest.mark.parametrize(
    ("text", "cap"), [("20", 20), ("20/day", 20), (" 1 a day", 1), ("1000 per day", 1000), ("none", None)]
)
def test_a_cap_is_a_number_of_pushes_a_day(text: str, cap: int | None) -> None:
    assert parse_cap(text) == cap


@pytest.mark.parametrize("text", ["", "0", "-3", "1001/day", "20/hour", "many"])
def test_what_is_no_cap_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"a cap is from 1 to 1000|is no cap"):
        parse_cap(text)
