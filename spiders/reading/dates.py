"""Dates as boards and feeds write them, in a dozen languages, to moments in UTC.

Pure, and without a parsing library: `dateparser` costs 0.3 s of imports and milliseconds per date, and a crawl has
40 ms. What cannot be read is None, never an exception; what lies more than a day ahead is not a publication date.

A date is accepted only where the rest of its cell can be explained: the more a form may mean something else, the less
may stand around it. None costs little (the post is not silenced by its age), a wrong date may silence a post.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Final, NamedTuple

from spiders.reading.date_pieces import Clock, Numbers, Piece, pieces_of
from spiders.reading.date_roles import DATED, DAYS, Role, roles_of, strangers
from spiders.reading.date_words import DAY_WORDS, WEEKDAYS, ZONES, fold
from spiders.reading.relative_dates import short_age, with_ages

DATE_ORDERS: Final = ("auto", "DMY", "MDY", "YMD")
FUTURE_TOLERANCE: Final = timedelta(days=1)
"""Clocks and time zones are wrong by hours; a notice dated next week names an event."""

_EARLIEST: Final = datetime(1980, 1, 1, tzinfo=UTC)
"""Older dates are broken clocks and zeros, not posts."""
_LONGEST: Final = 300
_EPOCH: Final = re.compile(r"(?P<s>1[0-9]{9})(?:[0-9]{3})?(?:\.[0-9]*)?")

# How sure a form is: a whole date; a named or counted day; numbers that may be something else; a time alone.
_WHOLE, _NAMED, _BARE, _TIME = 3, 2, 1, 0


def parse_date(
    text: str,
    *,
    now: datetime,
    zone: tzinfo = UTC,
    date_format: str = "",
    date_order: str = "auto",
    day_first: bool | None = None,
) -> datetime | None:
    """The moment that a date text means, in UTC; None when it means none, or one more than a day ahead.

    `zone` is the site's, for texts that name none. A missing year is the one that puts the date nearest in the
    past. `date_format` (strptime's) is tried first; `date_order` says how 03/04/2024 is meant: "auto" takes day
    first with dots, month first with slashes, unless the weekday or the future decide otherwise, or `day_first` says
    how the page's other dates are written.
    """
    text = " ".join(text[:_LONGEST].split())
    if not text:
        return None
    try:
        moment = _by_format(text, date_format, zone) or _read(
            fold(text), now.astimezone(zone), _Order(date_order, day_first)
        )
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


class _Order(NamedTuple):
    """How numbers whose order is not clear are meant."""

    given: str
    day_first: bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Candidate:
    """A date that a cell says."""

    moment: datetime
    rank: int
    position: int
    has_clock: bool = False


def _read(text: str, now: datetime, order: _Order) -> datetime | None:
    text = text.strip()
    if epoch := _EPOCH.fullmatch(text):
        return datetime.fromtimestamp(int(epoch["s"]), UTC)
    if (age := short_age(text)) is not None:
        return now - age
    pieces = _with_late_years(with_ages(pieces_of(text)))
    found = list(_candidates(pieces, now, order))
    roles = roles_of(pieces)
    for role in (Role.POSTED, Role.NONE, Role.UPDATED):
        if of_role := [each for each in found if roles[each.position] is role]:
            rank = max(each.rank for each in of_role)
            others = [roles[each.position] for each in found if each.rank >= _BARE and each not in of_role]
            if rank <= _BARE and _is_outdone(role, others):
                return None
            return _agreed([each for each in of_role if each.rank == rank], pieces, role)
    return None


def _is_outdone(role: Role, others: Sequence[Role]) -> bool:
    """Whether mere numbers stand beside dates of another role, and nothing says that theirs is the posting's."""
    return any(role is not Role.POSTED or each not in {Role.UPDATED, Role.EVENT} for each in others)


def _agreed(surest: list[_Candidate], pieces: Sequence[Piece], role: Role) -> datetime | None:
    """The moment of equally sure dates, when they mean the same day and what stands around them can be explained."""
    rank = surest[0].rank
    chosen = next((each for each in surest if each.has_clock), surest[0])
    if any(abs(each.moment - chosen.moment) > FUTURE_TOLERANCE for each in surest):
        return None
    if rank != _NAMED and any(each.moment.date() != chosen.moment.date() for each in surest):
        return None
    before, after, anywhere = strangers(pieces, chosen.position)
    if rank <= _BARE or pieces[chosen.position].kind == "now":
        return None if anywhere else chosen.moment
    # Names stand before dates, and behind ages; what says more is a sentence with a date in it.
    names = 3 if pieces[chosen.position].kind == "age" or role is Role.POSTED else 1
    explained = after <= names and (role is Role.POSTED or (before <= 2 and before + after <= 3))
    return chosen.moment if explained else None


def _with_late_years(pieces: list[Piece]) -> list[Piece]:
    """ctime's order: in "Sat Mar 9 08:00:00 2024" the year comes after the time."""
    for position in range(len(pieces) - 2):
        day, clock, year = pieces[position : position + 3]
        kinds = (day.kind, clock.kind, year.kind)
        if kinds == ("day", "clock", "number") and day.value.separator == "name" and 1980 <= year.value <= 2099:
            whole = Piece("date", Numbers((year.value, *day.value.parts)))
            return [*pieces[:position], whole, clock, *pieces[position + 3 :]]
    return pieces


def _candidates(pieces: Sequence[Piece], now: datetime, order: _Order) -> Iterator[_Candidate]:
    weekdays = {WEEKDAYS[each.value] for each in pieces if each.kind == "word" and each.value in WEEKDAYS}
    found = False
    for position, piece in enumerate(pieces):
        if piece.kind in {"age", "now"}:
            found = True
            yield _Candidate(moment=now - piece.value, rank=_NAMED, position=position, has_clock=True)
            continue
        day, rank = _day(pieces, position, now, order, weekdays)
        if day is not None:
            found = True
            clock = _clock_of(pieces, position)
            yield _Candidate(moment=_at(day, clock, now), rank=rank, position=position, has_clock=clock is not None)
    if not found:
        yield from _time_alone(pieces, now, weekdays)


def _day(
    pieces: Sequence[Piece], position: int, now: datetime, order: _Order, weekdays: set[int]
) -> tuple[date | None, int]:
    """The day that a piece means, and how sure that is."""
    piece = pieces[position]
    if piece.kind == "date":
        return _valid(*piece.value.parts), _WHOLE
    if piece.kind == "numbers":
        return _ordered(piece.value, order, weekdays, now)
    if piece.kind == "day":
        return _without_year(pieces, position, now, order, weekdays)
    if piece.kind == "word" and piece.value in DAY_WORDS:
        return now.date() - timedelta(days=DAY_WORDS[piece.value]), _NAMED
    return None, _TIME


def _ordered(numbers: Numbers, order: _Order, weekdays: set[int], now: datetime) -> tuple[date | None, int]:
    """The day of three numbers: "auto" takes the weekday's, then the usual one, of those that are not ahead."""
    a, b, c, last = numbers.parts
    century = now.year // 100 * 100
    by_order = {"DMY": (c, b, a), "MDY": (c, a, b), "YMD": (a + century, b, last)}
    rank = _WHOLE if last >= 100 else _NAMED if numbers.clear else _BARE
    if order.given in by_order:
        return _valid(*by_order[order.given]), rank
    preferred = {"/": ["MDY", "DMY"], ".": ["DMY"], "-": ["DMY", "MDY"]}[numbers.separator]
    if order.day_first is not None:
        preferred = ["DMY", "MDY"] if order.day_first else ["MDY", "DMY"]
    days = [_valid(*by_order[name]) for name in preferred]
    if last < 100:
        # 24.02.16 is a Korean date and 16.02.24 a German one: the reading with the later year wins.
        days.append(_valid(*by_order["YMD"]))
        days.sort(key=lambda day: -day.year if day else 0)
    past = [day for day in days if day and day <= (now + FUTURE_TOLERANCE).date()]
    return next((day for day in past if day.weekday() in weekdays), past[0] if past else None), rank


def _without_year(
    pieces: Sequence[Piece], position: int, now: datetime, order: _Order, weekdays: set[int]
) -> tuple[date | None, int]:
    numbers: Numbers = pieces[position].value
    month, day = numbers.parts
    if numbers.separator == "name":
        return _nearest_past(month, day, now, weekdays), _NAMED
    follows = pieces[position + 1] if position + 1 < len(pieces) else Piece("")
    if not numbers.clear and order.given == "auto" and follows.kind != "clock" and follows.value not in WEEKDAYS:
        return None, _BARE
    if order.given == "DMY" or (order.given == "auto" and (month > 12 or (order.day_first and day <= 12))):
        month, day = day, month
    return _nearest_past(month, day, now, weekdays), _BARE


def _valid(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _nearest_past(month: int, day: int, now: datetime, weekdays: set[int]) -> date | None:
    """The latest such day that is not ahead; where the text names a weekday, the latest that falls on it."""
    latest = (now + FUTURE_TOLERANCE).date()
    # Eight years back reach the last 29 February.
    valid = (_valid(year, month, day) for year in range(now.year + 1, now.year - 9, -1))
    past = [each for each in valid if each and each <= latest]
    return next((each for each in past if each.weekday() in weekdays), past[0] if past else None)


def _clock_of(pieces: Sequence[Piece], position: int) -> Clock | None:
    """The time that belongs to a date: the first one after it, else the last one before it."""
    for direction in (range(position + 1, len(pieces)), range(position - 1, -1, -1)):
        for each in direction:
            if pieces[each].kind == "clock":
                return pieces[each].value  # type: ignore[no-any-return]
            if pieces[each].kind in DATED:
                break
    return None


def _at(day: date, clock: Clock | None, now: datetime) -> datetime:
    """The day at a time, in the zone that the time names or the site's; midnight where there is none."""
    if clock is None:
        return datetime.combine(day, time(), now.tzinfo)
    moment = datetime.combine(day, time(clock.hour % 24, clock.minute, clock.second), clock.zone or now.tzinfo)
    if clock.zone_name and (moment.tzname() or "").lower() != clock.zone_name:
        # Several zones are called CST, IST or BST: the site's own is meant, when it is one of that name.
        moment = moment.replace(tzinfo=timezone(timedelta(hours=ZONES[clock.zone_name])))
    return moment + timedelta(days=clock.hour // 24)


def _time_alone(pieces: Sequence[Piece], now: datetime, weekdays: set[int]) -> Iterator[_Candidate]:
    """A time without a date is today's, or yesterday's while it is still ahead; with a weekday it is that day's."""
    clocks = [(position, piece.value) for position, piece in enumerate(pieces) if piece.kind == "clock"]
    if len(clocks) != 1 or not clocks[0][1].exact or any(piece.kind in DAYS for piece in pieces):
        return
    position, clock = clocks[0]
    for back in range(8):
        moment = _at(now.date() - timedelta(days=back), clock, now)
        fits = not weekdays or moment.astimezone(now.tzinfo).weekday() in weekdays
        if fits and moment <= now + timedelta(minutes=10):
            yield _Candidate(moment=moment, rank=_TIME, position=position, has_clock=True)
            return
