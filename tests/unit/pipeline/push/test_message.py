import json
import unicodedata
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.push.message import (
    ELLIPSIS,
    MAX_PAYLOAD_BYTES,
    PayloadTooLargeError,
    boundary_before,
    clean_text,
    fit,
    tag_for_post,
)
from tests.support.messages import message


def encode(of):
    form = {"title": of.title, "body": of.body, "url": of.url, "data": dict(of.data)}
    return json.dumps(form, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain", "plain"),
        ("  two \t words\r\n\n and\u3000more\u00a0", "two words and more"),
        ("nul\x00 bell\x07 escape\x1b[31m delete\x7f c1\x9b", "nul bell escape[31m delete c1"),
        ("\u202egnp.exe\u202c", "gnp.exe"),
        ("\u2066isolated\u2069", "isolated"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("lone \ud83d surrogate", "lone surrogate"),
        ("line\u2028separator", "line separator"),
        # What makes an emoji, a flag or a Persian word stays.
        ("👨\u200d👩\u200d👧 👍🏽 🇰🇷 نامه\u200cای", "👨\u200d👩\u200d👧 👍🏽 🇰🇷 نامه\u200cای"),
        # A Mac writes Korean in pieces, three times as long.
        (unicodedata.normalize("NFD", "장학금"), "장학금"),
        ("", ""),
        ("\x00\u202e", ""),
    ],
)
def test_text_becomes_one_clean_line(text, cleaned):
    assert clean_text(text) == cleaned


@given(st.text(alphabet=st.characters(), max_size=60))
@settings(max_examples=200)
def test_cleaned_text_can_be_encoded_and_is_clean_already(text):
    cleaned = clean_text(text)
    cleaned.encode("utf-8")
    assert clean_text(cleaned) == cleaned
    assert "\n" not in cleaned


FAMILY = "👨\u200d👩\u200d👧"
SCOTLAND = "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"


@pytest.mark.parametrize(
    "grapheme", ["e\u0301", "👍🏽", FAMILY, "🇰🇷", SCOTLAND, "1\ufe0f\u20e3", "ᄒ\u1161\u11ab", "नि", "❤\ufe0f"]
)
def test_a_cut_never_tears_a_visible_character_apart(grapheme):
    text = "a" + grapheme + "b"
    for at in range(len(text) + 1):
        assert text[: boundary_before(text, at)] in {"", "a", "a" + grapheme, text}


def test_flags_in_a_row_are_cut_between_flags():
    text = "🇰🇷🇯🇵🇫🇷"
    assert [boundary_before(text, at) for at in range(7)] == [0, 0, 2, 2, 4, 4, 6]


def test_a_message_that_fits_is_left_alone():
    short = message()
    assert fit(short, encode) == (short, encode(short))


@pytest.mark.parametrize("unit", ["a", "한", "👍🏽", FAMILY, '"', "\\", "🇰🇷", "e\u0301"])
def test_a_long_body_is_cut_so_that_the_encoded_payload_just_fits(unit):
    long = message(body=unit * 5000)
    fitted, payload = fit(long, encode)
    assert len(payload) <= MAX_PAYLOAD_BYTES
    assert payload == encode(fitted)
    assert fitted.body.endswith(ELLIPSIS)
    kept = fitted.body.removesuffix(ELLIPSIS)
    assert kept == unit * (len(kept) // len(unit))
    # One more would have been too much.
    assert len(payload) + len(json.dumps(unit, ensure_ascii=False).encode()) - 2 > MAX_PAYLOAD_BYTES
    assert fitted.title == long.title


def test_the_title_is_cut_only_when_an_empty_body_is_not_enough():
    fitted, payload = fit(message(title="제목" * 2000, body="본문" * 2000), encode)
    assert len(payload) <= MAX_PAYLOAD_BYTES
    assert fitted.body == ""
    assert fitted.title.startswith("제목제목")
    assert fitted.title.endswith(ELLIPSIS)


LONG = "https://board.example/%EC%9E%A5" + "%ED%95%99" * 450
SITE = "https://board.example/list"
HEAVY = {
    "address": {"url": LONG},
    "address three times": {
        "url": LONG,
        "data": {"post_id": "7", "site": "demo", "url": LONG, "link": "app://" + LONG},
    },
    "site's address too": {"url": LONG, "fallback_url": SITE + "?" + "a" * 4000},
    "picture": {"image": "https://board.example/" + "a" * 4000},
    "further data": {"data": {"post_id": "7", "site": "demo", "more": "공지" * 2000}},
    "thread": {"thread_id": "제목" * 700},
    "all of it": {"url": LONG, "image": LONG, "thread_id": LONG, "data": {"post_id": "7", "more": LONG}},
}


@pytest.mark.parametrize("text", ["공지", "본문 👍🏽 " * 900])
@pytest.mark.parametrize("heavy", HEAVY)
def test_what_nobody_reads_never_costs_a_message_its_text(heavy, text):
    asked = message(body=text, **{"fallback_url": SITE, **HEAVY[heavy]})
    fitted, payload = fit(asked, encode)
    assert len(payload) <= MAX_PAYLOAD_BYTES
    assert fitted.title == asked.title
    assert fitted.body == text or len(fitted.body.encode()) > 500
    assert fitted.data["post_id"] == "7"


def test_a_long_address_is_replaced_by_the_sites_own_or_by_none_and_a_good_one_stays():
    listed = {"post_id": "7", "site": "demo", "url": LONG, "link": LONG}
    fitted, _ = fit(message(url=LONG, data=listed, fallback_url=SITE), encode)
    assert (fitted.url, fitted.data) == (SITE, {"post_id": "7", "site": "demo", "url": SITE})
    fitted, _ = fit(message(url=LONG * 2, data=listed), encode)
    assert (fitted.url, fitted.data) == (None, {"post_id": "7", "site": "demo"})
    asked = message(fallback_url=SITE, data={"post_id": "7", "site": "demo", "more": "a" * 4000})
    fitted, _ = fit(asked, encode)
    assert (fitted.url, fitted.data) == (asked.url, {"post_id": "7", "site": "demo"})


def test_a_message_that_cannot_be_made_to_fit_is_an_error_in_words():
    with pytest.raises(PayloadTooLargeError, match="4096 are allowed"):
        fit(message(data={"post_id": "7" * 5000}), encode)


def test_a_token_is_not_shown():
    assert "abab" not in repr(message())


def test_a_tag_stands_for_a_post_and_is_short_enough_for_apple():
    assert tag_for_post(7) == tag_for_post(7) != tag_for_post(8)
    assert len(tag_for_post(2**63)) <= 64
    with pytest.raises(ValueError, match="64 bytes"):
        message(tag="글" * 22)


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        message(created_at=datetime(2026, 3, 1))  # noqa: DTZ001
