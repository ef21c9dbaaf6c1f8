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

# Read at 16:00 in Seoul on Saturday, 28 November 2026; a semicolon stands between one text and the next.
LATER = datetime(2026, 11, 28, 16, 0, tzinfo=SEOUL)

SAID = {
    "2026-11-28 00:00": "28 11월 2026 ; 2026 11월 28 ; 28 11月 2026 ; 2026 11月 28 ; 11월 28, 2026 ; 금일 ; 本日",
    "2026-11-28 09:00": "토, 28 11월 2026 09:00:00 +0900 ; Sat, 28 Nov 2026 09:00:00 +0900",
    "2026-11-28 14:00": """
        2.9k 2시간 전 ; 2시간 전 ; 두 시간 전 ; 약 2시간 전 ; 두시간전 ; 2時間前 ; 2小时前 ; 2小時前 ;
        两小时前发布 ; 2 hours ago ; vor 2 Stunden ; vor etwa zwei Stunden ; il y a 2 h ;
        il y a environ deux heures ; hace 2 horas ; 2 ore fa ; há 2 horas ; 2 uur geleden ; 2 jam yang lalu ;
        2 saat önce ; 2 часа назад ; منذ ساعتين ; 2 giờ trước ; 2 godziny temu ; 조회 1.2만 · 2시간 전 ;
        호구스 662 2시간 전 ; 환타707 4.7k 2시간 전 ; 4.5 | 2시간 전 ; Updated 2 hours ago ;
        123 points by wanda 2 hours ago | hide | 45 comments ; 2 jam yang lalu Indri Lidiawati
    """,
    "2026-11-28 15:00": """
        한 시간 전 ; 1시간전 ; an hour ago ; vor einer Stunde ; hace una hora ; час назад ; منذ ساعة ;
        sejam lalu
    """,
    "2026-11-28 15:30": "半小时前 ; 30분 전 ; 30 phút trước ; منذ 30 دقيقة ; 30 menit lalu",
    "2026-11-28 16:00": "방금 ; 방금 전 ; 방금전 ; just now ; たった今 ; 刚刚 ; 剛剛 ; à l’instant ; только что ; الآن",
    "2026-11-27 16:00": "하루 전 ; 하루전 ; 1일 전 ; a day ago ; vor einem Tag ; 1日前 ; 1天前 ; 1 ngày trước",
    "2026-11-26 16:00": "이틀 전 ; 이틀전 ; 2 days ago ; 两天前 ; منذ يومين ; Last Post By 2 Days Ago by bondor",
    "2026-11-25 16:00": "사흘 전 ; 3日前 ; vor 3 Tagen ; 3 hari yang lalu",
    "2026-11-21 16:00": "1주일 전 ; 일주일 전 ; 一周前 ; a week ago ; неделю назад",
    "2026-11-27 00:00": """
        작일 ; 전일 ; 어제 ; 昨日 ; 昨天 ; yesterday ; geſtern ; GEſTERN ; hıer ; HİER ; ieri ; AYER ; вчера ;
        أمس ; hôm qua ; kemarin ; dün ; 2026.11.27 ; ２０２６．１１．２７ ; 2026‐11‐27 ; \u200f2026-11-27\u200e ;
        2026. 11. 27. 금요일 ; 26.11.27.(금) ; 2026年11月27日（金） ; 2026년11월27일 ; 11.27 ; 11. 27. ; 11/27 ;
        11-27 ; 11월 27일 ; 11月27日 ; 民國115年11月27日 ; 中華民國 115 年 11 月 27 日 ; 115年11月27日 ;
        115/11/27 ; 115.11.27 ; 令和8年11月27日 ; 2569-11-27 ; 27 نوفمبر 2026 ; ٢٧ نوفمبر ٢٠٢٦ ;
        27 تشرين الثاني 2026 ; 27 ноября 2026 г. ; ngày 27 tháng 11 năm 2026 ; 27 Kasım 2026 ; 27 tháng 11, 2026 ;
        Freitag, 27. November 2026 ; vendredi 27 novembre 2026 ; viernes, 27 de noviembre de 2026 ;
        Jumat, 27 November 2026 ; Nov. 27th, 2026 ; the 27th of November 2026 ; 27.11.26 ; 27. 11. 2026 ;
        27/11/2026 ; 작성일시 : 2026-11-27 (수정일 2026-11-28) ; 2026-11-27 (edited 2026-11-28) ;
        등록일 2026.11.27 마감일 2026.12.20 ; Published in the Law Journal of November 27, 2026: ;
        By John Smith on November 27, 2026 ; 11-272026-11-27 ; 发布日期：2026年11月27日 来源：新华网 ;
        更新日：2026年11月27日 ; publié le 27 nov. 2026 ; 20261127 ; $5 Nov 27 ; 조회 12 2026.11.27
    """,
    "2026-11-27 10:00": """
        Fri, 27 Nov 2026 10:00:00 GMT+9 ; Fri, 27 Nov 2026 10:00:00 UTC+9 ; Fri, 27 Nov 2026 10:00:00 UTC+09:00 ;
        Fri Nov 27 2026 10:00:00 GMT+0900 (Korean Standard Time) ; Fri, 27 Nov 2026 10:00:00 +9:00 ;
        20261127T100000+0900 ; 20261127T0100Z ; 2026-11-27T01:00Z ; 2026-11-27T10:00:00 09:00 ;
        Fri, 27 Nov 2026 10:00:00 Asia/Seoul ; 1795741200.0 ; Fri, 27 Nov 2026 10:00 a.m. KST ;
        27 Kasım 2026 10:00 ; 2026-11-27 오전 10:00 ; 20261127100000 ; 1795741200000 ; 어제 오전 10시 ;
        昨日 10時00分 ; 昨天上午10:00 ; gestern um 10:00 Uhr ; hier à 10h00 ; ayer a las 10:00 ; вчера в 10:00 ;
        kemarin pukul 10.00 ; 27 November 2026 08.00 WIB ; أمس 10:00 ص ; hôm qua lúc 10:00 ;
        Fri Nov 27 10:00:00 2026 ; Fri Nov 27 10:00:00 KST 2026 ; 2026년 11월 27일 10시 ; 2026.11.27 (금) 10:00 ;
        11/27 10:00 ; Thu, 26 Nov 2026 20:00 -05:00 ; Friday at 10:00 AM ; Freitag um 10:00 ;
        11-272026-11-27 10:00:59 ; Patrickk - 27.11.2026, 10:00 Uhr ; 2026-11-27-10:00
    """,
    "2026-11-28 00:00 ": "2026-11-27 24:00 ; Fri, 27 Nov 2026 24:00:00 +0900 ; 2026년 11월 27일 24시 ; 어제 24:00",
    "2026-11-27 22:30": "أمس 10:30 م ; 어제 밤 10:30 ; 27 nov. 2026 10:30 p. m. ; 昨天 晚上10:30 ; PM 10:30 2026.11.27",
    "2012-05-29 20:14": "Mar 29 Mai 2012 20:14 ; mardi 29 mai 2012 20:14 ; le lot de arnaud » Mar 29 Mai 2012 20:14",
}

