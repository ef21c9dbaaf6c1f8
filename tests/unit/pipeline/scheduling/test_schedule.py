import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pipeline.scheduling.parsing import (
    ScheduleError,
    interval_schedule,
    parse_active_hours,
    parse_schedule,
    parse_timezone,
)
from pipeline.scheduling.schedule import adaptive_interval, next_run, next_runs
from pipeline.scheduling.words import describe


def local(text: str, zone: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


def runs(line: str, zone: str, after: str, count: int, **options: object) -> list[str]:
    """The next runs in local time with their UTC offset."""
    found = next_runs(parse_schedule(line), after=local(after, zone), timezone=zone, count=count, **options)
    assert all(run.tzinfo is UTC for run in found)
    return [run.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M %z") for run in found]


# The usual schedules, as they stand in docs/schedules.md. Thursday, 1 January 2026 is where they start.
USUAL = [
    ("* * * * *", "every minute", ["01-01 00:01", "01-01 00:02", "01-01 00:03"]),
    ("*/15 * * * *", "every 15 minutes", ["01-01 00:15", "01-01 00:30", "01-01 00:45"]),
    ("0 0 * * *", "at 00:00 every day", ["01-02 00:00", "01-03 00:00", "01-04 00:00"]),
    ("0 */3 * * *", "every 3 hours", ["01-01 03:00", "01-01 06:00", "01-01 09:00"]),
    ("0 0,3,6,9,12,15,18,21 * * *", "every 3 hours", ["01-01 03:00", "01-01 06:00", "01-01 09:00"]),
    ("*/15 * * * sun", "every 15 minutes, on Sunday", ["01-04 00:00", "01-04 00:15", "01-04 00:30"]),
    ("* * * * sun", "every minute, on Sunday", ["01-04 00:00", "01-04 00:01", "01-04 00:02"]),
    (
        "*/10 3,17 * * thu,fri",
        "every 10 minutes between 03:00 and 04:00 and between 17:00 and 18:00, on Thursday and Friday",
        ["01-01 03:00", "01-01 03:10", "01-01 03:20", "01-01 03:30", "01-01 03:40", "01-01 03:50", "01-01 17:00"],
    ),
    (
        "0 */2,*/3 * * *",
        "at 00:00, 02:00, 03:00, 04:00, 06:00, 08:00, 09:00, 10:00, 12:00, 14:00, 15:00, 16:00, 18:00, 20:00, "
        "21:00 and 22:00 every day",
        ["01-01 02:00", "01-01 03:00", "01-01 04:00", "01-01 06:00"],
    ),
    (
        "0 8-17 * * mon-fri",
        "every hour from 08:00 to 17:00, on Monday to Friday",
        ["01-01 08:00", "01-01 09:00", "01-01 10:00"],
    ),
    (
        "0 */3,8-17 * * *",
        "at 00:00, 03:00, 06:00, 08:00, 09:00, 10:00, 11:00, 12:00, 13:00, 14:00, 15:00, 16:00, 17:00, 18:00 and "
        "21:00 every day",
        ["01-01 03:00", "01-01 06:00", "01-01 08:00", "01-01 09:00"],
    ),
    ("0 0 2 * *", "at 00:00, on day 2 of the month", ["01-02 00:00", "02-02 00:00", "03-02 00:00"]),
    ("0 0 2-30/2 * *", "at 00:00, on even days of the month", ["01-02 00:00", "01-04 00:00", "01-06 00:00"]),
    (
        "0 0 1-7,15-21 * *",
        "at 00:00, on days 1 to 7 and 15 to 21 of the month",
        ["01-02 00:00", "01-03 00:00", "01-04 00:00", "01-05 00:00", "01-06 00:00", "01-07 00:00", "01-15 00:00"],
    ),
    ("0 0 11 5 *", "at 00:00, on day 11 of the month, in May", ["05-11 00:00"]),
    (
        "0 0 1 */3 *",
        "at 00:00, on day 1 of the month, in January, April, July and October",
        ["04-01 00:00", "07-01 00:00", "10-01 00:00"],
    ),
    ("0 3,4 * * thu,fri", "at 03:00 and 04:00, on Thursday and Friday", ["01-01 03:00", "01-01 04:00", "01-02 03:00"]),
]


@pytest.mark.parametrize("zone", ["Asia/Seoul", "UTC"])
@pytest.mark.parametrize(("line", "words", "expected"), USUAL, ids=[line for line, _, _ in USUAL])
def test_the_usual_schedules(line, words, expected, zone):
    assert describe(parse_schedule(line)) == words
    found = runs(line, zone, "2026-01-01T00:00", len(expected))
    assert [run[5:16] for run in found] == expected
    assert found[0].startswith("2026-")


def test_the_page_about_schedules_has_each_of_them_with_the_same_words():
    page = Path(__file__).parents[4] / "docs" / "schedules.md"
    rows = dict(re.findall(r"^\| `([^`]+)` \| .* \| ([^|]+) \|$", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert rows == {line: words for line, words, _ in USUAL}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1s", "every second"),
        ("90s", "every 90 seconds"),
        ("60s", "every minute"),
        ("5m", "every 5 minutes"),
        ("2H", "every 2 hours"),
        ("1d", "every day"),
        ("30d", "every 30 days"),
        ("@hourly", "every hour"),
        ("30 */2 * * *", "every 2 hours at minute 30"),
        ("30 */6 * * *", "at 00:30, 06:30, 12:30 and 18:30 every day"),
        ("7,11 * * * *", "at minutes 7 and 11 of every hour"),
        ("0 9 13 * fri", "at 09:00, on day 13 of the month if that is a Friday"),
        (
            "0 9 1-7 jan,feb,mar sat,sun",
            "at 09:00, on days 1 to 7 of the month if that is a Saturday or Sunday, in January to March",
        ),
        ("0 9 1-31/2 * *", "at 09:00, on odd days of the month"),
        ("*/5 22-23 * * *", "every 5 minutes between 22:00 and 24:00"),
    ],
)
def test_a_schedule_in_words(line, words):
    assert describe(parse_schedule(line)) == words


@pytest.mark.parametrize(
    ("line", "same_as"),
    [
        ("0 0 * * 7", "0 0 * * sun"),
        ("0 0 * * 5-7", "0 0 * * fri,sat,sun"),
        ("0 0 * * 1-7", "0 0 * * *"),
        ("0 0 * * 0-7", "0 0 * * *"),
        ("0 0 * * sun-7/2", "0 0 * * */2"),
        ("0 0 * * 5-7/2", "0 0 * * fri,sun"),
        ("0 0 * * */7", "0 0 * * 0"),
        ("0 0 * * fri-mon", "0 0 * * 0,1,5,6"),
        ("0 22-2 * * *", "0 22,23,0,1,2 * * *"),
        ("  0   0  *\t* Monday ", "0 0 * * 1"),
        ("0 0 1 JAN *", "0 0 1 1 *"),
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * sun"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@Annually", "0 0 1 1 *"),
        ("hourly", "0 * * * *"),
        ("Daily", "0 0 * * *"),
        ("매시간", "0 * * * *"),
        ("매일", "0 0 * * *"),
        ("5 minutes", "5m"),
        ("Every  5 min", "5m"),
        ("every day", "1d"),
        ("30분마다", "30m"),
        ("adaptive 5 min - 2 hours", "adaptive 5m-2h"),
    ],
)
def test_two_ways_to_write_a_line(line, same_as):
    assert parse_schedule(line).rule == parse_schedule(same_as).rule


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("5", "'5' is not understood"),
        ("5", 'for example "5s"'),
        ("5x", "'5x' is not understood"),
        ("-5m", "'-5m' is not understood"),
        ("1.5h", "one of s, m, h, d"),
        ("0s", "from 1s to 30d"),
        ("31d", "'31d' is not allowed"),
        ("999999999d", "from 1s to 30d"),
        ("5 fortnights", "has 2 fields"),
        ("* * * *", "has 4 fields"),
        ("0 * * * * *", "has 6 fields"),
        ("60 * * * *", "minute field '60'"),
        ("* 24 * * *", "hour field '24'"),
        ("* * 0 * *", "day of month field '0'"),
        ("* * 32 * *", "allowed are 1-31"),
        ("* * * 13 *", "month field '13'"),
        ("* * * * 8", "weekday field '8'"),
        ("* * * * 8", "0 and 7 are Sunday"),
        ("0,15,99 * * * *", "wrong at '99'"),
        ("1, * * * *", "minute field '1,'"),
        ("*/0 * * * *", "minute field '*/0'"),
        ("*/x * * * *", "minute field '*/x'"),
        ("5/10 * * * *", "minute field '5/10'"),
        # Celery reads the beginning of these and drops the rest.
        ("*/15x * * * *", "minute field '*/15x'"),
        ("1-5-7 * * * *", "minute field '1-5-7'"),
        # Celery takes a name for its number wherever it stands.
        ("* mon * * *", "hour field 'mon'"),
        ("* * * mon *", "month field 'mon'"),
        ("* * * * mar", "weekday field 'mar'"),
        ("* * * * 1-mar", "weekday field '1-mar'"),
        ("* * L * *", "day of month field 'l'"),
        ("0 0 30 2 *", "day of month '30' never occurs in the month '2'"),
        ("0 0 31 apr,jun *", "never occurs"),
        ("@reboot", "'@reboot' is not known"),
        ("@every 5m", "@daily"),
        ("٥ * * * *", "minute field"),
        ("0," * 100 + "0 * * * *", "longer than 128"),
    ],
)
def test_a_bad_schedule_is_refused_with_the_part_that_is_wrong(line, part):
    with pytest.raises(ScheduleError) as error:
        parse_schedule(line)
    assert part in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["", "Asia", "Asia/Pyongyong", "../etc/passwd", "/etc/localtime", "KST+9", "a\0b"])
