"""When a post is pushed, as tables. Times are local ones of the zone that is named; November 28, 2026 is a Saturday."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.basics.preferences import Pace, Preferences, QuietHours
from pipeline.delivery.timing import (
    Facts,
    InboxOnly,
    Reason,
    SendNow,
    WaitUntil,
    after_quiet,
    day_begin,
    is_quiet,
    offset_of,
    when,
)

SEOUL, NEW_YORK, BERLIN = ZoneInfo("Asia/Seoul"), ZoneInfo("America/New_York"), ZoneInfo("Europe/Berlin")
NIGHT = QuietHours(start=time(22), end=time(8))
FRIDAYS = QuietHours(start=time(22), end=time(8), days=frozenset({4}))
DIGESTS = (time(8), time(18))
OFFSET = timedelta(minutes=2)


def local(text: str, zone: ZoneInfo = SEOUL, *, fold: int = 0) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=zone, fold=fold).astimezone(UTC)


def ask(at: str, **facts: Any) -> SendNow | WaitUntil | InboxOnly:
    """`pref_` facts are preferences."""
    preferences = {name[5:]: facts.pop(name) for name in list(facts) if name.startswith("pref_")}
    usual = {"created_at": local(at), "ttl_s": 3 * 86_400.0, "zone": SEOUL, "offset": OFFSET}
    return when(Facts(now=local(at), preferences=Preferences(**preferences), **{**usual, **facts}))


@pytest.mark.parametrize(
    ("at", "facts", "until", "reason"),
    [
        ("11-28T12:00", {}, None, None),
        # Quiet hours, over midnight and by the weekday on which they begin.
        ("11-28T23:00", {"pref_quiet": (NIGHT,)}, "11-29T08:02", Reason.QUIET),
        ("11-28T07:59", {"pref_quiet": (NIGHT,)}, "11-28T08:02", Reason.QUIET),
        ("11-28T08:00", {"pref_quiet": (NIGHT,)}, None, None),
        ("11-28T21:59", {"pref_quiet": (NIGHT,)}, None, None),
        ("11-28T07:00", {"pref_quiet": (FRIDAYS,)}, "11-28T08:02", Reason.QUIET),
        ("11-28T23:00", {"pref_quiet": (FRIDAYS,)}, None, None),
        # A window that begins where another ends.
        ("11-28T23:00", {"pref_quiet": (NIGHT, QuietHours(start=time(8), end=time(9)))}, "11-29T09:02", Reason.QUIET),
        # A whole day.
        (
            "11-28T12:00",
            {"pref_quiet": (QuietHours(start=time(0), end=time(0), days=frozenset({5})),)},
            "11-29T00:02",
            Reason.QUIET,
        ),
        # Digests and paces.
        ("11-28T12:00", {"pref_digests": DIGESTS}, "11-28T18:02", Reason.DIGEST),
        ("11-28T18:01", {"pref_digests": DIGESTS}, "11-28T18:02", Reason.DIGEST),
        ("11-28T18:02", {"pref_digests": DIGESTS}, "11-29T08:02", Reason.DIGEST),
        ("11-28T12:00", {"pref_digests": DIGESTS, "pace": Pace.NOW}, None, None),
        ("11-28T12:00", {"pref_digests": DIGESTS, "pace": Pace.HOURLY}, "11-28T18:02", Reason.DIGEST),
        ("11-28T12:00", {"pref_digests": DIGESTS, "pace": Pace.DAILY}, "11-29T08:02", Reason.DAILY),
        ("11-28T12:00", {"pace": Pace.HOURLY}, "11-28T12:02", Reason.HOURLY),
        ("11-28T12:02", {"pace": Pace.HOURLY}, "11-28T13:02", Reason.HOURLY),
        ("11-28T07:00", {"pace": Pace.DAILY}, "11-28T08:02", Reason.DAILY),
        ("11-28T12:00", {"pace": Pace.DAILY}, "11-29T08:02", Reason.DAILY),
        ("11-28T12:00", {"pref_digests": DIGESTS, "waited": True}, None, None),
        # A digest that falls into quiet hours waits for their end.
        ("11-28T12:00", {"pref_quiet": (NIGHT,), "pref_digests": (time(7),)}, "11-29T08:02", Reason.QUIET),
        # The spread leads nobody into quiet hours that the digest's own moment is not in.
        ("11-28T12:00", {"pref_quiet": (NIGHT,), "pref_digests": (time(21, 59),)}, "11-28T21:59", Reason.DIGEST),
        (
            "11-28T23:00",
            {"pref_quiet": (NIGHT, QuietHours(start=time(8, 1), end=time(9)))},
            "11-29T08:00",
            Reason.QUIET,
        ),
        # The cap.
        ("11-28T12:00", {"pref_daily_cap": 3, "pushed_today": 2}, None, None),
        ("11-28T12:00", {"pref_daily_cap": 3, "pushed_today": 3}, "11-29T08:02", Reason.CAP),
        ("11-28T07:00", {"pref_daily_cap": 3, "pushed_today": 3}, "11-29T08:02", Reason.CAP),
        ("11-28T12:00", {"pref_daily_cap": 3, "pushed_today": 3, "waited": True}, None, None),
        (
            "11-28T12:00",
            {"pref_daily_cap": 3, "pushed_today": 3, "pref_digests": DIGESTS, "pace": Pace.NOW},
            "11-28T18:02",
            Reason.CAP,
        ),
        # Snooze, also into the quiet hours and out of them.
        ("11-28T12:00", {"snooze_until": local("11-28T15:00")}, "11-28T15:00", Reason.SNOOZE),
        ("11-28T12:00", {"snooze_until": local("11-28T11:00")}, None, None),
        ("11-28T12:00", {"snooze_until": local("11-28T15:00"), "waited": True}, "11-28T15:00", Reason.SNOOZE),
        ("11-28T12:00", {"snooze_until": local("11-28T23:00"), "pref_quiet": (NIGHT,)}, "11-29T08:02", Reason.QUIET),
        ("11-28T12:00", {"snooze_until": local("11-28T15:00"), "pref_digests": DIGESTS}, "11-28T18:02", Reason.DIGEST),
        # Urgent posts pass for those who allow it; a snooze they do not pass.
        ("11-28T23:00", {"urgent": True, "pref_quiet": (NIGHT,)}, "11-29T08:02", Reason.QUIET),
        ("11-28T23:00", {"urgent": True, "pref_quiet": (NIGHT,), "pref_urgent_passes": True}, None, None),
        ("11-28T23:00", {"pref_quiet": (NIGHT,), "pref_urgent_passes": True}, "11-29T08:02", Reason.QUIET),
        ("11-28T12:00", {"urgent": True, "pref_digests": DIGESTS, "pref_urgent_passes": True}, None, None),
        (
            "11-28T12:00",
            {"urgent": True, "pref_urgent_passes": True, "snooze_until": local("11-28T15:00")},
            "11-28T15:00",
            Reason.SNOOZE,
        ),
    ],
)
def test_it_rings_at_once_or_at_a_time_for_a_reason(at, facts, until, reason):
    expected = SendNow() if until is None or reason is None else WaitUntil(local(until), reason)
    assert ask(at, **facts) == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"pace": Pace.INBOX}, InboxOnly(Reason.INBOX)),
        ({"paused": True}, InboxOnly(Reason.PAUSED)),
        ({"created_at": local("11-25T12:00")}, InboxOnly(Reason.EXPIRED)),
        ({"snooze_until": local("12-28T12:00")}, WaitUntil(local("12-01T12:00"), Reason.SNOOZE, expires=True)),
    ],
)
def test_it_is_in_the_inbox_only(facts, expected):
    assert ask("11-28T12:00", **facts) == expected


@pytest.mark.parametrize(
    ("zone", "window", "at", "ends"),
    [
        # Berlin, October 25: 03:00 is 02:00 again. A window lasts until its end is shown for the last time.
        (BERLIN, ("01:00", "02:30"), ("10-25T02:40", 0), ("10-25T02:30", 1)),
        (BERLIN, ("02:30", "05:00"), ("10-25T02:40", 0), ("10-25T05:00", 0)),
        (BERLIN, ("02:30", "05:00"), ("10-25T02:20", 1), ("10-25T05:00", 0)),
        (BERLIN, ("22:00", "08:00"), ("10-25T02:30", 1), ("10-25T08:00", 0)),
        # Berlin, March 29: 02:00 is 03:00. A time that no clock shows is the moment of the jump.
        (BERLIN, ("01:00", "02:30"), ("03-29T01:59", 0), ("03-29T03:00", 0)),
        (BERLIN, ("02:30", "05:00"), ("03-29T03:00", 0), ("03-29T05:00", 0)),
        (BERLIN, ("02:30", "05:00"), ("03-29T01:59", 0), None),
        (NEW_YORK, ("22:00", "02:30"), ("03-08T01:30", 0), ("03-08T03:00", 0)),
    ],
)
def test_quiet_hours_over_a_change_of_the_clocks(zone, window, at, ends):
    quiet = (QuietHours(start=time.fromisoformat(window[0]), end=time.fromisoformat(window[1])),)
    moment = local(at[0], zone, fold=at[1])
    assert is_quiet(moment, quiet, zone) is (ends is not None)
    end = moment if ends is None else local(ends[0], zone, fold=ends[1])
    assert after_quiet(moment, quiet, zone, timedelta()) == end


def test_a_person_who_is_never_to_be_rung_is_looked_at_again_later():
    always = (QuietHours(start=time(0), end=time(12)), QuietHours(start=time(12), end=time(0)))
    assert local("12-01T00:00") < after_quiet(local("11-28T12:00"), always, SEOUL, timedelta()) < local("12-08T00:00")


def test_a_day_begins_at_the_midnight_of_the_person():
    assert day_begin(local("11-28T12:00"), SEOUL) == local("11-28T00:00")


def test_everybody_has_a_place_of_their_own_in_the_span():
    offsets = [offset_of(user_id, 600).total_seconds() for user_id in range(1, 6001)]
    assert all(0 <= offset < 600 for offset in offsets)
    assert max(offsets.count(second) for second in range(0, 600, 50)) <= 15
    assert offset_of(7, 600) == offset_of(7, 600)
    assert offset_of(7, 0) == timedelta()
