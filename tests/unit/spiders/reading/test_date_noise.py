"""A date among other things is read as what it means, or not at all: never as another date."""

from datetime import UTC, datetime, timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from spiders.reading.dates import parse_date

NOW = datetime(2026, 11, 28, 7, 0, tzinfo=UTC)
MINUTES = st.integers(0, 300 * 24 * 60).map(lambda minutes: NOW - timedelta(minutes=minutes))
ENGLISH = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November"]
GERMAN = ["Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November"]
RUSSIAN = ["января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября"]

# What a date is written as, and how exactly: the text is formatted by datetime alone, apart from the code under test.
SHAPES = [
    ("{0:%Y-%m-%d %H:%M}", "minute"),
    ("{0:%Y-%m-%dT%H:%M:00Z}", "minute"),
    ("{0:%Y%m%dT%H%M}", "minute"),
    ("{0:%d.%m.%Y, %H:%M} Uhr", "minute"),
    ("{0:%Y년 %m월 %d일 %H시 %M분}", "minute"),
    ("{0:%Y年%m月%d日 %H:%M}", "minute"),
    ("{0:%d %m월 %Y %H:%M:00}", "minute"),
    ("{0:%a, %d %b %Y %H:%M:00 +0000}", "minute"),
    ("{0:%a %b %d %H:%M:00 %Y}", "minute"),
    ("{0:%I:%M %p}, {english} {0.day}, {0.year}", "minute"),
    ("{0:%s}", "minute"),
    ("{0:%Y.%m.%d}", "day"),
    ("{0:%y.%m.%d}.", "day"),
    ("{0.year}. {0.month}. {0.day}.", "day"),
    ("{minguo}/{0:%m/%d}", "day"),
    ("民國{minguo}年{0.month}月{0.day}日", "day"),
    ("{0.day}. {german} {0.year}", "day"),
    ("{0.day} {russian} {0.year} г.", "day"),
    ("{0:%m-%d}", "day"),
    ("{0.month}월 {0.day}일", "day"),
    ("{english} {0.day}", "day"),
    ("{minutes}분 전", "ago"),
    ("{minutes} minutes ago", "ago"),
    ("vor {minutes} Minuten", "ago"),
    ("{minutes}分前", "ago"),
    ("منذ {minutes} دقيقة", "ago"),
]
AROUND = "2.9k;4.5 |;조회 12;추천 3;v1.2;[공지];#3;· 댓글 5;by admin;홍길동;1,234;(7);|;N;$5;D-3;12.5%;3/4;~;1:0;마감"
NOISE = [*AROUND.split(";"), "ı", "ſ", "İ", "\u200f", "\x00", "\ud800", "제1회", "2-1", "2025학년도"]


def written(shape: str, moment: datetime) -> str:
    month = (moment.month - 1) % 11
    return shape.format(
        moment,
        english=ENGLISH[month],
        german=GERMAN[month],
        russian=RUSSIAN[month],
        minguo=moment.year - 1911,
        minutes=int((NOW - moment).total_seconds() // 60),
    )


@settings(max_examples=400)
@given(
    MINUTES,
    st.sampled_from(SHAPES),
    st.lists(st.sampled_from(NOISE), max_size=3),
    st.lists(st.sampled_from(NOISE), max_size=3),
)
@example(NOW - timedelta(minutes=9), ("{minutes}분 전", "ago"), ["2.9k"], [])
@example(NOW, ("{0:%m-%d}", "day"), ["3/4"], ["~"])
@example(NOW, ("{0:%s}", "minute"), ["3/4", "by admin"], [])
@example(NOW, ("{english} {0.day}", "day"), ["추천 3", "$5"], [])
@example(NOW, ("{english} {0.day}", "day"), ["조회 12"], ["1:0"])
@example(NOW, ("{minutes} minutes ago", "ago"), [], ["2.9k"])
@example(NOW - timedelta(days=2), ("{0:%d %m월 %Y %H:%M:00}", "minute"), [], [])
def test_noise_around_a_date_never_makes_it_another_date(moment, shape, before, after):
    if shape[1] == "ago":
        moment = max(moment, NOW - timedelta(minutes=9_000))
    pattern, exactness = shape
    read = parse_date(" ".join([*before, written(pattern, moment), *after]), now=NOW)
    expected = moment.replace(second=0, microsecond=0)
    if read is not None and exactness == "day":
        read, expected = read.replace(hour=0, minute=0), expected.replace(hour=0, minute=0)
    assert read in {None, expected}
    if not before and not after:
        assert read == expected