def test_an_unknown_time_zone_is_refused(name):
    with pytest.raises(ScheduleError, match="no time zone named"):
        parse_timezone(name)


@pytest.mark.parametrize("hours", ["", "8-22", "08:00", "08:00-25:00", "24:00-08:00", "08:00-24:30", "08:60-09:00"])
def test_active_hours_that_are_none_are_refused(hours):
    with pytest.raises(ScheduleError, match="08:00-22:00"):
        parse_active_hours(hours)


def test_active_hours_without_length_are_refused():
    with pytest.raises(ScheduleError, match="no length"):
        parse_active_hours("08:00-08:00")


def test_a_moment_without_a_time_zone_is_refused():
    with pytest.raises(ValueError, match="without a time zone"):
        next_run(parse_schedule("5m"), after=datetime(2026, 1, 1), timezone="UTC")  # noqa: DTZ001


# Crontab lines and the calendar.

NEW_YORK, LONDON, LORD_HOWE, SEOUL = "America/New_York", "Europe/London", "Australia/Lord_Howe", "Asia/Seoul"


@pytest.mark.parametrize(
    ("line", "zone", "after", "expected"),
    [
        # Autumn in New York: at 02:00 it is 01:00 again. The repeated hour runs.
        (
            "*/30 * * * *",
            NEW_YORK,
            "2026-11-01T00:30",
            ["01:00 -0400", "01:30 -0400", "01:00 -0500", "01:30 -0500", "02:00 -0500"],
        ),
        ("0 * * * *", NEW_YORK, "2026-11-01T00:30", ["01:00 -0400", "01:00 -0500", "02:00 -0500"]),
        ("30 1 * * *", NEW_YORK, "2026-11-01T00:00", ["01:30 -0400", "01:30 -0500", "01:30 -0500"]),
        ("0 2 * * *", NEW_YORK, "2026-11-01T00:00", ["02:00 -0500", "02:00 -0500"]),
        # Spring in New York: after 01:59 comes 03:00. What is skipped runs right after.
        ("30 2 * * *", NEW_YORK, "2026-03-08T00:00", ["03:00 -0400", "02:30 -0400"]),
        ("0 2 * * *", NEW_YORK, "2026-03-08T00:00", ["03:00 -0400", "02:00 -0400"]),
        ("15,45 2 * * *", NEW_YORK, "2026-03-08T00:00", ["03:00 -0400", "02:15 -0400", "02:45 -0400"]),
        ("30 2,4 * * *", NEW_YORK, "2026-03-08T00:00", ["03:00 -0400", "04:30 -0400", "02:30 -0400"]),
        ("*/30 * * * *", NEW_YORK, "2026-03-08T01:00", ["01:30 -0500", "03:00 -0400", "03:30 -0400"]),
        # 03:15 comes as soon as 02:15 would have: nothing is lost, nothing is made good.
        ("15 * * * *", NEW_YORK, "2026-03-08T01:00", ["01:15 -0500", "03:15 -0400", "04:15 -0400"]),
        ("0 2,3 * * *", NEW_YORK, "2026-03-08T00:00", ["03:00 -0400", "02:00 -0400"]),
        # London changes at another hour: 01:00 to 02:00 in March, 02:00 to 01:00 in October.
        ("30 1 * * *", LONDON, "2026-03-29T00:00", ["02:00 +0100", "01:30 +0100"]),
        ("*/30 * * * *", LONDON, "2026-10-25T00:30", ["01:00 +0100", "01:30 +0100", "01:00 +0000", "01:30 +0000"]),
        # Lord Howe changes by half an hour.
        ("15 2 * * *", LORD_HOWE, "2026-10-04T00:00", ["02:30 +1100", "02:15 +1100"]),
        ("*/20 * * * *", LORD_HOWE, "2026-10-04T01:30", ["01:40 +1030", "02:30 +1100", "02:40 +1100"]),
        ("*/15 * * * *", LORD_HOWE, "2026-04-05T01:30", ["01:45 +1100", "01:30 +1030", "01:45 +1030", "02:00 +1030"]),
        # Seoul never changes.
        ("30 2 * * *", SEOUL, "2026-03-08T00:00", ["02:30 +0900", "02:30 +0900"]),
    ],
)
def test_the_two_nights_on_which_the_clock_changes(line, zone, after, expected):
    assert [run[11:] for run in runs(line, zone, after, len(expected))] == expected


