"""The text of a schedule, read with Celery's own crontab parser. Pure; schedule.py has these names too."""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from celery.schedules import ParseException, crontab, crontab_parser
from celery.utils.time import weekday, yearmonth  # type: ignore[attr-defined]

from pipeline.basics.durations import exact_duration, parse_duration
from pipeline.basics.time_zones import find_zone
from pipeline.errors import PipelineError

MIN_INTERVAL = timedelta(seconds=1)
MAX_INTERVAL = timedelta(days=30)
MAX_CHARACTERS = 128
"""What the column of the database holds."""

# The nicknames that crontab(5) has and Celery has not.
NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_NICKNAMED = {
    **{name.removeprefix("@"): name for name in NICKNAMES},
    "매시간": "@hourly",
    "매일": "@daily",
    "매주": "@weekly",
    "매월": "@monthly",
    "매달": "@monthly",
}

# Celery's parser reads the beginning of a part and drops what it does not understand after it.
_PART = re.compile(r"(?:\*|([0-9]+|[a-z]+)(?:-([0-9]+|[a-z]+))?)(/[0-9]+)?")
_SUNDAY_AS_7 = re.compile(r"(?<![0-9/])0*7(?![0-9])")
_HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])\s*-\s*(?:([01][0-9]|2[0-3]):([0-5][0-9])|(24):00)")


class ScheduleError(PipelineError, ValueError):
    """A schedule, time zone or range of hours that cannot be: which part, and what is allowed."""


class LocalCrontab(crontab):
    """Celery's crontab, asked about local times that carry the label UTC; it looks at no app and no clock."""

    tz = UTC  # type: ignore[assignment]
    # What the fields allow, by Celery; Sunday is 0. The published types leave these out.
    minute: set[int]
    hour: set[int]
    day_of_week: set[int]
    day_of_month: set[int]
    month_of_year: set[int]

    def now(self) -> datetime:
        """Never used in an answer; Celery's would ask the current app."""
        return datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Adaptive:
    """An interval that follows how often a site posts, between the shortest and the longest."""

    floor: timedelta
    ceiling: timedelta


@dataclass(frozen=True)
class Schedule:
    """When a site is due, as a person wrote it, and what that means: an interval, or a line as Celery reads it."""

    text: str
    rule: LocalCrontab | timedelta | Adaptive = field(compare=False, repr=False)


@lru_cache(maxsize=1024)
def parse_schedule(text: str) -> Schedule:
    """Read an interval ("90s", "5m", "every 2 hours"), a crontab line of five fields, or "adaptive 5m-2h".

    The line may use the whole of Celery's crontab language, and besides 7 for Sunday and crontab(5)'s nicknames
    (@hourly or hourly, @daily, ...). Raises ScheduleError.
    """
    text = " ".join(text.split()).lower()
    text = _NICKNAMED.get(text, text)
    if not text:
        raise ScheduleError('the schedule is empty: write an interval like "5m" or a crontab line like "*/15 * * * *"')
    if len(text) > MAX_CHARACTERS:
        raise ScheduleError(f"the schedule is longer than {MAX_CHARACTERS} characters: write it with ranges and steps")
    if text.startswith("@"):
        if text not in NICKNAMES:
            raise ScheduleError(f"the schedule {text!r} is not known: of this sort there are {', '.join(NICKNAMES)}")
        return Schedule(text, _crontab(NICKNAMES[text].split()))
    fields = text.split(" ")
    if fields[0] == "adaptive":
        return _adaptive(text)
    if len(fields) == 1 or parse_duration(text) is not None:
        return interval_schedule(_interval(text))
    if len(fields) != 5:
        raise ScheduleError(
            f"the schedule {text!r} has {len(fields)} fields: a crontab line has five "
            '(minute, hour, day of month, month, weekday), an interval looks like "5m" or "5 minutes"'
        )
    return Schedule(text, _crontab(fields))


def _adaptive(text: str) -> Schedule:
    floor, separator, ceiling = text.removeprefix("adaptive").strip().partition("-")
    if not separator:
        raise ScheduleError(f'the schedule {text!r} has no two ends: write the shortest and longest, "adaptive 5m-2h"')
    rules = [interval_schedule(_interval(end.strip())).rule for end in (floor, ceiling)]
    shortest, longest = (rule for rule in rules if isinstance(rule, timedelta))
    if shortest > longest:
        raise ScheduleError(f"the schedule {text!r} is upside down: the shorter interval comes first")
    return Schedule(f"adaptive {shorthand(shortest)}-{shorthand(longest)}", Adaptive(floor=shortest, ceiling=longest))


def interval_schedule(interval: timedelta) -> Schedule:
    """The schedule of an interval of whole seconds. Raises ScheduleError outside 1 second to 30 days."""
    if not MIN_INTERVAL <= interval <= MAX_INTERVAL:
        raise ScheduleError(f"the interval {shorthand(interval)!r} is not allowed: it must be from 1s to 30d")
    return Schedule(shorthand(interval), interval)


def shorthand(interval: timedelta) -> str:
    """An interval of whole seconds in the largest unit that holds it exactly: "5m", "90s"."""
    return exact_duration(interval.total_seconds())


