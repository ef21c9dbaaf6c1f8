"""A date cell cut into pieces: dates, clock times, numbers, words, and the marks between them.

The cell is read from its beginning to its end and every character belongs to one piece, so that nothing is searched
for inside something else: "2.9k" is a count, and never the ninth of February with a letter behind it.
"""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from spiders.reading import date_words as words


class Piece(NamedTuple):
    """One piece of a cell.

    Kinds: "date" (Numbers: year, month, day), "numbers" (Numbers: three, of unknown order), "day" (Numbers: month and
    day), "month" (a month without a day), "clock" (Clock), "number" (an int, -1 for one that is very long or not
    whole), "word" (known, folded), "unknown" (a word), "count", "bar", "dash", "range", "open", "close".
    """

    kind: str
    value: Any = None


class Numbers(NamedTuple):
    """The numbers of a date. `clear` is false for what may as well be a score or a version: "4.5", "1.2.24"."""

    parts: tuple[int, ...]
    separator: str = ""
    clear: bool = True


class Clock(NamedTuple):
    """A time of day; hour 24 is the next day's. `exact` where minutes or a half of the day are said."""

    hour: int
    minute: int
    second: int = 0
    # The zone that the text names; a name is one whose meaning depends on the site's own zone.
    zone: tzinfo | None = None
    zone_name: str = ""
    exact: bool = True


_Groups = dict[str, str | None]

_END: Final = r"(?!\d|[./-]\d+(?![\d:]))"
_JOIN: Final = r"[\s,./-]*(?:(?:de|del|d|of|the|di|der|van|nam)\b\.?\s*)?"
_DAY: Final = r"(?P<d>\d{1,2})(?:st|nd|rd|th|er|º|ª|일|日)?"
_MONTH: Final = (
    r"(?:(?P<m>\d{1,2})\s?(?:월|月)|(?:thang|thg)\.?\s?(?P<m2>\d{1,2})"
    r"|(?P<name>(?:تشرين|كانون)\s\w+|[^\W\d_]{3,12}))\.?"
)
_FULL_YEAR: Final = r"(?:19|20|25)\d\d(?!\d|(?!년|年|г|t\d)[^\W\d_])"
# Two digits are a year where an apostrophe or a hyphen says so.
_YEAR: Final = rf"(?P<y>{_FULL_YEAR}|'\d\d|(?<=-)\d\d(?![\d:]))(?!\s?:\d)"
_COUNTED: Final = (
    r"%|[€$£¥₩](?!\d)|(?:k|만|천|万|萬|千|억|億|원|円|元|점|명|건|회|개|件|次|人|楼|樓|票|pts?|[kmg]i?b|[ckm]m|kg|px|tl|"
    r"usd|eur|krw|kr)(?![^\W\d_])"
)


def _date(found: _Groups) -> Piece:
    year, era = found["y"] or "", found.get("era")
    counted = 1 if year == "元" else _year(year, era)
    first = words.ERAS[era] if era else 0
    return Piece("date", Numbers((first + counted, _int(found["m"]), _int(found["d"]))))


def _year(digits: str, era: str | None = None) -> int:
    """A year as written to the one that is meant; three digits count from 1911 (Taiwan), 25xx is Thailand's."""
    year = int(digits.lstrip("'"))
    if era or 200 <= year < 2500:
        return year
    if year < 100:
        return year + (2000 if year < 70 else 1900)
    return year + 1911 if year < 200 else year - 543


def _int(digits: str | None) -> int:
    return int(digits or 0)


def _with_name(found: _Groups) -> Piece | None:
    month = _int(found["m"]) or _int(found["m2"]) or words.MONTHS.get(found["name"] or "")
    if month is None:
        return None
    day = _int(found["d"])
    return Piece("date", Numbers((_year(found["y"]), month, day))) if found["y"] else _day_of(month, day)


def _month_alone(found: _Groups) -> Piece | None:
    return Piece("month") if found["name"] in words.MONTHS else None


def _month_day(found: _Groups) -> Piece:
    month, day = _int(found["m"]), _int(found["d"])
    return Piece("date", Numbers((_year(found["y"]), month, day))) if found["y"] else _day_of(month, day)


def _day_of(month: int, day: int) -> Piece:
    return Piece("day", Numbers((month, day), "name"))