def test_the_repeated_hour_leaves_no_hole_for_any_start_within_it():
    schedule = parse_schedule("*/30 * * * *")
    moment = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
    while moment < datetime(2026, 11, 1, 8, 0, tzinfo=UTC):
        assert timedelta() < next_run(schedule, after=moment, timezone=NEW_YORK) - moment <= timedelta(minutes=30)
        moment += timedelta(seconds=59)


@pytest.mark.parametrize(
    ("line", "zone", "after", "expected"),
    [
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00", ["2028-02-29", "2032-02-29"]),
        ("0 0 29 2 *", "UTC", "2096-03-01T00:00", ["2104-02-29"]),
        ("0 0 29 2 mon", SEOUL, "2026-01-01T00:00", ["2044-02-29"]),
        ("0 0 29 * *", LONDON, "2026-01-30T00:00", ["2026-03-29", "2026-04-29"]),
        ("0 0 29 * *", LONDON, "2028-01-30T00:00", ["2028-02-29", "2028-03-29"]),
        ("0 0 31 * *", SEOUL, "2026-01-31T00:00", ["2026-03-31", "2026-05-31", "2026-07-31", "2026-08-31"]),
        ("0 0 30,31 * *", SEOUL, "2026-01-31T00:00", ["2026-03-30", "2026-03-31", "2026-04-30", "2026-05-30"]),
        ("59 23 31 12 *", NEW_YORK, "2026-12-31T23:58", ["2026-12-31", "2027-12-31"]),
        ("0 0 1 1 *", NEW_YORK, "2026-12-31T23:59", ["2027-01-01", "2028-01-01"]),
        # Day of month and weekday must both hold.
        ("0 9 13 * fri", "UTC", "2026-01-01T00:00", ["2026-02-13", "2026-03-13", "2026-11-13"]),
        ("0 9 1-7 * mon", "UTC", "2026-01-01T00:00", ["2026-01-05", "2026-02-02", "2026-03-02"]),
    ],
)
def test_the_calendar(line, zone, after, expected):
    assert [run[:10] for run in runs(line, zone, after, len(expected))] == expected


