"""What commands say of a page, in Korean."""

import re
import string
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.web.pages.said import said, table
from spiders.child.download import _WORDS, PrivateAddressError
from spiders.guessing.confidence import _DOUBTS, RowFacts, doubts
from spiders.guessing.propose import propose
from spiders.middlewares import _ADVICE
from spiders.reading.page_kind import page_kind
from tests.integration.spiders.real_pages import FOLDER
from tests.unit.spiders.reading.test_page_kind import PAGES, URL

NOW = datetime(2026, 7, 1, tzinfo=UTC)
LEFT_ENGLISH = re.compile(r" (?:the|is|are|of|and|no) ")
NO_DATES = "".join(f"<li><a href='/v?n={n}'>장학금 신청 안내 {n}번째 글입니다</a></li>" for n in range(1, 4))


def test_a_translation_has_the_places_of_its_sentence():
    for english, korean in table().items():
        names, others = (
            {name for _, name, _, _ in string.Formatter().parse(each) if name} for each in (english, korean)
        )
        assert names == others, english


@pytest.mark.parametrize(
    ("english", "korean"),
    [
        ("3 of 20 rows: no title", "행 20개 중 3개: 제목이 없습니다"),
        (
            "2 of 9 rows: the link is only 'javascript:go(1)': set link_template or id",
            "행 9개 중 2개: 링크가 'javascript:go(1)' 뿐입니다. link_template이나 id를 설정하세요",
        ),
        (
            "the likeliest rows are not proposed, because most rows have no date, and there are only a few: if they "
            "are the posts, give --row 'li, and.x' and --title 'a'",
            "가장 그럴듯한 행도 제안하지 않습니다. 이유: 행 대부분에 날짜가 없음, 몇 개뿐임. 그래도 글이 맞다면 row에 "
            "'li, and.x', title에 'a' 을 적으세요",
        ),
        (
            "https://b.example/ could not be crawled: the server answered 404 for https://b.example/: the page is not "
            "there: look for its new address",
            "https://b.example/ 을(를) 수집하지 못했습니다: 서버가 https://b.example/ 에 404 로 응답했습니다: "
            "페이지가 없습니다. 새 주소를 찾아 보세요",
        ),
        ("the answer broke off: https://b.example/{x}", "응답이 중간에 끊겼습니다: https://b.example/{x}"),
        ("a sentence, and another, that nobody knows", "a sentence, and another, that nobody knows"),
        ("", ""),
    ],
)
def test_values_are_taken_over_and_sentences_in_them_translated(english, korean):
    assert said("ko", english) == korean
    assert said("en", english) == english


@pytest.mark.parametrize("body", [body for body, _ in PAGES])
def test_what_a_page_is_instead_is_said_in_korean(body):
    assert_translated(page_kind(body.encode(), URL, content_type="text/html; charset=utf-8").sentence)


@pytest.mark.parametrize(
    "sentence", [*_ADVICE.values(), *(sentence for _, sentence in _WORDS), str(PrivateAddressError("10.0.0.1"))]
)
def test_what_a_crawl_failed_of_is_said_in_korean(sentence):
    assert_translated(sentence)


def test_each_doubt_is_said_in_korean():
    worst = {each.name: 0 for each in fields(RowFacts)} | {"furniture": True}
    facts = RowFacts(**worst)
    assert len(doubts(facts)) == len(_DOUBTS) + 1
    for doubt in (*doubts(facts), "little speaks for it"):
        assert_translated(doubt)


@pytest.mark.parametrize("page", ["<p>hello</p>", f"<ul>{NO_DATES}</ul>", "<rss><chan", '{"posts": [{"a": 1}]}'])
def test_why_nothing_is_proposed_is_said_in_korean(page):
    notes = propose(page.encode(), URL, now=NOW).notes
    assert notes
    for note in notes:
        assert_translated(note)


@pytest.mark.skipif(not FOLDER.exists(), reason="the saved real pages are not here")
def test_what_is_said_of_real_pages_is_said_in_korean():
    for path in filter(Path.is_file, FOLDER.glob("*/*")):
        for note in propose(path.read_bytes(), URL, now=NOW).notes:
            assert_translated(note)


def places(sentence):
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def assert_translated(sentence):
    korean = said("ko", sentence)
    assert re.search("[가-힣]", korean), sentence
    assert not LEFT_ENGLISH.search(korean), korean
