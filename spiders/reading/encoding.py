"""Bytes to text, when the declared encoding is wrong, missing, or too narrow for what the site really sends."""

import re
from dataclasses import dataclass
from typing import Final

from w3lib.encoding import html_body_declared_encoding, http_content_type_encoding, read_bom, resolve_encoding

_SAMPLE: Final = 40_000
"""Bytes that a guess looks at: enough for certainty, and cheap."""

_MULTI_BYTE: Final = frozenset({"cp949", "cp932", "gb18030", "big5hkscs", "big5", "euc_jp", "iso2022_jp"})
_HIGH: Final = re.compile(rb"[\x80-\xff]+")
_MARKUP: Final = re.compile(
    rb"<script.*?(?:</script>|\Z)|<style.*?(?:</style>|\Z)|<[^<>]*>?", re.DOTALL | re.IGNORECASE
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodedText:
    """A page or feed as text, and the encoding that its bytes turned out to be in."""

    text: str
    encoding: str


def decode(body: bytes, *, content_type: str = "", override: str = "") -> DecodedText:
    """Decode a page or feed; never fails.

    In this order: the override (a site's parameter), a byte order mark, UTF-8 when the bytes are UTF-8 (whatever
    is declared), the declared encodings that fit the bytes, and a guess. Encodings are widened as browsers do:
    euc-kr is read as CP949, gb2312 as GB18030, iso-8859-1 as windows-1252.
    """
    bom, mark = read_bom(body)
    if bom is not None:
        return _decoded(body[len(mark) :], bom)  # type: ignore[arg-type]
    if override and (chosen := resolve_encoding(override)):
        return _decoded(body, chosen)
    if body.isascii() and b"\x1b" not in body and b"\x00" not in body:
        return DecodedText(text=body.decode("ascii"), encoding="ascii")
    if b"\x00" in body[:64] and (wide := _wide(body)):
        return _decoded(body, wide)
    declared = _declared(body, content_type)
    if _is_utf8(body, is_declared="utf-8" in declared):
        return _decoded(body, "utf-8")
    for encoding in declared:
        if encoding != "utf-8" and _fits(body, encoding):
            return _decoded(body, encoding)
    return _decoded(body, guess(body))


def _declared(body: bytes, content_type: str) -> list[str]:
    """The declared encodings, the page's own first where the header only says what servers say by default."""
    header = http_content_type_encoding(content_type)
    page = html_body_declared_encoding(body)
    if page in {"utf-16", "utf-16-le", "utf-16-be", "utf-32"}:
        # A declaration that could be read as ASCII is not UTF-16.
        page = None
    both = [encoding for encoding in (header, page) if encoding]
    return sorted(dict.fromkeys(both), key=lambda encoding: encoding not in _MULTI_BYTE)


# A sign beyond the first 65,536 whose two halves (surrogates) were encoded one by one, as some databases do (CESU-8).
_HALVES: Final = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")


def _whole(halves: re.Match[bytes]) -> bytes:
    return halves[0].decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16").encode()


def _decoded(body: bytes, encoding: str) -> DecodedText:
    if encoding == "utf-8":
        body = _HALVES.sub(_whole, body)
    return DecodedText(text=body.decode(encoding, "replace").removeprefix("\ufeff"), encoding=encoding)


def _wide(body: bytes) -> str | None:
    """UTF-16 without a byte order mark, told by where the zeros of its ASCII characters are."""
    even, odd = body[:64:2].count(0), body[1:64:2].count(0)
    if odd > 20 and even < 5:
        return "utf-16-le"
    return "utf-16-be" if even > 20 and odd < 5 else None


def _is_utf8(body: bytes, *, is_declared: bool) -> bool:
    """Whether the bytes are UTF-8, apart from a few that a cut title or a template damaged.

    Text of another encoding hardly ever looks like it: of the characters of a Korean or Chinese page in its own
    encoding one in seven does by chance, of an accented letter none.
    """
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        text = _decoded(body, "utf-8").text
    else:
        return not body.isascii()
    damaged = text.count("\ufffd")
    readable = sum(1 for char in text if char > "\x7f") - damaged
    return readable >= damaged if is_declared else readable > 3 * damaged


def _fits(body: bytes, encoding: str) -> bool:
    text = body.decode(encoding, "replace")
    high = len(_HIGH.findall(body))
    if text.count("\ufffd") * 8 > max(high, 1):
        return False
    if encoding in _MULTI_BYTE or not _is_dense(body):
        return True
    # Single-byte encodings fit any bytes. Long runs of high bytes under a western label are another script.
    return encoding not in {"cp1252", "iso8859-1", "iso8859-15"} or guess(body) == "cp1252"


def _is_dense(body: bytes) -> bool:
    """Whether most of the text is not ASCII; in western languages only a letter here and there is not."""
    text = b"".join(_MARKUP.sub(b" ", body[: 4 * _SAMPLE])[:_SAMPLE].split())
    runs = _HIGH.findall(text)
    return bool(runs) and (sum(map(len, runs)) / len(runs) >= 3 or sum(map(len, runs)) / len(text) > 0.3)


def guess(body: bytes) -> str:
    """The encoding that makes most of the bytes ordinary characters of one script; windows-1252 when none does."""
    sample = b" ".join(_HIGH_WITH_TRAIL.findall(_MARKUP.sub(b" ", body[: 4 * _SAMPLE])[:_SAMPLE]))
    if not sample or not _is_dense(body):
        return "cp1252"
    scored = [(score, encoding) for encoding in _GUESSES if (score := _score(sample, encoding)) > 0.6]
    return max(scored)[1] if scored else "cp1252"


_HIGH_WITH_TRAIL: Final = re.compile(rb"(?:[\x80-\xff][\x30-\xff]?)+")
_GUESSES: Final = ("cp1251", "koi8-r", "cp874", "gb18030", "big5", "cp949", "euc_jp", "cp932")


def _score(sample: bytes, encoding: str) -> float:
    text = sample.decode(encoding, "replace")
    chars = [char for char in text if char > "\x7f"]
    if not chars or text.count("\ufffd") * 20 > len(chars):
        return 0.0
    total = len(chars)
    if encoding in {"cp932", "euc_jp"}:
        kana = sum("\u3041" <= char <= "\u30fe" for char in chars) / total
        odd = sum("\uff61" <= char <= "\uff9f" for char in chars) / total
        return 0.0 if kana < 0.15 or odd > 0.3 else 0.9 + kana / 10 - odd / 2
    if encoding == "cp949":
        return 1.02 * sum(_is_common_hangul(char) or _is_punctuation(char) for char in chars) / total
    if encoding == "cp874":
        return 1.01 if _is_thai(text) else 0.0
    if encoding in {"cp1251", "koi8-r"}:
        return 0.98 * sum("а" <= char <= "ё" for char in chars) / total
    return sum(_is_common_hanzi(char, encoding) or _is_punctuation(char) for char in chars) / total


def _is_common_hangul(char: str) -> bool:
    """Whether a syllable is one of the 2,350 of KS X 1001; CP949 holds 8,800 more that hardly occur."""
    try:
        return "\uac00" <= char <= "\ud7a3" and len(char.encode("euc_kr")) == 2
    except UnicodeEncodeError:
        return False


def _is_punctuation(char: str) -> bool:
    return "\u2010" <= char <= "\u2030" or "\u3000" <= char <= "\u301f" or char in "·！（），．：；？"


def _is_thai(text: str) -> bool:
    """Thai is told by its vowel signs and tone marks, each of which stands on a consonant (or on another mark)."""
    marks = list(_THAI_MARK.finditer(text))
    standing = sum("\u0e01" <= text[mark.start() - 1] <= "\u0e4e" for mark in marks if mark.start())
    letters = sum("\u0e01" <= char <= "\u0e5b" for char in text if char > "\x7f")
    foreign = sum(1 for char in text if char > "\x7f") - letters
    stacked = len(_THAI_NONSENSE.findall(text))
    enough = letters > 20 * foreign and len(marks) > letters / 12
    return enough and standing > 0.97 * len(marks) and stacked < letters / 50


_THAI_MARK: Final = re.compile("[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]")
_THAI_NONSENSE: Final = re.compile(
    "[\u0e31\u0e34-\u0e3a][\u0e31\u0e34-\u0e3a]|[\u0e40-\u0e44](?![\u0e01-\u0e2e])|[\u0e3b-\u0e3e\u0e4f-\u0e5b]"
)


def _is_common_hanzi(char: str, encoding: str) -> bool:
    """Whether a character is of the first, everyday level of GB 2312 or Big5."""
    try:
        lead = char.encode("gb2312" if encoding == "gb18030" else "big5")[0]
    except UnicodeEncodeError:
        return False
    return 0xB0 <= lead <= 0xD7 if encoding == "gb18030" else 0xA4 <= lead <= 0xC6