def test_seconds_do_not_move_a_crontab_line():
    schedule = parse_schedule("*/5 * * * *")
    for seconds in (0, 1, 59, 299, 299.999999):
        after = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        assert next_run(schedule, after=after, timezone=SEOUL) == datetime(2026, 1, 1, 0, 5, tzinfo=UTC)


def test_a_crontab_line_is_never_spread():
    schedule = parse_schedule("0 3 * * *")
    answers = {
        next_run(schedule, after=datetime(2026, 1, 1, tzinfo=UTC), timezone=SEOUL, jitter_key=f"site-{number}")
        for number in range(50)
    }
    assert answers == {datetime(2026, 1, 1, 18, 0, tzinfo=UTC)}


# Intervals, catching up, and clocks that are wrong.

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)


def test_an_interval_is_counted_from_when_it_was_due_not_from_when_it_ran():
    schedule = parse_schedule("5m")
    due = next_run(schedule, after=NOW, timezone="UTC", jitter_key="demo")
    for late in (3, 14, 0, 200, 299):
        following = next_run(schedule, after=due + timedelta(seconds=late), timezone="UTC", jitter_key="demo")
        assert following == due + timedelta(minutes=5)
        due = following


@pytest.mark.parametrize("line", ["5m", "90s", "1h", "*/5 * * * *", "0 * * * *"])
@pytest.mark.parametrize("key", [None, "demo"])
@pytest.mark.parametrize("back", [timedelta(seconds=1), timedelta(hours=1), timedelta(days=400)])
def test_a_clock_that_was_set_back_leaves_no_site_waiting_for_it(line, key, back):
    following = next_run(parse_schedule(line), after=NOW - back, timezone=SEOUL, jitter_key=key)
    assert timedelta() < following - (NOW - back) <= timedelta(hours=1)