UNSAID = """
    2.9k ; 2.9K ; 4.5 ; 4.5점 ; 9.5 | 1.2 ; v1.2 ; v1.2.3 ; 버전 1.2.24 ; 1.2만 ; 1,234 ; 2026 ; 조회 2026 ;
    12회 ; 3/5명 ; $10.25 ; 10.25 € ; 10.25% ; 2-1 ; 1:0 ; 3 : 2 ; Part 1/2 ; 1/2 단계 ; 010-1234-5678 ;
    02-123-4567 ; 192.168.1.10 ; No. 20261127001 ; 249PA19-2 ; Misc. 13-09 ; ISBN 978-89-1234-567-8 ; PS5 ; D-3 ;
    D+2 ; D-day ; 3일 남음 ; noch 3 Tage ; 2 jours ; 3시간 ; in 3 days ; 2026년 7월 ; 2026년 7월 조회 12 ;
    2026-07 ; 2026/11 ; July 2026 ; 2026年7月 ; 7월 ; 지난주 ; last week ; 접수기간 2026.07.01 ~ 07.15 ;
    2026.07.01 ~ 2026.07.15 ; 2026.07.01~15 ; ~ 07.15 ; 2026.11.01 ~ ; (~11/27) ; 2026-07-01 – 2026-07-15 ;
    2026.11.20 10:00 ~ 12:00 ; 2026.11.20 10:00-12:00 ; 2026.11.20(금) 10:00 ~ 11.21(토) 12:00 ;
    11.20(금) - 11.27(금) ; 2026.07.01 to 2026.07.15 ; 1 July 2026 bis 15 July 2026 ;
    du 1 juillet 2026 au 15 juillet 2026 ; с 1 июля 2026 до 15 июля 2026 ; 2026年7月1日～7月15日 ;
    2026年7月1日から2026年7月15日まで ; 2026.11.20 까지 ; ~2026.11.20 마감 ; 마감일 : 2026.11.20 ;
    접수 2026.11.20 ; 모집기간: 2026.11.20 ; Due Nov 20, 2026 ; Deadline: 20 November 2026 ; bis 20.11.2026 ;
    jusqu'au 20 novembre 2026 ; 截止日期 2026-11-20 ; 締切 2026年11月20日 ; hạn nộp 20/11/2026 ;
    до 20 ноября 2026 ; حتى 20 نوفمبر 2026 ; batas 20 November 2026 ; hasta el 20 de noviembre de 2026 ;
    [7/11] 설명회 안내 ; 2026.07.11 정기점검 안내 ; 2026학년도 하계 수강신청 안내(2026.06.01) ;
    2026년 7월 11일 서버 점검 및 변경사항 안내 ; FUT emerges victorious in 2-1 nailbiter ;
    SEC issues $3.8M whistleblower award ; In search of 2.11BSD, as released ; 화재 사고 3일 전 관련 안내 말씀 ;
    Find London jobs and apply for part-time vacancies today ; 오늘의집 ; 本日の新着 6件 ; 전국 ; 전체 ;
    newbie 3/09 ; 어제와 오늘 사이에 생긴 일 ; 2026.11.27 2026.11.20 ; 3일 전 5일 전 ; 2026-02-30 ; 31/02/2026 ;
    1403/12/15 ; 1447-05-06 ; 0000-00-00 00:00:00 ; 345678901
"""


