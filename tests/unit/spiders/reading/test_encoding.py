import codecs

import pytest

from spiders.reading.encoding import decode

KOREAN = "건국대학교 학생 공지사항입니다. 장학금 신청 안내를 확인하시기 바랍니다."
JAPANESE = "これは新しい求人のお知らせです。東京都の駐車場警備の仕事があります。"
CHINESE = "中国银联与日本公司今天宣布完成网关协议的签订，用户可以使用全部网络。"
TAIWANESE = "這是今天的公告，請大家注意安全，明天的會議改到下午三點舉行。"
RUSSIAN = "Вышел февральский номер журнала. Юные читатели задают много вопросов."
FRENCH = "Perturbateurs endocriniens : quels effets sur le cerveau dès l'été ? Ça va déjà."
THAI = "ข่าวใหม่ของโอเพนซอร์สในประเทศไทยวันนี้ผู้ใช้งานมั่นใจ"


def page(text: str, declared: str | None) -> str:
    meta = f'<meta charset="{declared}">' if declared else ""
    return f"<html><head>{meta}<title>x</title></head><body><p>{text}</p></body></html>"


@pytest.mark.parametrize(
    ("text", "real", "declared"),
    [
        (KOREAN, "euc-kr", "euc-kr"),
        ("똠방각하 펲시콜라 " + KOREAN, "cp949", "euc-kr"),
        (KOREAN, "utf-8", "windows-1252"),
        (KOREAN, "utf-8", "euc-kr"),
        (KOREAN, "cp949", "utf-8"),
        (KOREAN, "cp949", None),
        (KOREAN, "cp949", "iso-8859-1"),
        (JAPANESE, "cp932", "shift_jis"),
        (JAPANESE, "cp932", None),
        (JAPANESE, "euc-jp", None),
        (JAPANESE, "iso2022_jp", "iso-2022-jp"),
        (CHINESE, "gb18030", "gb2312"),
        (CHINESE, "gb18030", None),
        (TAIWANESE, "big5", "big5"),
        (TAIWANESE, "big5", None),
        (RUSSIAN, "koi8-r", "koi8-r"),
        (RUSSIAN, "koi8-r", None),
        (RUSSIAN, "cp1251", None),
        (THAI, "cp874", "tis-620"),
        (FRENCH, "cp1252", "iso-8859-1"),
        (FRENCH, "cp1252", None),
        (FRENCH, "utf-8", "iso-8859-1"),
        (FRENCH, "utf-8", None),
        ("Preis: 12 €, Größe", "iso8859-15", "iso-8859-15"),
        (KOREAN, "utf-16", None),
        (FRENCH, "utf-16-le", None),
    ],
)
def test_text_is_read_whatever_is_declared(text: str, real: str, declared: str | None) -> None:
    assert text in decode(page(text, declared).encode(real)).text


def test_the_header_counts_where_the_page_declares_nothing() -> None:
    body = page("Größe", None).encode("iso8859-15")
    assert decode(body, content_type='text/html; charset="iso-8859-15"').encoding == "iso8859-15"


def test_a_servers_default_charset_does_not_beat_the_page() -> None:
    body = page(KOREAN, "euc-kr").encode("cp949")
    assert KOREAN in decode(body, content_type="text/html; charset=ISO-8859-1").text


def test_an_override_beats_everything() -> None:
    assert decode("é".encode("cp1252"), override="cp1251").text == "й"


def test_a_byte_order_mark_is_believed_and_dropped() -> None:
    assert decode(codecs.BOM_UTF8 + "é".encode(), content_type="text/html; charset=latin1").text == "é"


def test_a_title_cut_in_the_middle_of_a_character_does_not_spoil_the_page() -> None:
    assert KOREAN in decode(page(KOREAN, None).encode() + "안녕".encode()[:-1] + b"...").text
    assert KOREAN in decode(page(KOREAN, "euc-kr").encode("cp949") + "안녕".encode("cp949")[:-1] + b"...").text


CAFE = "We’re hiring: café staff"


@pytest.mark.parametrize(
    "damage", ["ï".encode()[:-1], "안".encode()[:-1], "안".encode()[1:], b"\xff", b"\xa0", b"\x92"]
)
@pytest.mark.parametrize("declared", ["header", "page"])
def test_one_byte_that_is_not_utf8_does_not_spoil_a_page_with_few_accents(damage: bytes, declared: str) -> None:
    body = page(CAFE, "utf-8" if declared == "page" else None).encode() + b"<p>cut" + damage + b"...</p>"
    decoded = decode(body, content_type="text/html; charset=utf-8" if declared == "header" else "text/html")
    assert CAFE in decoded.text
    assert decoded.encoding == "utf-8"


@pytest.mark.parametrize(
    ("text", "real"), [("café", "cp1252"), ("한글 공지", "cp949"), ("Вышел", "koi8-r"), ("이것은", "cp949")]
)
def test_a_page_of_few_letters_is_not_utf8_because_it_says_so(text: str, real: str) -> None:
    assert decode(page(text, "utf-8").encode(real)).encoding != "utf-8"


def test_one_damaged_character_does_not_spoil_a_korean_page_with_few_of_them() -> None:
    body = page("학사 공지, 장학 안내, 채용 공고, 행사 일정", "euc-kr").encode("cp949") + b"cut\xb0 "
    assert "장학 안내" in decode(body).text


def test_an_emoji_in_two_halves_of_three_bytes_is_one_sign() -> None:
    assert decode(b"launch \xed\xa0\xbd\xed\xba\x80 now").text == "launch 🚀 now"


@pytest.mark.parametrize("body", [b"", b"\x00" * 100, b"\xff" * 100, bytes(range(256)), b"\x1b$B"])
def test_any_bytes_are_read(body: bytes) -> None:
    assert isinstance(decode(body).text, str)
