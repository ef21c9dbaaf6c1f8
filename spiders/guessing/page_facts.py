"""What a page says of itself besides its rows: its time zone, where the next page is. Pure."""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from lxml import etree

from spiders.guessing.element_names import stable_classes, with_class
from spiders.reading.identity import resolve
from spiders.reading.selectors import compile_selector
from spiders.reading.text import element_text

_ENCODINGS: Final = {"gb2312": "zh-cn", "gbk": "zh-cn", "gb18030": "zh-cn", "big5": "zh-tw", "euc-kr": "ko"}
_HANGUL: Final = re.compile(r"[\uac00-\ud7a3]")
_KANA: Final = re.compile(r"[\u3041-\u30fe]")
_HAN: Final = re.compile(r"[\u4e00-\u9fff]")
_LETTER: Final = re.compile(r"[^\W\d_]")
_SIMPLIFIED: Final = re.compile(r"[国们这时个来为说对会发没过还经进样问关话间东车头长门马书见]")
_TRADITIONAL: Final = re.compile(r"[國們這時個來為說對會發沒過還經進樣問關話間東車頭長門馬書見]")
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)
_DIGIT: Final = re.compile(r"\d")
_SAMPLE: Final = 20_000

_NEXT: Final = re.compile(
    r"(?:다음(?:\s?페이지)?|next(?:\s+page)?|older(?:\s+(?:posts|entries))?|次(?:へ|の?ページ|の\d+件)?|下一?[页頁]|suivante?|"
    r"page suivante|weiter|nächste(?:\s+seite)?|siguientes?|próxim[ao]s?|seguinte|successiv[ao]|volgende|"
    r"следующая|вперед|далее|dalej|następna|berikutnya|التالي|more)?\s*(?:[>›»→]{1,2})?",
    re.IGNORECASE,
)
_NEXT_CLASS: Final = re.compile(r"(?:.*[-_])?next(?:[-_].*)?|morelink", re.IGNORECASE)


def timezone_of(root: etree._Element, source: str, url: str) -> str:
    """The zone of the page's language, or of its country where the language is spoken in several; "" for neither."""
    country = (urlsplit(url).hostname or "").rpartition(".")[2]
    return zone_of(_language(root, source), country)


def _language(root: etree._Element, source: str) -> str:
    """A page's language: by its letters where they are of one language alone, else as it says itself."""
    text = element_text(root)[:_SAMPLE]
    letters = len(_LETTER.findall(text)) or 1
    hangul, kana, han = (len(each.findall(text)) for each in (_HANGUL, _KANA, _HAN))
    if hangul > 0.2 * letters:
        return "ko"
    if kana > 0.1 * letters:
        return "ja"
    if han > 0.3 * letters:
        simplified, traditional = len(_SIMPLIFIED.findall(text)), len(_TRADITIONAL.findall(text))
        return "zh-cn" if simplified > 2 * traditional else _chinese(root, source)
    declared = _declared(root)
    # A template in English or Korean keeps its lang whatever the page is written in.
    return "" if declared in {"ko", "ja"} or declared.startswith("zh") else declared


def _chinese(root: etree._Element, source: str) -> str:
    charset = _CHARSET.search(source[:2_000])
    declared = _declared(root)
    return declared if declared.startswith("zh") else _ENCODINGS.get(charset[1].lower() if charset else "", "zh")


