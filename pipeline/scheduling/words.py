"""A schedule in words. Pure; pipeline.scheduling.schedule has `describe` too."""

from calendar import day_name, month_name
from collections.abc import Iterable, Sequence
from datetime import timedelta

from pipeline.scheduling.parsing import Adaptive, LocalCrontab, Schedule

# More times of day than this are told as hours.
_MAX_TIMES = 6

_UNITS = (
    ("day", timedelta(days=1)),
    ("hour", timedelta(hours=1)),
    ("minute", timedelta(minutes=1)),
    ("second", timedelta(seconds=1)),
)


def describe(schedule: Schedule) -> str:
    """What a schedule means: "every 5 minutes", "at 03:00 and 04:00, on Thursday and Friday"."""
    rule = schedule.rule
    if isinstance(rule, Adaptive):
        return f"{_interval(rule.floor)} to {_interval(rule.ceiling)}, by how often the site posts"
    if not isinstance(rule, LocalCrontab):
        return _interval(rule)
    times, days = _times(rule), _days(rule)
    months = "in " + _listed(_spans(rule.month_of_year, [*month_name])) if len(rule.month_of_year) < 12 else ""
    if times.startswith("at ") and not days and "minute" not in times:
        times += " every day"
    return ", ".join(part for part in (times, days, months) if part)


def _interval(interval: timedelta) -> str:
    return next(_every(interval // size, unit) for unit, size in _UNITS if not interval % size)


def _every(count: int, unit: str) -> str:
    return f"every {unit}" if count == 1 else f"every {count} {unit}s"


def _listed(words: Sequence[str]) -> str:
    return " and ".join(words) if len(words) < 3 else ", ".join(words[:-1]) + f" and {words[-1]}"


def _runs(values: Iterable[int]) -> list[tuple[int, int]]:
    """The stretches of consecutive numbers, as first and last."""
    stretches: list[tuple[int, int]] = []
    for value in sorted(values):
        if stretches and stretches[-1][1] == value - 1:
            stretches[-1] = (stretches[-1][0], value)
        else:
            stretches.append((value, value))
    return stretches


def _spans(values: Iterable[int], names: Sequence[str]) -> list[str]:
    """Numbers by name, three or more in a row as "x to y"."""
    words = []
    for first, last in _runs(values):
        if last - first < 2:
            words += [names[value] for value in range(first, last + 1)]
        else:
            words.append(f"{names[first]} to {names[last]}")
    return words


def _step(values: Iterable[int], size: int) -> int | None:
    """The step when the values are every n-th of 0 to size - 1, and n divides the size so that it is even."""
    found = sorted(values)
    step = size // len(found)
    return step if size % step == 0 and found == list(range(0, size, step)) else None


def _times(rule: LocalCrontab) -> str:
    hours, minutes = sorted(rule.hour), sorted(rule.minute)
    if len(hours) < 24 and len(hours) * len(minutes) <= _MAX_TIMES:
        return "at " + _listed([f"{hour:02}:{minute:02}" for hour in hours for minute in minutes])
    if len(minutes) == 1:
        return _hourly(hours, minutes[0])
    step = _step(minutes, 60)
    often = _every(step, "minute") if step else "at minutes " + _listed([str(minute) for minute in minutes])
    if len(hours) == 24:
        return often if step else f"{often} of every hour"
    between = [f"between {first:02}:00 and {last + 1:02}:00" for first, last in _runs(hours)]
    return f"{often} {_listed(between)}"


def _hourly(hours: list[int], minute: int) -> str:
    at = f" at minute {minute}" if minute else ""
    step = _step(hours, 24)
    if step:
        return _every(step, "hour") + at
    if len(_runs(hours)) == 1:
        return f"every hour from {hours[0]:02}:{minute:02} to {hours[-1]:02}:{minute:02}"
    return "at " + _listed([f"{hour:02}:{minute:02}" for hour in hours])


def _days(rule: LocalCrontab) -> str:
    every_day, every_weekday = len(rule.day_of_month) == 31, len(rule.day_of_week) == 7
    # The week is told from Monday to Sunday; Celery's Sunday is 0.
    weekdays = _listed(_spans({(day - 1) % 7 for day in rule.day_of_week}, [*day_name]))
    if every_day:
        return "" if every_weekday else f"on {weekdays}"
    days = _listed(_spans(rule.day_of_month, [str(day) for day in range(32)]))
    if rule.day_of_month == set(range(2, 32, 2)):
        days = "even days"
    elif rule.day_of_month == set(range(1, 32, 2)):
        days = "odd days"
    else:
        days = f"day {days}" if len(rule.day_of_month) == 1 else f"days {days}"
    return f"on {days} of the month" + ("" if every_weekday else f" if that is a {weekdays.replace(' and ', ' or ')}")
