"""A page of an HTML board to the posts it holds. Pure: bytes and parameters in, posts out."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from lxml import etree
from w3lib.html import get_base_url

from spiders.params import ListingParams
from spiders.reading.addresses import PLAIN, Scheme
from spiders.reading.bounds import ROWS, bounded
from spiders.reading.date_order import day_first
from spiders.reading.encoding import decode
from spiders.reading.page_posts import SHARED, ListingPage, ambiguous_words, read_posts
from spiders.reading.page_scripts import telling_calls
from spiders.reading.rows import RowReader, scripts_of
from spiders.reading.selectors import compile_selector, without_tbody
from spiders.reading.text import element_text, with_whole_signs

_ATTRIBUTE: Final = re.compile(r"data-[\w-]+|onclick|href|value|id", re.IGNORECASE)


def parse_html(text: str) -> etree._Element:
    """A page's tree, whatever the page: the parser repairs, and an empty page is an empty tree."""
    parser = etree.HTMLParser(encoding="utf-8", recover=True, huge_tree=True, no_network=True)
    source = with_whole_signs(bounded(text).replace("\x00", "")).encode("utf-8", "ignore")
    try:
        root = etree.fromstring(source or b"<html/>", parser=parser)
    except (etree.LxmlError, ValueError):
        root = None
    return root if root is not None else etree.fromstring("<html><body/></html>")


def parse_listing(
    body: bytes | str,
    url: str,
    params: ListingParams,
    now: datetime,
    content_type: str = "",
    scheme: Scheme | None = None,
) -> ListingPage:
    """Read a page of a board. `url` is where the page came from, after redirects; `now` is aware.

    `scheme` is what an earlier page of the same crawl was read by.
    """
    encoding = ""
    if isinstance(body, bytes):
        decoded = decode(body, content_type=content_type, override=params.encoding)
        body, encoding = decoded.text, decoded.encoding
    root = parse_html(body)
    base = get_base_url(body, url)
    rows = compile_selector(params.row).elements(root)[:ROWS]
    reader = RowReader(params=params, base=base, now=now, encoding=encoding or "utf-8", scheme=scheme or PLAIN)
    if params.date and params.date_order == "auto":
        texts = (text for row in rows for text in reader.dates_of(row))
        reader = replace(reader, day_first=day_first(texts, root.get("lang") or ""))
    if params.link_template:
        reader = replace(reader, telling_calls=telling_calls([each for row in rows for each in scripts_of(row)]))
    found = read_posts(reader, rows)
    posts = found.posts
    problem = "" if posts else _problem(params, root, rows, found.skipped)
    if found.is_ambiguous:
        problem = _ambiguous(params, rows, found.skipped[SHARED])
    nothing = "" if posts or found.is_ambiguous else empty_words(root)
    if nothing:
        problem = f"the page says {nothing!r}"
    return ListingPage(
        posts=posts,
        next_url=_next_url(root, reader, url),
        rows=len(rows),
        skipped=tuple(found.skipped.most_common()),
        encoding=encoding,
        problem=problem,
        scheme=found.scheme,
        is_ambiguous=found.is_ambiguous,
        is_empty=bool(nothing),
    )


def _problem(params: ListingParams, root: etree._Element, rows: Sequence[etree._Element], skipped: Counter[str]) -> str:
    if not rows:
        return f"the row selector {params.row!r} matches nothing on the page{_tbody_hint(params.row, root)}"
    reason = skipped.most_common(1)[0][0]
    title = f"the title selector {params.title!r}" if params.title else "the first link of the row (title is not given)"
    if "title" in reason and "skip" not in reason:
        advice = f"{title} finds nothing in them{_tbody_hint(params.title, rows[0], in_row=True)}"
    elif "link" in reason and "skip" not in reason:
        link = f"the link selector {params.link!r}" if params.link else "the title's anchor (link is not given)"
        advice = f"{link} gives no address: {reason}"
        if telling := telling_attribute(rows):
            advice += f" ({telling!r} differs from row to row)"
    else:
        advice = reason
    return f"the row selector {params.row!r} matches {len(rows)} rows, but none is a post: {advice}"


def _tbody_hint(source: str, element: etree._Element, *, in_row: bool = False) -> str:
    """What to write instead of a selector that stumbles over a tbody which only browsers have."""
    instead = without_tbody(source)
    if not instead or not compile_selector(instead, in_row=in_row).find(element):
        return ""
    return f": its tbody is not in the page, since browsers add it by themselves; write {instead!r}"


def _ambiguous(params: ListingParams, rows: Sequence[etree._Element], count: int) -> str:
    """That most rows have one id, whose fault it is, and what to give instead."""
    what = "id" if params.id else "link_template" if params.link_template else "link"
    beginning = ambiguous_words(count, len(rows), what)
    if telling := telling_attribute(rows):
        return f"{beginning}: set id to {telling!r}, which differs from row to row"
    return f"{beginning}: set {what if what == 'id' else f'{what} or id'} to something that differs from row to row"


def telling_attribute(rows: Sequence[etree._Element]) -> str:
    """A selector for an attribute in the rows that is another one in each of them, for the parameter `id`; or ""."""
    values: dict[str, set[str]] = {}
    for row in rows:
        seen: set[str] = set()
        for element in row.iter(etree.Element):
            for name, value in element.items():
                selector = f"./@{name}" if element is row else f"{element.tag}::attr({name})"
                if selector not in seen and _ATTRIBUTE.fullmatch(name) and value.strip():
                    seen.add(selector)
                    values.setdefault(selector, set()).add(value)
    most = max((len(found) for found in values.values()), default=0)
    if most < 2 or most <= 0.8 * len(rows):
        return ""
    return min((each for each, found in values.items() if len(found) == most), key=lambda each: "attr(on" in each)


def _next_url(root: etree._Element, reader: RowReader, url: str) -> str | None:
    if not reader.params.next:
        return None
    found = compile_selector(reader.params.next).first(root)
    if isinstance(found, etree._Element):
        anchor = found if found.get("href") else next(found.iter("a"), found)
        found = anchor.get("href")
    following = reader.resolve(found)
    return following if following and following != url else None


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