def _three(found: _Groups) -> Piece:
    texts = [found[name] or "" for name in "abc"]
    clear = len(texts[2]) == 4 or all(len(each) == 2 for each in texts)
    first, second, last = map(int, texts)
    return Piece("numbers", Numbers((first, second, _year(texts[2]), last), found["sep"] or "", clear))


def _two(found: _Groups) -> Piece:
    first, second, separator = found["a"] or "", found["b"] or "", found.get("sep") or "."
    clear = separator == "/" or bool(found.get("dot", ".")) or len(first) == len(second) == 2
    return Piece("day", Numbers((int(first), int(second)), separator, clear))


def _clock(found: _Groups) -> Piece | None:
    hour, minute = _int(found["h"]), found.get("min") or ""
    if hour > 24:
        return None
    minutes = int(minute) if minute.isdigit() else 30 if minute else 0
    return Piece("clock", Clock(hour, minutes, _int(found.get("s")), exact=bool(minute)))


def _stamp(found: _Groups) -> Iterator[Piece]:
    yield _date(found)
    if found["h"] and (clock := _clock(found)):
        yield clock


def _kind(kind: str, value: int | None = None) -> Callable[[_Groups], Piece]:
    return lambda _: Piece(kind, value)


_Read = Callable[[_Groups], "Piece | Iterator[Piece] | None"]


def _shapes(*rows: tuple[str, _Read]) -> tuple[tuple[re.Pattern[str], _Read], ...]:
    return tuple((re.compile(pattern), read) for pattern, read in rows)


