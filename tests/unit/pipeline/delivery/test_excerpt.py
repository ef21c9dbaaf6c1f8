import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.delivery.excerpt import excerpt
from pipeline.fanout.matcher import parse_phrase

KOREAN = (
    "안내 말씀 드립니다. " * 20
    + "이번 학기 국가 장학금 신청은 금요일까지입니다. "
    + "자세한 내용은 붙임 파일을 보십시오. " * 20
)
ENGLISH = (
    "The office is open as usual. " * 12 + "A Scholarship for exchange students starts. " + "Ask at the desk. " * 20
)


@pytest.mark.parametrize(
    ("text", "phrase", "shown"),
    [
        (KOREAN, "장학금", "장학금 신청은"),
        (KOREAN, "국가장학금", "국가 장학금 신청은"),
        (ENGLISH, "scholarship", "A Scholarship for"),
        (ENGLISH, '"exchange students"', "exchange students starts."),
        (ENGLISH, "students absent", "exchange students"),
        (f"Menu | map. {ENGLISH}", "absent | students", "exchange students"),
        (ENGLISH.replace("Scholarship", "Ｓｃｈｏｌａｒｓｈｉｐ"), "scholarship", "Ｓｃｈｏｌａｒｓｈｉｐ for"),
        ("artists start early. " * 20 + "It is art. " + "more words here " * 20, "art", "It is art."),
        ("奨学金の申請" * 60 + "留学生向けの案内" + "詳しくは窓口へ" * 60, "留学生", "留学生向けの案内"),
        ("x" * 500 + " needle " + "y" * 500, "needle", "needle"),
    ],
)  # fmt: skip
def test_the_words_around_the_phrase_are_shown_between_ellipses(text: str, phrase: str, shown: str) -> None:
    found = excerpt(text, parse_phrase(phrase).text)
    assert shown in found
    assert found.startswith("…")
    assert found.endswith("…")
    assert 140 < len(found) <= 240


def test_no_word_is_cut_and_a_short_text_is_shown_whole() -> None:
    words = excerpt(ENGLISH, "scholarship").strip("…").split()
    assert set(words) <= set(ENGLISH.split())
    assert excerpt("금요일까지", "장학") == "금요일까지"


def test_without_the_phrase_the_beginning_is_shown_and_at_the_end_as_much_before_it_as_there_is_room() -> None:
    assert excerpt(ENGLISH, "").startswith("The office is open")
    end = excerpt(ENGLISH + "The last word is thesis.", "thesis")
    assert end.endswith("The last word is thesis.")
    assert len(end) > 200


@given(st.text("가나 ab👩‍👧é\u0301ﬁİ", max_size=300), st.text("가나ab", max_size=5), st.integers(10, 100))
def test_an_excerpt_is_a_part_of_the_text_and_never_longer_than_it_may_be(text: str, phrase: str, length: int) -> None:
    text = " ".join(text.split())
    found = excerpt(text, phrase, length)
    assert len(found) <= max(length, 0)
    assert found.removeprefix("…").removesuffix("…") in text
