"""What a page says of itself besides its rows: its time zone, where the next page is. Pure."""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from lxml import etree

from spiders.guessing.element_names import stable_classes, with_class
from spiders.guessing.zones import zone_of
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