def _declared(root: etree._Element) -> str:
    return (root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang") or "").lower().replace("_", "-")


def next_of(root: etree._Element, base: str, url: str) -> str:
    """The selector of the link to the next page, "" where there is none that leads to another page of the list."""
    for selector in _next_selectors(root):
        found = compile_selector(selector).first(root)
        address = resolve(base, found.get("href") or "") if isinstance(found, etree._Element) else None
        if address and address != url and _is_near(address, url):
            return selector
    return ""


def _is_near(address: str, url: str) -> bool:
    """Whether an address is of the same folder, and says a number: another page of the same list."""
    there, here = urlsplit(address), urlsplit(url)
    folder = here.path.rpartition("/")[0]
    return there.hostname == here.hostname and there.path.startswith(folder) and bool(_DIGIT.search(address))


def _next_selectors(root: etree._Element) -> Iterator[str]:
    yield "link[rel=next]"
    yield "a[rel=next]"
    for anchor in root.iter("a"):
        named = [name for name in stable_classes(anchor) if _NEXT_CLASS.fullmatch(name)]
        yield from (with_class("a", name) for name in named)
        text = element_text(anchor)
        if text and _NEXT.fullmatch(text) and "'" not in text:
            yield f"xpath://a[normalize-space(.)='{text}']"


_BY_LANGUAGE: Final = {
    "ko": "Asia/Seoul",
    "ja": "Asia/Tokyo",
    "th": "Asia/Bangkok",
    "vi": "Asia/Ho_Chi_Minh",
    "he": "Asia/Jerusalem",
    "ka": "Asia/Tbilisi",
    "hy": "Asia/Yerevan",
    "mn": "Asia/Ulaanbaatar",
    "ne": "Asia/Kathmandu",
    "si": "Asia/Colombo",
    "de": "Europe/Berlin",
    "it": "Europe/Rome",
    "pl": "Europe/Warsaw",
    "cs": "Europe/Prague",
    "sk": "Europe/Bratislava",
    "hu": "Europe/Budapest",
    "sv": "Europe/Stockholm",
    "da": "Europe/Copenhagen",
    "nb": "Europe/Oslo",
    "nn": "Europe/Oslo",
    "no": "Europe/Oslo",
    "fi": "Europe/Helsinki",
    "et": "Europe/Tallinn",
    "lv": "Europe/Riga",
    "lt": "Europe/Vilnius",
    "sl": "Europe/Ljubljana",
    "hr": "Europe/Zagreb",
    "bg": "Europe/Sofia",
    "uk": "Europe/Kyiv",
    "tr": "Europe/Istanbul",
    "el": "Europe/Athens",
    "is": "Atlantic/Reykjavik",
    "zh-tw": "Asia/Taipei",
    "zh-hant-tw": "Asia/Taipei",
    "zh-hk": "Asia/Hong_Kong",
    "zh-cn": "Asia/Shanghai",
    "zh-hans": "Asia/Shanghai",
    "zh-hans-cn": "Asia/Shanghai",
    "en-gb": "Europe/London",
    "en-ie": "Europe/Dublin",
    "en-in": "Asia/Kolkata",
    "fr-fr": "Europe/Paris",
    "nl-nl": "Europe/Amsterdam",
    "es-es": "Europe/Madrid",
}
"""IANA zones of the languages that are written in one of them; English, Spanish, French, Russian and others are not."""
_BY_COUNTRY: Final = {
    "kr": "Asia/Seoul",
    "jp": "Asia/Tokyo",
    "tw": "Asia/Taipei",
    "cn": "Asia/Shanghai",
    "hk": "Asia/Hong_Kong",
    "fr": "Europe/Paris",
    "nl": "Europe/Amsterdam",
    "be": "Europe/Brussels",
    "at": "Europe/Vienna",
    "ch": "Europe/Zurich",
    "uk": "Europe/London",
    "ie": "Europe/Dublin",
    "sg": "Asia/Singapore",
    "ph": "Asia/Manila",
    "ar": "America/Argentina/Buenos_Aires",
    "pe": "America/Lima",
    "ro": "Europe/Bucharest",
}
"""IANA zones of countries that have one, by the end of a host's name: asked where the language does not tell."""


def zone_of(language: str, country: str) -> str:
    """The IANA zone of a language ("ko", "zh-cn"), or of a country's end of host names ("tw"); "" where unknown."""
    main = language.partition("-")[0]
    return _BY_LANGUAGE.get(language) or _BY_LANGUAGE.get(main) or _BY_COUNTRY.get(country, "")
