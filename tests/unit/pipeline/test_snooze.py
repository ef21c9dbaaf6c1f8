"""Until when somebody wants no pushes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pipeline.people.wishes import parse_snooze

NOW = datetime(2026, 11, 28, 1, 30, 20, tzinfo=UTC)
SEOUL = ZoneInfo("Asia/Seoul")  # 10:30:20


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("2h", NOW + timedelta(hours=2)),
        (" 30m", NOW + timedelta(minutes=30)),
        ("1w", NOW + timedelta(days=7)),
        ("until 11:00", datetime(2026, 11, 28, 2, 0, tzinfo=UTC)),
        ("until 9:00", datetime(2026, 11, 29, 0, 0, tzinfo=UTC)),
        ("until 2026-12-01 09:00", datetime(2026, 12, 1, 0, 0, tzinfo=UTC)),
        ("UNTIL  2026-12-01 9:00", datetime(2026, 12, 1, 0, 0, tzinfo=UTC)),
        ("2026-12-01T09:00", datetime(2026, 12, 1, 0, 0, tzinfo=UTC)),
        ("2026-12-01T09:00:00Z", datetime(2026, 12, 1, 9, 0, tzinfo=UTC)),
        ("until 2026-12-01 09:00+01:00", datetime(2026, 12, 1, 8, 0, tzinfo=UTC)),
        ("off", None),
        (" OFF ", None),
    ],
)
def test_a_snooze_ends_when_the_user_says_in_the_users_zone(text: str, until: datetime | None) -> None:
    assert parse_snooze(text, now=NOW, zone=SEOUL) == until


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "not understood"),
        ("tomorrow", "'tomorrow' is not understood"),
        ("until", "not understood"),
        ("until 25:00", "not understood"),
        ("2026-12-01", "not understood"),
        ("until 2026-02-30 09:00", "not understood"),
        ("2x", "not understood"),
        ("0h", "is over already"),
        ("until 2026-11-28 10:30", "is over already"),
        ("367d", "longer than 366 days"),
        ("999999999w", "longer than 366 days"),
        ("until 9999-12-31 23:59", "longer than 366 days"),
        ("until 0001-01-01 00:00", "is over already"),
    ],
)
def test_a_snooze_that_cannot_be_is_refused_with_a_sentence(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=r"^the snooze [^\n]+$") as refused:
        parse_snooze(text, now=NOW, zone=SEOUL)
    assert named in str(refused.value)


def test_a_time_that_the_clock_skips_is_the_moment_after_and_one_that_comes_twice_is_the_first() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    skipped = parse_snooze("until 02:30", now=datetime(2026, 3, 28, 23, 0, tzinfo=UTC), zone=berlin)
    twice = parse_snooze("until 02:30", now=datetime(2026, 10, 24, 22, 0, tzinfo=UTC), zone=berlin)
    assert skipped == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)  # 03:30 on the wall
    assert twice == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