def test_an_interval_without_a_place_of_its_own_begins_now():
    assert next_run(parse_schedule("2h"), after=NOW, timezone=SEOUL) == NOW + timedelta(hours=2)


@pytest.mark.parametrize("zone", [NEW_YORK, LORD_HOWE])
def test_an_interval_does_not_notice_the_change_of_the_clock(zone):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    schedule = parse_schedule("7h")
    found = next_runs(schedule, after=start, timezone=zone, count=1200)
    assert found == [start + timedelta(hours=7) * number for number in range(1, 1201)]


def test_five_hundred_sites_of_one_interval_spread_over_it():
    schedule = parse_schedule("5m")
    due = [next_run(schedule, after=NOW, timezone="UTC", jitter_key=f"site-{number}") for number in range(500)]
    per_minute = [
        sum(NOW + timedelta(minutes=n) < run <= NOW + timedelta(minutes=n + 1) for run in due) for n in range(5)
    ]
    assert sum(per_minute) == 500
    assert all(70 <= count <= 130 for count in per_minute)


def test_a_sites_place_in_the_interval_is_always_the_same():
    # Written out: another hash would move every site of an installation at once.
    for after in (NOW, NOW + timedelta(days=300, seconds=11), NOW - timedelta(days=1000)):
        run = next_run(parse_schedule("5m"), after=after, timezone=SEOUL, jitter_key="demo")
        assert (run - NOW) % timedelta(minutes=5) == timedelta(seconds=49)


# Active hours.


@pytest.mark.parametrize(
    ("line", "hours", "after", "expected"),
    [
        ("0 * * * *", "08:00-10:00", "2026-01-01T00:00", ["01-01 08:00", "01-01 09:00", "01-02 08:00"]),
        ("0 * * * *", "22:00-01:00", "2026-01-01T12:00", ["01-01 22:00", "01-01 23:00", "01-02 00:00", "01-02 22:00"]),
        ("0 * * * *", "22:00-24:00", "2026-01-01T12:00", ["01-01 22:00", "01-01 23:00", "01-02 22:00"]),
        ("*/20 * * * *", "08:30-09:00", "2026-01-01T00:00", ["01-01 08:40", "01-02 08:40"]),
        ("0 0 1 * *", "22:00-06:00", "2026-01-01T12:00", ["02-01 00:00", "03-01 00:00"]),
        ("30m", "08:00-09:00", "2026-01-01T06:45", ["01-01 08:15", "01-01 08:45", "01-02 08:15"]),
        ("30m", "00:00-24:00", "2026-01-01T06:45", ["01-01 07:15", "01-01 07:45"]),
        ("1d", "08:00-22:00", "2026-01-01T03:00", ["01-01 08:00", "01-02 08:00"]),
        ("1d", "08:00-22:00", "2026-01-01T12:00", ["01-02 08:00", "01-03 08:00"]),
        ("3d", "22:00-02:00", "2026-01-01T12:00", ["01-01 22:00", "01-04 22:00"]),
        ("2h", "08:00-09:00", "2026-01-01T12:00", ["01-02 08:00", "01-03 08:00"]),
    ],
)
def test_active_hours(line, hours, after, expected):
    for zone in (SEOUL, "UTC"):
        assert [run[5:16] for run in runs(line, zone, after, len(expected), active_hours=hours)] == expected