# Tried in this order where a digit stands: the first that fits and means something wins.
_OF_DIGITS: Final = _shapes(
    # 20240216, 20240216130559, 20240216T1305
    (
        r"(?P<y>(?:19|20)\d\d)(?P<m>0[1-9]|1[0-2])(?P<d>0[1-9]|[12]\d|3[01])"
        r"(?:t?(?P<h>[01]\d|2[0-4])(?P<min>[0-5]\d)(?P<s>[0-5]\d)?(?:[.,]\d+)?)?(?![\d:])",
        _stamp,
    ),
    # 2024년 2월 16일, 24年2月16日, 115年07月03日
    (r"(?P<y>\d{2,4})\s?(?:년|年|nam)\s*(?P<m>\d{1,2})\s?(?:월|月)\s*(?P<d>\d{1,2})(?!\d)\s?(?:일|日|号|號)?", _date),
    (r"\d{2,4}\s?(?:년|年)\s*\d{1,2}\s?(?:월|月)", _kind("month")),
    # 2024-02-16, 2024. 2. 16.
    (rf"(?P<y>\d{{4}})\s?[./-]\s?(?P<m>\d{{1,2}})\s?[./-]\s?(?P<d>\d{{1,2}})\.?{_END}", _date),
    # 115/07/03
    (rf"(?P<y>1\d\d)(?P<sep>[./-])(?P<m>\d\d)(?P=sep)(?P<d>\d\d){_END}", _date),
    # 16.02.2024, 24. 2. 16., 02/16/24
    (
        rf"(?P<a>\d{{1,2}})\s?(?P<sep>[./-])\s?(?P<b>\d{{1,2}})\s?(?P=sep)\s?(?P<c>\d{{4}}|\d\d)\.?{_END}(?!:\d)",
        _three,
    ),
    (rf"(?:19|20)\d\d\s?[./-]\s?\d{{1,2}}{_END}(?!:\d)", _kind("month")),
    # 2026 11월 28, 2024 March 5
    (rf"(?P<y>(?:19|20|25)\d\d)(?:년|年)?{_JOIN}{_MONTH}{_JOIN}{_DAY}(?![\d:])", _with_name),
    # 2월 16일, 11월 28, 2026
    (
        r"(?P<m>\d{1,2})\s?(?:월|月)\s*(?P<d>\d{1,2})(?![\d:]|\s?[시時时点點])\s?(?:일|日|号|號)?"
        rf"(?:[\s,]+(?P<y>{_FULL_YEAR})(?!:\d)|(?![\s,]+\d{{4}}))",
        _month_day,
    ),
    # 27 Nov 26, where no other number's word stands before it
    (rf"(?<![^\W_] )(?<![^\W_]){_DAY}\.?{_JOIN}{_MONTH} (?P<y>\d\d)(?=\s*(?:$|[,)\]|·•]|\d\d?:\d\d))", _with_name),
    # 28 11월 2026, 5. März 2024, 16 de febrero
    (
        rf"{_DAY}\.?{_JOIN}{_MONTH}(?![^\W\d_])"
        rf"(?:{_JOIN}{_YEAR}|(?!{_JOIN}(?:\d{{4}}|\d\d?(?![\d:h]|\s?[시時时点點]))))",
        _with_name,
    ),
    # In "5 March 12 comments" and "12 hits March 5" the number on either side may be the day.
    (r"\d{1,2}\.?[\s,./-]*(?P<name>[^\W\d_]{3,12})\.?(?=[\s,./-]*\d)", _month_alone),
    (r"(?P<h>\d{1,2}):(?P<min>[0-5]\d)(?::(?P<s>[0-5]\d|60)(?:[.,]\d+)?)?(?![\d:])", _clock),
    (
        r"(?P<h>\d{1,2})\s?(?:시|時|时|点|點)(?![간間间])"
        r"(?:\s?(?:(?P<min>[0-5]?\d(?=\s?[분分])|반|半)[\s분分]*)(?:(?P<s>[0-5]?\d)\s?[초秒])?)?",
        _clock,
    ),
    (r"(?P<h>\d{1,2})\s?(?:h|gio)\s?(?P<min>[0-5]\d)(?![\d:]|\s?m)", _clock),
    (r"(?P<h>\d{1,2})(?:[.:](?P<min>[0-5]\d))?(?=\s?uhr\b)", _clock),
    (r"(?P<h>\d{1,2})\.(?P<min>[0-5]\d)(?=\s?wi(?:b|ta|t)\b)", _clock),
    (r"(?P<h>0?[1-9]|1[0-2])(?=\s?[ap]\.?\s?m\b)", _clock),
    (
        rf"\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?(?!\d)|\d+(?:[.,]\d+)?\s?(?:{_COUNTED})|\d+[.,]\d+m(?![^\W_])",
        _kind("count"),
    ),
    # 7/12, 06-10, 5.3., 11.27
    (rf"(?P<a>\d{{1,2}})(?P<sep>[./-])(?P<b>\d{{1,2}})(?P<dot>\.?){_END}(?![^\W\d_]|:)", _two),
    (r"(?P<a>\d{1,2})\. (?P<b>\d{1,2})\.(?![^\W\d_]|\d)", _two),
    # A short form and a long one of the same day without a blank between: 06-102021-06-10
    (r"\d\d[./-]\d\d(?=(?:19|20)\d\d[./-]\d\d[./-]\d\d(?!\d))", _kind("count")),
    (r"\d+(?:[.,/:-]\d+)+", _kind("number", -1)),
)
_DIGITS: Final = re.compile(r"\d+")

_CJK: Final = "\u1100-\u11ff\u3005\u3007\u3040-\u30ff\u3130-\u318f\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff"
_OF_LETTERS: Final = _shapes(
    # 民國115年7月3日, 令和8年7月3日
    (
        rf"(?P<era>{'|'.join(words.ERAS)})\s?(?P<y>\d{{1,3}}|元)\s?(?:년|年|[./-])\s?(?P<m>\d{{1,2}})\s?(?:월|月|[./-])"
        r"\s?(?P<d>\d{1,2})(?!\d)\s?(?:일|日)?",
        _date,
    ),
    # "Mar" is also Tuesday in French and Spanish: Mar 29 Mai 2012
    (rf"mar\w*\.?,? {_DAY}\.?{_JOIN}{_MONTH}{_JOIN}{_YEAR}", _with_name),
    # March 5, 2024; Nov 27
    (rf"{_MONTH}{_JOIN}{_DAY}(?![\d:]|[.,]\d)(?:{_JOIN}{_YEAR}|(?!{_JOIN}\d{{4}}))", _with_name),
    # D-7 counts the days to an event; v1.2 and PS5 are names.
    (r"d\s?[-+]\s?(?:\d+|day)\b", _kind("unknown")),
)
_PHRASES: Final = sorted((word for table in words.ALL for word in table if " " in word or "." in word), key=len)
_PHRASE: Final = re.compile(rf"(?:{'|'.join(re.escape(each) for each in reversed(_PHRASES))})(?![^\W_])")
_KNOWN: Final = frozenset(word for table in words.ALL for word in table)
_CJK_RUN: Final = re.compile(f"[{_CJK}]+")
_LETTERS: Final = re.compile(rf"[^\W\d_{_CJK}]+(?:['-][^\W\d_{_CJK}]+)*")
_GLUED: Final = re.compile(r"[\w.,/-]*\w")
_SIGNED: Final = re.compile(r"[€$£¥₩#№]\s?\d[\d.,]*")
_LONGEST_RUN: Final = 30