def _interval(text: str) -> timedelta:
    seconds = parse_duration(text, units="smhd")
    if seconds is None:
        hint = f', for example "{text}s"' if text.isascii() and text.isdigit() else ""
        raise ScheduleError(
            f"the schedule {text!r} is not understood: an interval is a whole number and one of s, m, h, d "
            f'(like "5m"){hint}; a crontab line has five fields'
        )
    return timedelta(seconds=seconds)


@dataclass(frozen=True, kw_only=True)
class _Field:
    """A field of a crontab line."""

    name: str
    # How many values there are, and the first, as Celery's parser wants them.
    size: int
    first: int
    allowed: str


_FIELDS = (
    _Field(name="minute", size=60, first=0, allowed="0-59"),
    _Field(name="hour", size=24, first=0, allowed="0-23"),
    _Field(name="day of month", size=31, first=1, allowed="1-31"),
    _Field(name="month", size=12, first=1, allowed="1-12 or jan-dec"),
    _Field(name="weekday", size=7, first=0, allowed="0-7 or sun-sat (0 and 7 are Sunday)"),
)


def _crontab(fields: list[str]) -> LocalCrontab:
    minute, hour, day_of_month, month, day_of_week = (
        _checked(text, field) for text, field in zip(fields, _FIELDS, strict=True)
    )
    try:
        return LocalCrontab(minute, hour, day_of_week, day_of_month, month)
    except ValueError:
        # Each field by itself is good, so it is the one thing that Celery checks across fields.
        raise ScheduleError(f"the day of month {day_of_month!r} never occurs in the month {month!r}") from None


def _checked(text: str, field: _Field) -> str:
    """The field in words that Celery reads in the one way that is meant. Raises ScheduleError."""
    parts = []
    for part in text.split(","):
        matched = _PART.fullmatch(part)
        try:
            if matched is None:
                raise ScheduleError
            part = _sunday_as_0(part, matched) if field.name == "weekday" else part
            for value in matched.group(1, 2):
                _check_name(value, field)
            crontab_parser(field.size, field.first).parse(part)
        except (ValueError, KeyError, ParseException):
            raise ScheduleError(
                f"the {field.name} field {text!r} is wrong at {part!r}: allowed are {field.allowed}, "
                "and of these *, lists (1,3), ranges (1-5) and steps (*/2, 1-5/2)"
            ) from None
        parts.append(part)
    return ",".join(parts)


def _check_name(value: str | None, field: _Field) -> None:
    """Raise KeyError for a name in a field that has none: to Celery, "mon" is 1 in every field, and "mar" 3."""
    if value is None or value.isdigit():
        return
    if field.name == "month":
        yearmonth(value)
    elif field.name == "weekday":
        weekday(value)
    else:
        raise KeyError(value)


def _sunday_as_0(part: str, matched: re.Match[str]) -> str:
    first, last = matched.group(1, 2)
    if last == "7" and (first.startswith("sun") or first.strip("0") == ""):
        return "*" + (matched[3] or "")
    # A range that ends on 0 goes round the week's end for Celery: 5-0 is Friday, Saturday, Sunday.
    return _SUNDAY_AS_7.sub("0", part)


def parse_timezone(name: str) -> ZoneInfo:
    """The time zone of that name. Raises ScheduleError."""
    zone = find_zone(name)
    if zone is None:
        raise ScheduleError(f"there is no time zone named {name!r}: write it like Asia/Seoul, America/New_York or UTC")
    return zone


@dataclass(frozen=True, kw_only=True)
class ActiveHours:
    """The hours of the day in which a site may be crawled, local time, the end excluded; they may cross midnight."""

    # Minutes since midnight; the end is at most 1440.
    start: int
    end: int

    def includes(self, minute_of_day: int) -> bool:
        """Whether that minute of the day is one of them."""
        if self.start < self.end:
            return self.start <= minute_of_day < self.end
        return minute_of_day >= self.start or minute_of_day < self.end

    def window(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """The hours that begin on a day, as two moments in UTC."""
        closing_day = day + timedelta(days=self.end <= self.start or self.end == 1440)
        return _moment(day, self.start, zone), _moment(closing_day, self.end, zone)

    @property
    def length(self) -> timedelta:
        """How long they last on a day without a change of the clock."""
        return timedelta(minutes=(self.end - self.start - 1) % 1440 + 1)


def _moment(day: date, minute_of_day: int, zone: ZoneInfo) -> datetime:
    clock = time(minute_of_day // 60 % 24, minute_of_day % 60)
    return datetime.combine(day, clock, zone).astimezone(UTC)


@lru_cache(maxsize=256)
def parse_active_hours(text: str) -> ActiveHours:
    """Read "08:00-22:00" or, across midnight, "22:00-06:00". Raises ScheduleError."""
    matched = _HOURS.fullmatch(text.strip())
    if matched is None:
        raise ScheduleError(f'the active hours {text!r} are not understood: write them like "08:00-22:00"')
    start = int(matched[1]) * 60 + int(matched[2])
    end = 1440 if matched[5] else int(matched[3]) * 60 + int(matched[4])
    if start == end:
        raise ScheduleError(f"the active hours {text!r} have no length: leave them out for the whole day")
    return ActiveHours(start=start, end=end)
