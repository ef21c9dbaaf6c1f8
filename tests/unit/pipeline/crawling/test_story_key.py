"""Which titles are one story, and above all which are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crawling.story_key import LEAST, story_key

LABELS = ("장학", "컴퓨터공학부", "전자공학부")

SAME = (
    ("[장학] 2026년 국가장학금 2차 신청 안내", "2026년 국가장학금 2차 신청 안내"),
    ("[공지][장학] 기숙사 2차 추가모집", "기숙사  2차 추가모집"),
    ("【컴퓨터공학부】 캡스톤디자인 경진대회 개최", "캡스톤디자인 경진대회 개최 (NEW)"),
    ("삼성전자 DX부문 신입사원 채용", "삼성전자 ＤＸ부문 신입사원 채용!"),
    ("동계 계절학기 수강신청(12/1~12/5)", "동계 계절학기 수강신청 (12.1 - 12.5)"),
    ("Spring Job Fair 2026: Registration", "spring job fair 2026 – registration"),
)
DIFFERENT = (
    # Rounds, dates, numbers.
    ("국가장학금 1차 신청 안내", "국가장학금 2차 신청 안내"),
    ("제1회 해커톤 참가자 모집", "제11회 해커톤 참가자 모집"),
    ("학생식당 주간식단 (11.23~11.27)", "학생식당 주간식단 (11.30~12.4)"),
    ("구내식당 식단표 1.15 공개", "구내식당 식단표 11.5 공개"),
    ("2026-1학기 교환학생 선발", "2026-2학기 교환학생 선발"),
    ("토익 1.5배 가산점 부여", "토익 15배 가산점 부여"),
    # What is not of the site alone.
    ("[경영학부] 졸업논문 제출 기한", "졸업논문 제출 기한"),
    ("[서울] 하계 인턴십 참가자 모집", "[세종] 하계 인턴십 참가자 모집"),
    ("[마감] 근로장학생 추가 선발", "근로장학생 추가 선발"),
    ("[1차] 근로장학생 추가 선발", "[2차] 근로장학생 추가 선발"),
    ("근로장학생 추가 선발", "근로장학생 추가 선발 취소"),
    ("C++ 프로그래밍 특강", "C# 프로그래밍 특강"),
    ("Re: 국가장학금 신청 문의", "국가장학금 신청 문의"),
)
NO_KEY = (
    "",
    "공지",
    "[공지] 공지사항",
    "공지사항 안내드립니다",
    "[컴퓨터공학부] 학과 공지사항 안내",
    "주간 식단표 안내",
    "이번주 학식 메뉴 안내",
    "Notice: information",
    "휴강 안내",
    "2026!!!",
    "Re: 국가장학금 신청 문의드립니다",
    "[RE] 국가장학금 신청 문의드립니다",
    "답변: 국가장학금 신청 문의드립니다",
)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_these_are_one_story(one: str, other: str) -> None:
    assert story_key(one, LABELS) == story_key(other, LABELS) is not None


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_these_are_two(one: str, other: str) -> None:
    assert story_key(one, LABELS) != story_key(other, LABELS)


@pytest.mark.parametrize("title", NO_KEY)
def test_these_say_too_little_to_be_one_with_anything(title: str) -> None:
    assert story_key(title, LABELS) is None


@given(st.text(max_size=80))
def test_a_key_is_long_enough_and_keeps_every_digit_of_what_is_not_a_label(title: str) -> None:
    key = story_key(title)
    if key is not None:
        assert len(key) >= LEAST
        assert story_key(f"[공지] {title} [new]") == story_key(f"【필독】{title}")


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_other_numbers_make_other_keys(one: int, other: int) -> None:
    keys = [story_key(f"근로장학생 {number}차 추가 선발") for number in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)
