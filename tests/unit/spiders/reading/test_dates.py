from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from spiders.reading.dates import parse_date

SEOUL = ZoneInfo("Asia/Seoul")
NOW = datetime(2024, 3, 10, 15, 0, tzinfo=SEOUL)

ABSOLUTE = [
    ("2024.02.16", "2024-02-16 00:00"),
    ("2024. 2. 16. 오후 3:05", "2024-02-16 15:05"),
    ("2024-02-16 13:05:59", "2024-02-16 13:05"),
    ("24.02.16", "2024-02-16 00:00"),
    ("24/02/16", "2024-02-16 00:00"),
    ("2024년 2월 16일 13시 5분", "2024-02-16 13:05"),
    ("2024年2月16日(金) 13:05", "2024-02-16 13:05"),
    ("20240216", "2024-02-16 00:00"),
    ("작성일 2024.02.16 조회 123", "2024-02-16 00:00"),
    ("August 29, 2015, 09:45:11 AM", "2015-08-29 09:45"),
    ("Ven 13 Déc 2013 15:36", "2013-12-13 15:36"),
    ("mardi 5 mars 2024 à 8h30", "2024-03-05 08:30"),
    ("15.11.2013, 15:02 Uhr", "2013-11-15 15:02"),
    ("5. März 2024", "2024-03-05 00:00"),
    ("16 de febrero de 2024", "2024-02-16 00:00"),
    ("12 Januari 2024 10:30", "2024-01-12 10:30"),
    ("il 3 marzo 2024 alle 10:30", "2024-03-03 10:30"),
    ("Tuesday, March 19, 2019", "2019-03-19 00:00"),
    ("Sat Mar  9 08:00:00 2024", "2024-03-09 08:00"),
    ("2024.03.09 10:20 PM", "2024-03-09 22:20"),
    ("2024-03-09 12:05 AM", "2024-03-09 00:05"),
]

WITH_ZONE = [
    ("Thu, 22 Dec 2005 15:58:06 +0900", "2005-12-22 06:58"),
    ("Tue, 27 Dec 2005 13:08:54+0900", "2005-12-27 04:08"),
    ("mer, 16 nov 2022 00:38:15 +0100", "2022-11-15 23:38"),
    ("Sun, 10 Dec 17 13:01:36 -0800", "2017-12-10 21:01"),
    ("Wed, 17 Jan 2018 15:50:00 EST", "2018-01-17 20:50"),
    ("Wed, 17 Jan 2018 15:50:00 GMT", "2018-01-17 15:50"),
    ("2024-01-11T00:00:00-05:00", "2024-01-11 05:00"),
    ("2024-01-11T00:00:00.123Z", "2024-01-11 00:00"),
    ("1709550000", "2024-03-04 11:00"),
    ("1709550000123", "2024-03-04 11:00"),
]

WITHOUT_YEAR = [
    ("Jan 14", "2024-01-14"),
    ("7/12", "2023-07-12"),
    ("06-10", "2023-06-10"),
    ("03-10", "2024-03-10"),
    ("2월 16일", "2024-02-16"),
    ("02/29", "2024-02-29"),
    ("Tuesday, May 17", "2022-05-17"),
    ("06-10 2021-06-10 19:56:25", "2021-06-10"),
]

RELATIVE = [
    ("방금 전", timedelta()),
    ("6時間前", timedelta(hours=6)),
    ("2 hours ago", timedelta(hours=2)),
    ("an hour ago", timedelta(hours=1)),
    ("3일전", timedelta(days=3)),
    ("5분 전", timedelta(minutes=5)),
    ("6 hari-hari, 13 jam yang lalu", timedelta(days=6, hours=13)),
    ("vor 3 Stunden", timedelta(hours=3)),
    ("il y a 2 jours", timedelta(days=2)),
    ("hace 3 horas", timedelta(hours=3)),
    ("3小时前", timedelta(hours=3)),
    ("2 ore fa", timedelta(hours=2)),
    ("posted 1 day, 2 hours ago by me", timedelta(days=1, hours=2)),
    ("5h", timedelta(hours=5)),
]

TODAY = [
    ("Gestern, 13:41 Uhr", "2024-03-09 13:41"),
    ("어제 13:41", "2024-03-09 13:41"),
    ("오늘", "2024-03-10 00:00"),
    ("Today, 3:38 am", "2024-03-10 03:38"),
    ("hier à 13:41", "2024-03-09 13:41"),
    ("昨天 12:30", "2024-03-09 12:30"),
    ("13:20", "2024-03-10 13:20"),
    ("오후 1:20", "2024-03-10 13:20"),
    ("23:20", "2024-03-09 23:20"),
]


def in_seoul(text: str) -> str | None:
    moment = parse_date(text, now=NOW, zone=SEOUL)
    return moment and moment.astimezone(SEOUL).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(("text", "expected"), ABSOLUTE + TODAY)
def test_a_date_without_a_zone_is_in_the_sites_zone(text: str, expected: str) -> None:
    assert in_seoul(text) == expected


@pytest.mark.parametrize(("text", "expected"), WITH_ZONE)
def test_a_date_with_a_zone_keeps_it(text: str, expected: str) -> None:
    moment = parse_date(text, now=NOW, zone=SEOUL)
    assert moment is not None
    assert moment.tzinfo is UTC
    assert moment.strftime("%Y-%m-%d %H:%M") == expected


@pytest.mark.parametrize(("text", "expected"), WITHOUT_YEAR)
def test_a_missing_year_is_the_one_nearest_in_the_past(text: str, expected: str) -> None:
    assert (in_seoul(text) or "")[:10] == expected


@pytest.mark.parametrize(("text", "age"), RELATIVE)
def test_an_age_counts_back_from_now(text: str, age: timedelta) -> None:
    assert parse_date(text, now=NOW, zone=SEOUL) == NOW - age


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("03/04/2023", "auto", "2023-03-04"),
        ("03/04/2023", "DMY", "2023-04-03"),
        ("03.04.2023", "auto", "2023-04-03"),
        ("13/02/2024", "auto", "2024-02-13"),
        ("Thu, 01/11/2024", "auto", "2024-01-11"),
        ("Fri, 01/12/2023", "auto", "2023-12-01"),
        ("05/03/2024", "auto", "2024-03-05"),
    ],
)
def test_an_ambiguous_date_is_decided_by_order_weekday_and_the_future(text: str, order: str, expected: str) -> None:
    moment = parse_date(text, now=NOW, zone=SEOUL, date_order=order)
    assert moment is not None
    assert moment.astimezone(SEOUL).strftime("%Y-%m-%d") == expected


def test_a_given_format_is_tried_first() -> None:
    moment = parse_date("16|02|2024 08h", now=NOW, zone=SEOUL, date_format="%d|%m|%Y %Hh")
    assert moment == datetime(2024, 2, 16, 8, tzinfo=SEOUL)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        "0000-00-00",
        "2030-01-01",
        "조회 12",
        "7551",
        "1,234",
        "2 jours",
        "99/99/9999",
        "1970-01-01",
        "n/a",
    ],
)
def test_what_is_no_publication_date_is_none(text: str) -> None:
    assert parse_date(text, now=NOW, zone=SEOUL) is None


def test_a_date_a_few_hours_ahead_is_a_wrong_clock_and_kept() -> None:
    assert parse_date("2024-03-10 22:00", now=NOW, zone=SEOUL) is not None