_MARKS: Final = {
    **dict.fromkeys("~∼〜～", "range"),
    **dict.fromkeys("–—-", "dash"),
    **dict.fromkeys("|·•ㆍ・»›/¦;│", "bar"),
    **dict.fromkeys("([{<【「『〈《", "open"),
    **dict.fromkeys(")]}>】」』〉》", "close"),
}

_OFFSET: Final = re.compile(
    r"\s?\(?(?:(?:utc|gmt)\s?(?P<s1>[+-])\s?(?P<h1>\d{1,2})(?::?(?P<m1>\d\d))?|(?P<s2>[+-])(?P<h2>\d\d):?(?P<m2>\d\d)"
    r"|(?P<s3>\+)(?P<h3>\d{1,2})(?::(?P<m3>\d\d))?)(?![\d:])\)?(?:\s?\([^()]*\))?"
)
# A form that was decoded once too often has lost its plus sign: 2026-11-27T10:00:00 09:00.
_LOST_PLUS: Final = re.compile(r" (?P<h1>[01]\d):(?P<m1>[03]0)$")
_HALF: Final = re.compile(r"\s?(?:(?P<letter>[ap])\.?\s?m\b\.?|(?P<word>[^\W\d_]+))")
_ZONE: Final = re.compile(r"\s?\(?(?P<name>[^\W\d_]{1,4})(?![\w-])\)?")
_REGION: Final = re.compile(
    r"\s?[(\[]?(?P<name>(?:africa|america|antarctica|asia|atlantic|australia|europe|indian|pacific)/[a-z_/]+)[)\]]?"
)


@lru_cache(maxsize=2_048)
def pieces_of(text: str) -> tuple[Piece, ...]:
    """The pieces of a text that `fold` has folded."""
    pieces: list[Piece] = []
    position = 0
    while position < len(text):
        char = text[position]
        if char.isspace():
            position += 1
            continue
        read = _digits if char.isdigit() else _letters if char.isalpha() else _mark
        position = max(read(text, position, pieces), position + 1)
    return tuple(pieces)


def _fitting(shapes: tuple[tuple[re.Pattern[str], _Read], ...], text: str, position: int, pieces: list[Piece]) -> int:
    """Add what the first fitting shape means; returns where it ends, or `position` where none fits."""
    for pattern, read in shapes:
        if (found := pattern.match(text, position)) and (meant := read(found.groupdict())):
            pieces.extend([meant] if isinstance(meant, Piece) else meant)
            return _completed(text, found, pieces)
    return position


def _completed(text: str, found: re.Match[str], pieces: list[Piece]) -> int:
    """A clock time takes the half of the day and the zone that stand around it."""
    end = found.end()
    if pieces[-1].kind != "clock":
        # The T of ISO 8601 stands between a date and its time.
        follows_t = pieces[-1].kind == "date" and text[end : end + 1] == "t" and text[end + 1 : end + 2].isdigit()
        return end + 1 if follows_t else end
    clock: Clock = pieces.pop().value
    half = ""
    if pieces and pieces[-1].kind == "word" and pieces[-1].value in words.HALVES:
        half = words.HALVES[pieces.pop().value]
    if (after := _HALF.match(text, end)) and (said := _half(after)):
        half, end = said, after.end()
    if half:
        # Twelve is the hour before one in both halves; an hour after twelve says its half itself.
        hour = clock.hour % 12 + (12 if half == "pm" else 0) if clock.hour <= 12 else clock.hour
        clock = clock._replace(hour=hour, exact=True)
    iso = found.start() > 0 and text[found.start() - 1] == "t"
    end, clock = _zoned(text, end, clock, seconds=iso or text[found.start() : end].count(":") > 1)
    pieces.append(Piece("clock", clock))
    return end


