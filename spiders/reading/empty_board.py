"""A board that says itself that it has no posts, in words; a page that a script fills later does not. Pure."""

import re
from typing import Final

from lxml import etree

from spiders.reading.text import element_text

_LONGEST: Final = 80
_THINGS: Final = {
    "ko": r"게시물|게시글|글|자료|데이터|내용|결과|공지사항|목록",
    "en": r"posts?|articles?|entries|items?|topics?|threads?|results?|records?|notices?|news|jobs?|messages?|data",
    "ja": r"記事|投稿|お知らせ|データ|該当.{0,12}",
    "zh": r"数据|數據|資料|内容|內容|文章|帖子|公告|信息|记录|紀錄|消息|結果|结果",
    "de": r"beiträge|einträge|themen|ergebnisse|artikel|nachrichten",
    "fr": r"articles?|résultats?|annonces?|messages?|sujets?",
    "es": r"entradas?|resultados?|artículos?|noticias|artigos?|notícias?|mensajes",
}
_NONE: Final = re.compile(
    r"(?:등록|작성|게시|조회|검색)\s?된\s?(?:[가-힣]+\s?){0,3}(?:없습니다|존재하지 않습니다)|"
    rf"(?:{_THINGS['ko']})\s?(?:이|가|은|는)?\s?(?:아직\s?)?(?:없습니다|존재하지 않습니다)|"
    rf"(?:there (?:are|is) )?(?:currently )?no(?: \w+){{0,2}} (?:{_THINGS['en']})(?: \w+){{0,5}}|"
    r"nothing (?:found|here|to (?:see|show|display))(?: \w+)?|"
    rf"(?:{_THINGS['ja']})(?:が|は)?(?:まだ)?(?:ありません|ございません|見つかりません)|"
    rf"(?:暂无|暫無|没有|沒有|尚无|尚無)\S{{0,8}}(?:{_THINGS['zh']})|"
    rf"keine (?:\w+ )?(?:{_THINGS['de']})(?: \w+){{0,3}}|"
    rf"aucune? (?:\w+ )?(?:{_THINGS['fr']})(?: \w+){{0,3}}|"
    rf"(?:ningún|ninguna|no hay|no se encontraron|nenhuma?) (?:\w+ )?(?:{_THINGS['es']})(?: \w+){{0,3}}",
    re.IGNORECASE,
)
_ELEMENTS: Final = ("td", "th", "li", "p", "div", "span", "dd", "dt", "strong", "b", "em", "h2", "h3", "h4")
_UNSEEN: Final = frozenset({"script", "style", "template", "noscript", "select", "nav", "footer"})
_HIDDEN: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_BY_SCRIPT: Final = re.compile(r"(?:v-|ng-|x-|:|@|\*ng|data-ng-|data-bind|hidden$)")


def empty_words(root: etree._Element) -> str:
    """The words by which a page says that its board is empty; "" where it does not, or would only with a script."""
    for element in root.iter(*_ELEMENTS):
        text = element_text(element).strip(" .!·※-–")
        if 2 < len(text) <= _LONGEST and _NONE.fullmatch(text) and _is_shown(element):
            return text
    return ""


def _is_shown(element: etree._Element) -> bool:
    for each in (element, *element.iterancestors()):
        if each.tag in _UNSEEN or _HIDDEN.search(each.get("style") or ""):
            return False
        if any(_BY_SCRIPT.match(name) for name in each.attrib):
            return False
    return True
