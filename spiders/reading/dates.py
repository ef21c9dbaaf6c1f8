"""Dates as boards and feeds write them, in a dozen languages, to moments in UTC.

Pure, and without a parsing library: `dateparser` costs 0.3 s of imports and milliseconds per date, and a crawl has
40 ms. What cannot be read is None, never an exception; what lies more than a day ahead is not a publication date.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Final

from spiders.reading.date_words import AM_WORDS, MONTHS, PM_WORDS, WEEKDAYS, ZONES
from spiders.reading.relative_dates import relative_moment, today_or_yesterday

DATE_ORDERS: Final = ("auto", "DMY", "MDY", "YMD")
FUTURE_TOLERANCE: Final = timedelta(days=1)
"""Clocks and time zones are wrong by hours; a notice dated next week names an event."""

_EARLIEST: Final = datetime(1980, 1, 1, tzinfo=UTC)
"""Older dates are broken clocks and zeros, not posts."""
_LONGEST: Final = 300

_SEP: Final = r"\s*[./-]\s*"
_YMD: Final = re.compile(
    r"(?<![\d:])(?P<y>\d{4}|\d{2})(?:년|年)\s*(?P<m>\d{1,2})(?:월|月)\s*(?P<d>\d{1,2})(?:일|日)?"
    rf"|(?<![\d:])(?P<y2>(?:19|20)\d\d){_SEP}(?P<m2>\d{{1,2}}){_SEP}(?P<d2>\d{{1,2}})(?!\d)"
    r"|(?<!\d)(?P<y3>(?:19|20)\d\d)(?P<m3>0[1-9]|1[0-2])(?P<d3>0[1-9]|[12]\d|3[01])(?=$|\D|\d{4,6}(?:$|\D))"
)
_NUMERIC: Final = re.compile(
    r"(?<![\d:.])(?P<a>\d{1,2})\s?(?P<sep>[./-])\s?(?P<b>\d{1,2})\s?(?P=sep)\s?(?P<c>\d{4}|\d{2})(?!\d|[:]\d)"
)
_MONTH_DAY: Final = re.compile(
    r"(?<!\d)(?P<m>\d{1,2})(?:월|月)\s*(?P<d>\d{1,2})(?:일|日)?"
    r"|(?<![\d.:/-])(?P<a>\d{1,2})(?P<sep>[./-])\s?(?P<b>\d{1,2})\.?(?![\d./:-]|\s?(?:%|€|\$))"
)
_DAY: Final = r"(?P<d>\d{1,2})(?:st|nd|rd|th|er|º|ª)?"
_WORD: Final = r"(?P<month>[^\W\d_]{3,12})"
_YEAR: Final = r"(?P<y>(?:19|20)\d\d|['’]?\d\d(?!\s*:|\d))"
_DAY_MONTH: Final = re.compile(
    rf"(?<![\d:]){_DAY}\.?(?:\s+|-|/|\b)(?:de\s+|of\s+)?{_WORD}\b\.?(?:(?:,?\s+|-|/)(?:de\s+)?{_YEAR}\b)?",
    re.IGNORECASE,
)
_MONTH_WORD_DAY: Final = re.compile(rf"\b{_WORD}\b\.?\s*{_DAY}(?![\d:])(?:(?:,\s*|\s+){_YEAR}\b)?", re.IGNORECASE)
_CLOCK: Final = re.compile(
    r"(?P<before>오전|오후|새벽|午前|午後|上午|下午|凌晨|早上|晚上|中午)?\s*"
    r"(?<![\d])(?P<h>\d{1,2})(?::|h|\.(?=\d\d\s*(?:uhr|$))|시\s*|時\s*|时\s*|點\s*|点\s*)(?P<min>[0-5]\d?)(?!\d)(?:분|分)?"
    r"(?::(?P<s>[0-5]\d)(?:[.,]\d+)?|\s*(?P<s2>[0-5]?\d)(?:초|秒))?\s*(?P<after>[ap]\.?m\.?(?![a-z]))?"
    r"|(?P<before2>오전|오후|새벽|午前|午後|上午|下午)\s*(?P<h2>\d{1,2})(?:시|時|时|點|点)"
    r"|(?<![\d:])(?P<h3>1[0-2]|0?[1-9])\s*(?P<after3>[ap]\.?m\.?(?![a-z]))",
    re.IGNORECASE,
)
_OFFSET: Final = re.compile(r"(?:(?:utc|gmt)\s*)?(?P<sign>[+\u2212-])(?P<h>\d{2}):?(?P<m>\d{2})?\b", re.IGNORECASE)
_ZONE: Final = re.compile(r"\s*\(?(?P<name>[a-z]{1,4})\b", re.IGNORECASE)
_EPOCH: Final = re.compile(r"1[0-9]{9}(?:[0-9]{3})?|[2-9][0-9]{8}")
_WORDS: Final = re.compile(r"[^\W\d_]+")


def parse_date(
    text: str, *, now: datetime, zone: tzinfo = UTC, date_format: str = "", date_order: str = "auto"
) -> datetime | None:
    """The moment that a date text means, in UTC; None when it means none, or one more than a day ahead.

    `zone` is the site's, for texts that name none. A missing year is the one that puts the date nearest in the
    past. `date_format` (strptime's) is tried first; `date_order` says how 03/04/2024 is meant: "auto" takes day
    first with dots, month first with slashes, unless the weekday or the future decide otherwise.
    """
    text = " ".join(text[:_LONGEST].split())
    if not text:
        return None
    try:
        moment = _by_format(text, date_format, zone) or _read(text, now.astimezone(zone), date_order)
        if moment is None:
            return None
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if _EARLIEST <= moment <= now + FUTURE_TOLERANCE else None


def _by_format(text: str, date_format: str, zone: tzinfo) -> datetime | None:
    if not date_format:
        return None
    try:
        moment = datetime.strptime(text, date_format)  # noqa: DTZ007 - the site's zone is put on below
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _read(text: str, now: datetime, order: str) -> datetime | None:
    if _EPOCH.fullmatch(text):
        return datetime.fromtimestamp(int(text[:10]), UTC)
    for day, span in _dates(text, now, order):
        rest = text[span[1] :]
        return _at(day, rest, now) or _at(day, text[: span[0]], now) or _midnight(day, now)
    if (named := today_or_yesterday(text, now)) is not None:
        return _at(named, text, now) or _midnight(named, now)
    if (moment := relative_moment(text, now)) is not None:
        return moment
    return _time_alone(text, now)


def _dates(text: str, now: datetime, order: str) -> Iterator[tuple[date, tuple[int, int]]]:
    """The dates in a text, the completest form first: year-first, with a year, without one."""
    for found in _YMD.finditer(text):
        year, month, day = (int(value) for value in found.groups() if value)
        yield from _valid(year, month, day, found)
    for found in _NUMERIC.finditer(text):
        for year, month, day in _orders(found, order, text):
            for valid in _valid(year, month, day, found):
                if valid[0] <= (now + FUTURE_TOLERANCE).date():
                    yield valid
    yield from _with_month_name(text, now)
    for found in _MONTH_DAY.finditer(text):
        month, day = int(found["m"] or found["a"]), int(found["d"] or found["b"])
        if found["a"] and (order == "DMY" or (month > 12 and order == "auto")):
            month, day = day, month
        yield from _nearest_past((month, day), now, found, _weekdays(text))


def _orders(found: re.Match[str], order: str, text: str) -> list[tuple[int, int, int]]:
    a, b, c = int(found["a"]), int(found["b"]), int(found["c"])
    by_order = {"DMY": (c, b, a), "MDY": (c, a, b), "YMD": (a, b, c)}
    if order in by_order:
        return [by_order[order]]
    preferred = {"/": ["MDY", "DMY"], ".": ["DMY"], "-": ["DMY", "MDY"]}[found["sep"]]
    candidates = [by_order[name] for name in preferred]
    if len(found["c"]) == 2:
        # 24.02.16 is a Korean date and 16.02.24 a German one: the reading with the later year wins.
        candidates.append(by_order["YMD"])
        candidates.sort(key=lambda parts: -_full_year(parts[0]))
    weekdays = _weekdays(text)
    fitting = [each for each in candidates if _weekday(each) in weekdays]
    return fitting + candidates


def _weekdays(text: str) -> set[int]:
    return {WEEKDAYS[word] for word in _WORDS.findall(text.lower()) if word in WEEKDAYS}


def _weekday(parts: tuple[int, int, int]) -> int | None:
    try:
        return date(_full_year(parts[0]), parts[1], parts[2]).weekday()
    except ValueError:
        return None


def _with_month_name(text: str, now: datetime) -> Iterator[tuple[date, tuple[int, int]]]:
    for pattern in (_DAY_MONTH, _MONTH_WORD_DAY):
        for found in pattern.finditer(text):
            month = MONTHS.get(found["month"].lower())
            if month is None:
                continue
            if found["y"]:
                yield from _valid(int(found["y"].lstrip("'’")), month, int(found["d"]), found)
            else:
                yield from _nearest_past((month, int(found["d"])), now, found, _weekdays(text))


def _full_year(year: int) -> int:
    if year >= 100:
        return year
    return year + (2000 if year < 70 else 1900)


def _valid(year: int, month: int, day: int, found: re.Match[str]) -> Iterator[tuple[date, tuple[int, int]]]:
    try:
        yield date(_full_year(year), month, day), found.span()
    except ValueError:
        return


def _nearest_past(
    month_day: tuple[int, int], now: datetime, found: re.Match[str], weekdays: set[int]
) -> Iterator[tuple[date, tuple[int, int]]]:
    """The latest such day that is not ahead; where the text names a weekday, the latest that falls on it."""
    latest = (now + FUTURE_TOLERANCE).date()
    # Eight years back reach the last 29 February.
    valid = [each for year in range(now.year + 1, now.year - 9, -1) for each in _valid(year, *month_day, found)]
    past = [each for each in valid if each[0] <= latest]
    yield from [each for each in past if each[0].weekday() in weekdays][:1] or past[:1]


def _midnight(day: date, now: datetime) -> datetime:
    return datetime.combine(day, time(), now.tzinfo)


def _at(day: date, text: str, now: datetime) -> datetime | None:
    """The day at the clock time found in a text, in the zone that the text names or the site's."""
    found = _CLOCK.search(text)
    if found is None:
        compact = re.match(r"(\d{2})([0-5]\d)([0-5]\d)?(?!\d)", text)
        return datetime.combine(day, time(int(compact[1]) % 24, int(compact[2])), now.tzinfo) if compact else None
    clock = _clock(found)
    if clock is None:
        return None
    return datetime.combine(day, clock, _named_zone(text[found.end() :]) or now.tzinfo)


def _clock(found: re.Match[str]) -> time | None:
    hour = int(found["h"] or found["h2"] or found["h3"])
    half = (found["before"] or found["before2"] or found["after"] or found["after3"] or "").lower()
    if half in PM_WORDS and hour < 12:
        hour += 12
    elif half in AM_WORDS and hour == 12:
        hour = 0
    if hour == 24:
        hour = 0
    return time(hour, int(found["min"] or 0), int(found["s"] or found["s2"] or 0)) if hour < 24 else None


def _named_zone(text: str) -> tzinfo | None:
    text = text.lstrip(" ")
    if offset := _OFFSET.match(text):
        minutes = int(offset["h"]) * 60 + int(offset["m"] or 0)
        if minutes < 24 * 60:
            return timezone(timedelta(minutes=minutes if offset["sign"] == "+" else -minutes))
    if (name := _ZONE.match(text)) and name["name"].lower() in ZONES:
        return timezone(timedelta(hours=ZONES[name["name"].lower()]))
    return None


def _time_alone(text: str, now: datetime) -> datetime | None:
    """A clock time without a date is today's, or yesterday's while that time is still ahead."""
    found = _CLOCK.search(text)
    if found is None or len(text) > found.end() - found.start() + 12:
        return None
    moment = _at(now.date(), text, now)
    return moment - timedelta(days=1) if moment and moment > now + timedelta(minutes=10) else moment
