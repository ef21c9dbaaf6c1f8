"""Where on a post's own page its text stands, when nobody says where. Pure.

Three ways, the surest first: containers that software of boards and blogs always uses, a container that is named like
one, and where most text stands that is no link. One walk over the page, whatever its depth.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from spiders.reading.selectors import compile_selector
from spiders.reading.text import BLOCKS, UNREAD, clean, element_text

KNOWN: Final = (
    "[itemprop=articleBody]",
    "#bo_v_con",
    ".xe_content",
    ".rhymix_content",
    ".artclView",
    ".entry-content",
    ".wp-block-post-content",
    ".topic-body .cooked",
    ".postbody .content",
    "[itemprop=text]",
    ".message-body .bbWrapper",
    ".job__description",
    "[data-qa=job-description]",
    ".se-main-container",
    ".fr-view",
    ".ql-editor",
    "#post-content",
    ".post-content",
    ".article-body",
    ".article_body",
    ".view-con",
    ".view_con",
    ".board-view-content",
    ".board_view_con",
    ".bbs_content",
    ".bbs-view-content",
)
"""Containers of a post's text: Gnuboard, XpressEngine and Rhymix, K2Web, WordPress, Discourse, phpBB, XenForo,
Greenhouse, Lever, editors that many boards use (Naver's, Froala, Quill), and names that
hundreds of themes share."""

_NAMED: Final = re.compile(
    r"(?:^|[\s_-])(?:bo_?v|view|read|board|bbs|article|artcl|post|entry|notice|news|detail|doc(?:ument)?)"
    r"[_-]?(?:view)?[_-]?(?:con(?:t|ts|tents?)?|body|text|txt|area|desc(?:ription)?)(?:$|[\s_-])"
    r"|(?:^|[\s_-])(?:contents?|article|post)(?:$|[\s_-])",
    re.IGNORECASE,
)
_NOISE: Final = re.compile(
    r"(?:^|[\s_-])(?:comments?|cmt|repl(?:y|ies)|nav|navi|gnb|lnb|snb|menu|foot(?:er)?|head(?:er)?|side(?:bar)?|aside|"
    r"banner|copyright|breadcrumb|share|sns|social|related|recommend|paging|pagination|prev|next|login|popup|modal|"
    r"cookie|widget|tags?|list|file|attach(?:ment)?s?|btn|button)(?:$|[\s_-])",
    re.IGNORECASE,
)
_AROUND: Final = re.compile(
    r"(?:^|[\s_-])(?:comments?|cmt|repl(?:y|ies)|share|sns|social|related|paging|pagination|prev|next|attach(?:ment)?s?|"
    r"btn|button)(?:$|[\s_-])",
    re.IGNORECASE,
)
"""Of those, the names of what stands in the text's own container in some themes; a list in it is a part of it."""
_ASIDE: Final = frozenset({"nav", "footer", "aside", "header", "button"})
_LEAST: Final = 40
"""Characters outside of links that a text has at least, where nothing else speaks for it."""
TITLE_SHOWN: Final = 40
"""So much of its title is looked for on a post's page: many pages cut it or add to it."""


def find_text(root: etree._Element, title: str = "") -> etree._Element | None:
    """The element that holds a post's text, or None. `title` is the post's, where it is known."""
    for known in KNOWN:
        found = [each for each in compile_selector(known).elements(root) if _says_something(each)]
        if found:
            return found[0]
    blocks = _blocks(root)
    start = next((n for n, each in enumerate(blocks) if _is_title(each, title)), -1)
    after = [each for each in blocks[start + 1 :] if not each.is_noise]
    named = (each for each in after if each.is_named and _says_something(each.element))
    best = max(after, key=_worth, default=None)
    if best is not None and best.text >= _LEAST:
        return best.element
    return next((each.element for each in named), None)


def _says_something(element: etree._Element) -> bool:
    """Whether an element holds a text or a picture."""
    return bool(element_text(element)) or next(element.iter("img"), None) is not None


def text_of(element: etree._Element) -> str:
    """The text that a post's reader sees in its container, without what stands around it: comments, buttons, files."""
    noise = [
        each
        for each in element.iterdescendants(etree.Element)
        if each.tag in _ASIDE or (_AROUND.search(each.get("class") or ""))
    ]
    return element_text(element, set(noise))


@dataclass(slots=True)
class _Block:
    element: etree._Element
    is_noise: bool
    is_named: bool
    # What stands in this block and in no block within it.
    words: list[str] = field(default_factory=list)
    # Characters outside of links: its own, those of its children, and half of those of their children.
    own: int = 0
    text: float = 0
    links: int = 0


def _blocks(root: etree._Element) -> list[_Block]:
    """The page's blocks in their order, with how much text each of them holds."""
    found: list[_Block] = []
    path: list[_Block] = []
    anchors = 0
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        if event == "start":
            if element.tag in UNREAD:
                walk.skip_subtree()
                continue
            anchors += element.tag == "a"
            if element.tag in BLOCKS or not path:
                path.append(_block(element, path[-1] if path else None))
                found.append(path[-1])
            _take(path[-1], element.text, is_link=anchors > 0)
            continue
        anchors -= element.tag == "a"
        if element is path[-1].element and len(path) > 1:
            _hand_up(path)
        _take(path[-1], element.tail, is_link=anchors > 0)
    return found


def _block(element: etree._Element, around: _Block | None) -> _Block:
    name = f"{element.get('id') or ''} {element.get('class') or ''}"
    noise = element.tag in _ASIDE or bool(_NOISE.search(name)) or (around is not None and around.is_noise)
    return _Block(element, is_noise=noise, is_named=bool(_NAMED.search(name)))


def _take(block: _Block, text: str | None, *, is_link: bool) -> None:
    if text and (words := text.strip()):
        block.words.append(words)
        if is_link:
            block.links += len(words)
        else:
            block.own += len(words)
            block.text += len(words)


def _hand_up(path: list[_Block]) -> None:
    """Give what a block holds that ends here to the two around it."""
    block = path.pop()
    path[-1].links += block.links
    if not block.is_noise:
        path[-1].text += block.own
        if len(path) > 1:
            path[-2].text += block.own / 2


def _worth(block: _Block) -> float:
    density = block.text / (block.text + 3 * block.links + 1)
    return block.text * density * (2 if block.is_named else 1)


def _is_title(block: _Block, title: str) -> bool:
    wanted = title.rstrip(".… ")[:TITLE_SHOWN]
    return bool(wanted) and block.element.tag not in {"title", "head"} and wanted in clean(" ".join(block.words))