def _half(found: re.Match[str]) -> str:
    return f"{found['letter']}m" if found["letter"] else words.HALVES.get(found["word"], "")


def _zoned(text: str, end: int, clock: Clock, *, seconds: bool) -> tuple[int, Clock]:
    """The clock with the zone that follows it. Without seconds "10:00-12:00" is a period and no offset."""
    if offset := _OFFSET.match(text, end):
        sign, hours, minutes = (offset[f"{part}1"] or offset[f"{part}2"] or offset[f"{part}3"] for part in "shm")
        if seconds or sign == "+" or offset["s1"] or ":" not in offset[0] or offset[0][0] == " ":
            return offset.end(), clock._replace(zone=_fixed(_int(hours), _int(minutes), sign))
    if seconds and (lost := _LOST_PLUS.match(text, end)):
        return lost.end(), clock._replace(zone=_fixed(int(lost["h1"]), int(lost["m1"]), "+"))
    if region := _REGION.match(text, end):
        return region.end(), clock._replace(zone=_region(region["name"]))
    if (name := _ZONE.match(text, end)) and name["name"] in words.ZONES:
        return name.end(), clock._replace(zone_name=name["name"])
    return end, clock


def _fixed(hours: int, minutes: int, sign: str) -> tzinfo | None:
    minutes += hours * 60
    return timezone(timedelta(minutes=-minutes if sign == "-" else minutes)) if minutes < 24 * 60 else None


def _region(name: str) -> tzinfo | None:
    """An IANA zone by its folded name; None for one that there is not."""
    title = "/".join("_".join(word.capitalize() for word in part.split("_")) for part in name.split("/"))
    try:
        return ZoneInfo(title)
    except (KeyError, OSError, ValueError):
        return None


def _digits(text: str, position: int, pieces: list[Piece]) -> int:
    if pieces and pieces[-1].value in words.CLOCK_WORDS and (dotted := _DOTTED.match(text, position)):
        pieces.append(Piece("clock", Clock(int(dotted[1]), int(dotted[2]))))
        return _completed(text, dotted, pieces)
    end = _fitting(_OF_DIGITS, text, position, pieces)
    if end == position and (number := _DIGITS.match(text, position)):
        end = number.end()
        pieces.append(Piece("number", int(number[0]) if len(number[0]) < 10 else -1))
    return end


_DOTTED: Final = re.compile(r"([01]?\d|2[0-3])\.([0-5]\d)(?![\d.])")


def _letters(text: str, position: int, pieces: list[Piece]) -> int:
    # "Ago" is August in three languages, but not behind "3 hours".
    is_ago = bool(pieces) and pieces[-1].value in words.UNITS and text.startswith("ago", position)
    if not is_ago and (end := _fitting(_OF_LETTERS, text, position, pieces)) > position:
        return end
    if phrase := _PHRASE.match(text, position):
        pieces.append(Piece("word", phrase[0]))
        return phrase.end()
    if run := _CJK_RUN.match(text, position):
        known = _segmented(run[0])
        pieces.extend(Piece("word", word) for word in known)
        if not known:
            pieces.append(Piece("unknown", run[0]))
        return run.end()
    if (word := _LETTERS.match(text, position)) is None:
        return position + 1
    if word[0] in _KNOWN:
        pieces.append(Piece("word", word[0]))
        return word.end()
    pieces.append(Piece("unknown", word[0]))
    glued = _GLUED.match(text, position)
    return max(word.end(), glued.end() if glued and text[word.end() : word.end() + 1].isdigit() else 0)


def _segmented(run: str) -> list[str]:
    """A run of Hangul, kana and Han as the known words that it consists of, the longest first; else nothing."""
    if len(run) > _LONGEST_RUN:
        return []
    rest: list[list[str] | None] = [None] * len(run) + [[]]
    for start in range(len(run) - 1, -1, -1):
        for end in range(len(run), start, -1):
            following = rest[end]
            if following is not None and run[start:end] in _KNOWN:
                rest[start] = [run[start:end], *following]
                break
    return rest[0] or []


def _mark(text: str, position: int, pieces: list[Piece]) -> int:
    if signed := _SIGNED.match(text, position):
        pieces.append(Piece("count"))
        return signed.end()
    kind = _MARKS.get(text[position])
    if kind:
        pieces.append(Piece(kind))
    return position + 1