def each(texts: str) -> list[str]:
    return [text.strip() for text in texts.split(";")]


@pytest.mark.parametrize(
    ("expected", "text"), [(key.strip(), text) for key, texts in SAID.items() for text in each(texts)]
)
def test_a_date_is_read_as_boards_in_many_languages_write_it(expected: str, text: str) -> None:
    moment = parse_date(text, now=LATER, zone=SEOUL)
    assert moment.astimezone(SEOUL).strftime("%Y-%m-%d %H:%M") == expected


@pytest.mark.parametrize("text", each(UNSAID))
def test_what_may_mean_something_else_is_no_date(text: str) -> None:
    assert parse_date(text, now=LATER, zone=SEOUL) is None


def test_a_zone_with_several_meanings_is_the_sites_own_when_it_has_that_name() -> None:
    shanghai = ZoneInfo("Asia/Shanghai")
    assert parse_date("2026-11-27 10:00 CST", now=LATER, zone=shanghai) == datetime(2026, 11, 27, 10, tzinfo=shanghai)
    assert parse_date("2026-11-27 10:00 CST", now=LATER) == datetime(2026, 11, 27, 16, tzinfo=UTC)


def in_seoul(text: str) -> str | None:
    moment = parse_date(text, now=NOW, zone=SEOUL)
    return moment and moment.astimezone(SEOUL).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(("text", "expected"), ABSOLUTE + TODAY)
def test_a_date_without_a_zone_is_in_the_sites_zone(text: str, expected: str) -> None:
    assert in_seoul(text) == expected


@pytest.mark.parametrize(("text", "expected"), WITH_ZONE)
def test_a_date_with_a_zone_keeps_it(text: str, expected: str) -> None:
    moment = parse_date(text, now=NOW, zone=SEOUL)
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
    assert moment.astimezone(SEOUL).strftime("%Y-%m-%d") == expected


def test_a_given_format_is_tried_first() -> None:
    moment = parse_date("16|02|2024 08h", now=NOW, zone=SEOUL, date_format="%d|%m|%Y %Hh")
    assert moment == datetime(2024, 2, 16, 8, tzinfo=SEOUL)


@pytest.mark.parametrize(
    "text",
    each("; garbage ; 0000-00-00 ; 2030-01-01 ; 조회 12 ; 7551 ; 1,234 ; 2 jours ; 99/99/9999 ; 1970-01-01 ; n/a"),
)
def test_what_is_no_publication_date_is_none(text: str) -> None:
    assert parse_date(text, now=NOW, zone=SEOUL) is None


def test_a_date_a_few_hours_ahead_is_a_wrong_clock_and_kept() -> None:
    assert parse_date("2024-03-10 22:00", now=NOW, zone=SEOUL) is not None