@pytest.mark.parametrize("hours", ["08:00-22:00", "23:00-03:00", "02:15-02:45"])
@pytest.mark.parametrize("line", ["5m", "7h", "1d", "3d", "*/5 * * * *"])
def test_every_run_of_a_year_is_in_the_active_hours(hours, line):
    window = parse_active_hours(hours)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    for _ in range(300):
        # A stride over the year, so that both nights of the clock's change are in it.
        following = next_run(
            parse_schedule(line), after=moment, timezone=NEW_YORK, jitter_key="demo", active_hours=hours
        )
        at = following.astimezone(ZoneInfo(NEW_YORK))
        assert following > moment
        assert window.includes(at.hour * 60 + at.minute)
        assert following - moment <= timedelta(days=5)
        moment = max(following, moment + timedelta(hours=29))


def test_a_line_that_never_falls_into_the_active_hours_is_refused():
    with pytest.raises(ScheduleError, match=r"'0 3 \* \* \*' never falls into the active hours"):
        next_run(parse_schedule("0 3 * * *"), after=NOW, timezone=SEOUL, active_hours="08:00-22:00")


# Adaptive intervals.


@pytest.mark.parametrize(
    ("posts", "period", "expected"),
    [
        (0, timedelta(days=7), timedelta(hours=4)),
        (1, timedelta(days=7), timedelta(minutes=160)),
        (7, timedelta(days=7), timedelta(minutes=160)),
        (84, timedelta(days=7), timedelta(minutes=40)),
        (168, timedelta(days=7), timedelta(minutes=20)),
        (170, timedelta(days=7), timedelta(minutes=20)),
        (1_000_000, timedelta(days=7), timedelta(minutes=5)),
    ],
)
def test_an_adaptive_interval_follows_how_often_a_site_posts(posts, period, expected):
    interval = adaptive_interval(posts=posts, period=period, floor=timedelta(minutes=5), ceiling=timedelta(hours=4))
    assert interval == expected


@pytest.mark.parametrize("floor", [timedelta(), timedelta(hours=5)])
def test_an_adaptive_interval_needs_a_floor_under_its_ceiling(floor):
    with pytest.raises(ScheduleError, match="floor"):
        adaptive_interval(posts=1, period=timedelta(days=1), floor=floor, ceiling=timedelta(hours=4))


def test_an_interval_is_a_schedule():
    assert interval_schedule(timedelta(minutes=160)) == parse_schedule("160m")


def test_an_adaptive_schedule_is_read_said_and_written():
    schedule = parse_schedule(" Adaptive 300s - 2h")
    assert schedule.text == "adaptive 5m-2h"
    assert parse_schedule(schedule.text) == schedule
    assert describe(schedule) == "every 5 minutes to every 2 hours, by how often the site posts"


def test_an_adaptive_schedule_of_an_unknown_site_runs_as_often_as_it_may():
    runs = {"after": datetime(2024, 5, 1, 10, 2, tzinfo=UTC), "timezone": "UTC", "jitter_key": "board"}
    assert next_run(parse_schedule("adaptive 5m-2h"), **runs) == next_run(parse_schedule("5m"), **runs)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("adaptive", "no two ends"),
        ("adaptive 5m", "no two ends"),
        ("adaptive 2h-5m", "upside down"),
        ("adaptive 5m-soon", "'soon'"),
        ("adaptive 0s-5m", "0"),
        ("adaptive 5m-31d", "31d"),
    ],
)
def test_a_bad_adaptive_schedule_is_refused_with_the_part_that_is_wrong(text, part):
    with pytest.raises(ScheduleError, match=part):
        parse_schedule(text)
