"""Schedules against a walk over every minute, for random crontab lines."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.scheduling.parsing import ScheduleError, interval_schedule, parse_schedule
from pipeline.scheduling.schedule import next_run, next_runs
from pipeline.scheduling.words import describe

MINUTE = timedelta(minutes=1)
YEAR = timedelta(days=366)
# Enough to cross hours, days and months; a line that runs each minute would take all day.
MOST = 120


@dataclass(frozen=True)
class Line:
    """A crontab line, and what it means without anybody having to parse it."""

    text: str
    values: tuple[frozenset[int], ...]

    def means(self, local: datetime) -> bool:
        now = (local.minute, local.hour, local.day, local.month, local.isoweekday() % 7)
        return all(value in allowed for value, allowed in zip(now, self.values, strict=True))


@st.composite
def fields(draw, first: int, last: int):
    numbers = st.integers(first, last)
    star = st.just(("*", frozenset(range(first, last + 1))))
    single = numbers.map(lambda n: (str(n), frozenset({n})))
    step = st.integers(1, last).map(lambda n: (f"*/{n}", frozenset(range(first, last + 1, n))))
    spread = st.tuples(numbers, numbers, st.integers(1, 9)).map(lambda t: (min(t[:2]), max(t[:2]), t[2]))
    stepped = spread.map(lambda t: (f"{t[0]}-{t[1]}/{t[2]}", frozenset(range(t[0], t[1] + 1, t[2]))))
    listed = st.lists(numbers, min_size=2, max_size=4).map(lambda ns: (",".join(map(str, ns)), frozenset(ns)))
    return draw(st.one_of(star, star, single, step, stepped, listed))


@st.composite
def lines(draw):
    parts = [draw(fields(*bounds)) for bounds in ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))]
    return Line(" ".join(text for text, _ in parts), tuple(values for _, values in parts))


moments = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def walk(line: Line, zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[datetime]:
    """Each minute that the line means, and right after a gap what was skipped and does not come as soon anyway."""
    moment = after.replace(second=0, microsecond=0) + MINUTE
    offset = after.astimezone(zone).utcoffset()
    skipped_until, owed = None, None
    while moment <= until:
        local = moment.astimezone(zone)
        if local.utcoffset() != offset:
            gap = local.utcoffset() - offset
            skipped = (moment + MINUTE * n for n in range(max(0, gap // MINUTE)))
            wall = {one: (one + offset).replace(tzinfo=None) for one in skipped}
            owed = next((one for one in wall if line.means(wall[one])), None)
            skipped_until, offset = moment, local.utcoffset()
            if owed and not any(
                line.means((moment + MINUTE * n).astimezone(zone)) for n in range((owed - moment) // MINUTE + 1)
            ):
                yield skipped_until
        if line.means(local):
            yield moment
        # Nothing can come before midnight on a day that the line leaves out, if the clock does not change on it.
        moment += MINUTE if _open(line, local) else _to_midnight(local, zone)


def _open(line: Line, local: datetime) -> bool:
    return local.day in line.values[2] and local.month in line.values[3] and local.isoweekday() % 7 in line.values[4]


def _to_midnight(local: datetime, zone: ZoneInfo) -> timedelta:
    ahead = timedelta(hours=24) - timedelta(hours=local.hour, minutes=local.minute)
    later = (local.astimezone(UTC) + ahead).astimezone(zone)
    return ahead if later.utcoffset() == local.utcoffset() else MINUTE


@settings(max_examples=150)
@given(line=lines(), after=moments, zone=st.sampled_from(["UTC", "Asia/Seoul"]))
def test_the_runs_of_a_year_are_those_of_a_walk_over_its_minutes(line, after, zone):
    try:
        schedule = parse_schedule(line.text)
    except ScheduleError:
        # The 31st of a short month.
        assert not any(walk(line, ZoneInfo(zone), after, after + YEAR))
        return
    expected = []
    for run in walk(line, ZoneInfo(zone), after, after + YEAR):
        expected.append(run)
        if len(expected) == MOST:
            break
    found = []
    moment = next_run(schedule, after=after, timezone=zone)
    while moment <= after + YEAR and len(found) < MOST:
        found.append(moment)
        moment = next_run(schedule, after=moment, timezone=zone)
    assert found == expected


CHANGES = [
    ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("Europe/London", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Europe/London", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, 0, tzinfo=UTC)),
]


@settings(max_examples=150)
@given(line=lines(), change=st.sampled_from(CHANGES), before=st.integers(1, 26 * 60))
def test_the_runs_around_a_change_of_the_clock_are_those_of_a_walk(line, change, before):
    zone, moment = change
    after, until = moment - MINUTE * before, moment + timedelta(hours=26)
    # A line whose days are far away says nothing about this night.
    open_line = Line(
        line.text, (*line.values[:2], frozenset(range(1, 32)), frozenset(range(1, 13)), frozenset(range(7)))
    )
    schedule = parse_schedule(" ".join(line.text.split()[:2]) + " * * *")
    expected = list(walk(open_line, ZoneInfo(zone), after, until))[:MOST]
    found = []
    run = next_run(schedule, after=after, timezone=zone)
    while run <= until and len(found) < MOST:
        found.append(run)
        run = next_run(schedule, after=run, timezone=zone)
    assert found == expected


intervals = st.tuples(st.integers(1, 90), st.sampled_from("smh")).map(lambda t: f"{t[0]}{t[1]}")
zones = st.sampled_from(["UTC", "Asia/Seoul", "America/New_York", "Europe/London", "Australia/Lord_Howe"])
clock = st.tuples(st.integers(0, 23), st.sampled_from((0, 15, 30, 45))).map(lambda t: f"{t[0]:02}:{t[1]:02}")


@settings(max_examples=200)
@given(
    line=st.one_of(intervals, lines().map(lambda line: line.text)),
    zone=zones,
    after=moments,
    later=st.timedeltas(timedelta(), timedelta(days=3)),
    key=st.sampled_from(["demo", "게시판"]),
    hours=st.one_of(st.none(), st.tuples(clock, clock).map("-".join)),
)
def test_a_run_is_always_ahead_and_never_moves_back_as_time_goes_on(line, zone, after, later, key, hours):
    options = {"timezone": zone, "jitter_key": key, "active_hours": hours}
    try:
        schedule = parse_schedule(line)
        first = next_run(schedule, after=after, **options)
    except ScheduleError:
        assume(False)
    second = next_run(schedule, after=after + later, **options)
    assert after < first
    assert first <= second
    # Nothing lies between a moment and its answer.
    if after + later < first:
        assert second == first
    assert describe(schedule)


@pytest.mark.parametrize("line", ["*/7 * * * *", "11m", "0 5 * * *"])
def test_five_runs_are_one_after_the_other(line):
    found = next_runs(parse_schedule(line), after=datetime(2026, 1, 1, tzinfo=UTC), timezone="Asia/Seoul")
    assert len(found) == 5
    assert sorted(set(found)) == found


@given(st.integers(min_value=1, max_value=30 * 86_400))
def test_an_interval_is_read_as_it_is_said(seconds: int) -> None:
    schedule = interval_schedule(timedelta(seconds=seconds))
    assert parse_schedule(describe(schedule)) == schedule
