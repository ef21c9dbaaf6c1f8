from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.basics.retry_after import LONGEST_S, retry_after_s

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("1.5", 1.5),
        ("99999999999999", LONGEST_S),
        ("9" * 400, LONGEST_S),
        ("Fri, 02 Jan 2026 03:05:05 GMT", 60),
        ("Fri, 02 Jan 2026 12:05:05 +0900", 60),
        ("Fri, 02 Jan 2026 03:05:05 -0000", 60),
        ("Fri, 02 Jan 2026 03:00:00 GMT", 0),
        ("Fri, 02 Jan 9999 03:00:00 GMT", LONGEST_S),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e3", None),
        ("1_000", None),
        ("inf", None),
        ("١٢", None),
        ("Fri, 02 Jan 2026 03:05:05 +99999999999999", None),
        ("Fri, 99 Jan 2026 99:05:05 GMT", None),
    ],
)
def test_a_server_says_when_to_come_back(value: str, seconds: float | None) -> None:
    assert retry_after_s(value, now=NOW) == seconds


@given(st.text() | st.from_regex(r"\A\w{3}, \d{1,3} \w{3} \d{1,6} \d\d:\d\d:\d\d [+-]\d{1,20}\Z"))
def test_whatever_a_server_sends_gives_a_pause_or_none(value: str) -> None:
    seconds = retry_after_s(value, now=NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_S
