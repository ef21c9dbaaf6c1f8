"""Boards whose software is known by its marks: their definitions are ready-made, and need no guessing. Pure.

A definition is only proposed after it was tried: on the page itself, or, where the software gives its list out as JSON,
on that answer, whose titles must stand on the page if that shows any.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from lxml import etree

from spiders.items import PostItem
from spiders.params import JSONParams
from spiders.reading.expressions import ExpressionError
from spiders.reading.json_page import parse_json
from spiders.reading.json_text import NotJSONError
from spiders.reading.page_posts import ListingPage
from spiders.reading.selectors import compile_selector
from spiders.reading.text import clean, element_text

FEWEST: Final = 3
"""Posts that a ready-made definition must find on a page."""
_MOST: Final = 0.8
"""Of the rows that are not left out on purpose, so many must be posts, and of those so many dated, to keep `date`."""
_SHELL: Final = 1_500
"""Characters of text below which a page shows nothing, and its script fills it."""

_WITHOUT: Final = ("author", "pinned", "skip", "strip", "next")
"""Parameters that are left out where they find nothing: skins differ in them."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """A definition for one kind of page of one software."""

    software: str
    # A pattern in the page's source.
    mark: str
    params: Mapping[str, str | list[str]]
    # Where the date may stand, the likeliest first.
    dates: tuple[str, ...] = ()
    # What gives the text of a post's own page.
    post_body: str = ""


GNUBOARD: Final = r"g5_bbs_url|g5_url\s*=|bo_table=|/skin/board/|name=[\"']fboardlist[\"']"
XE: Final = r"content=[\"'](?:XpressEngine|Rhymix)|xe\.min\.js|/modules/board/skins/|document_srl="
WORDPRESS: Final = r"content=[\"']WordPress|/wp-content/|/wp-includes/"
PHPBB: Final = r"Powered by <a [^>]*phpbb|id=[\"']phpbb[\"']|viewtopic\.php\?"
XENFORO: Final = r"<html[^>]+id=[\"'](?:XF|XenForo)[\"']|data-xf-init|js/xenforo/"

LISTINGS: Final[tuple[Known, ...]] = (
    Known(
        software="Gnuboard",
        mark=GNUBOARD,
        params={
            "row": "#bo_list tbody tr",
            "title": ".bo_tit > a, .td_subject > a:not(.bo_cate_link)",
            "author": ".td_name",
            "pinned": ".bo_notice",
            "skip": [".empty_table"],
            "strip": [".sound_only", ".cnt_cmt", ".new_icon", ".hot_icon"],
            "next": "a.pg_next",
        },
        dates=(".td_datetime",),
        post_body="#bo_v_con",
    ),
    Known(
        software="Gnuboard, gallery",
        mark=GNUBOARD,
        params={
            "row": "#gall_ul > li.gall_li, #gall_ul > li.gall_box",
            "title": ".bo_tit, .gall_text_href > a",
            "author": ".gall_name",
            "strip": [".sound_only", ".cnt_cmt", ".new_icon", ".hot_icon"],
            "next": "a.pg_next",
        },
        dates=(".gall_date",),
        post_body="#bo_v_con",
    ),
    Known(
        software="XpressEngine or Rhymix",
        mark=XE,
        params={
            "row": "#board_list tbody tr, .board_list tbody tr, table.bd_lst tbody tr",
            "title": "td.title > a:not(.replyNum):not(.category)",
            "author": "td.author",
            "pinned": "tr.notice",
            "next": "a.direction.next, .pagination a[rel=next]",
        },
        dates=("td.time", "td.date", "td.regdate"),
        post_body=".xe_content",
    ),
    Known(
        software="K2Web",
        mark=r"jf_viewArtcl\(|/artclView\.do|artclTable",
        params={
            "row": "table.artclTable tbody tr, table.board-table tbody tr",
            "title": "td._artclTdTitle a, td.td-subject a",
            "author": "td._artclTdWriter, td.td-write",
            "pinned": "tr.notice, tr.headline",
            "strip": ["span.new", "span.newArtcl", "span.icon-new"],
            "page_template": "?page={page}",
        },
        dates=("td._artclTdRdate", "td.td-date"),
        post_body=".artclView, .view-con",
    ),
    Known(
        software="jwxe",
        mark=r"b-title-box|board-list-content-title|[?&]articleNo=",
        params={
            "row": "table tbody tr:has(.b-title-box), .board-list-content-wrap",
            "title": ".b-title-box a, .board-list-content-title a",
            "author": ".b-writer",
            "pinned": "tr.b-top-box, .board-list-content-top",
            "strip": [".b-new", ".b-file", ".c-board-list-category"],
        },
        dates=(".b-date", ".board-list-content-info li:nth-child(3)", "td:nth-last-child(2)", "td:nth-last-child(1)"),
        post_body=".b-content-box, .board-view-content-wrap",
    ),
    *(
        Known(
            software="eGovFrame",
            mark=re.escape(opened),
            params={
                "row": "table tbody tr",
                "title": "input[type=submit]::attr(value), td a",
                "link_template": f"{opened}?bbsId={{onclick.1}}&nttId={{onclick.0}}",
            },
            dates=("td:nth-last-child(2)", "td:nth-last-child(1)", "td:nth-last-child(3)"),
            post_body=".board_view_con, .view_cont",
        )
        for opened in ("selectArticleDetail.do", "selectBoardArticle.do")
    ),
    Known(
        software="WordPress",
        mark=WORDPRESS,
        params={
            "row": "article.post, article.type-post, .type-post.hentry, li.wp-block-post",
            "title": ".entry-title a, .wp-block-post-title a, .post-title a",
            "author": ".author a, .wp-block-post-author-name",
            "next": "a.next.page-numbers, .wp-block-query-pagination-next, .nav-previous a",
        },
        dates=("time.published", ".wp-block-post-date time", "time", ".entry-date", ".posted-on", ".post-date"),
        post_body=".entry-content, .wp-block-post-content",
    ),
    Known(
        software="phpBB",
        mark=PHPBB,
        params={
            "row": "ul.topiclist.topics > li.row",
            "title": "a.topictitle",
            "author": ".topic-poster .username, .topic-poster .username-coloured",
            "pinned": "li.sticky, li.announce, li.global-announce",
            "next": "li.arrow.next a[rel=next], a[rel=next]",
        },
        dates=(".topic-poster time", ".topic-poster", "dt", "dd.lastpost time", "dd.lastpost"),
        post_body=".postbody .content",
    ),
    Known(
        software="XenForo",
        mark=XENFORO,
        params={
            "row": ".structItem--thread",
            "title": ".structItem-title a[data-tp-primary], .structItem-title a[data-preview-url]",
            "author": ".structItem-parts .username",
            "pinned": ".structItem-status--sticky",
            "next": "a.pageNav-jump--next",
        },
        dates=(".structItem-startDate time", ".structItem-latestDate"),
        post_body=".message-body .bbWrapper",
    ),
    Known(
        software="XenForo 1",
        mark=XENFORO,
        params={
            "row": "li.discussionListItem",
            "title": ".title a.PreviewTooltip, .title a",
            "author": ".posterDate .username",
            "pinned": "li.sticky",
        },
        dates=(".startDate .DateTime", ".DateTime"),
        post_body=".messageText",
    ),
)
"""The markup of each software's own skin, as it has been for years; those of other skins are guessed."""


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """A definition that fits the page it was tried on."""

    software: str
    params: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    posts: tuple[PostItem, ...] = ()


def known_listing(
    source: str, root: etree._Element, read: Callable[[Mapping[str, Any]], ListingPage]
) -> Recognised | None:
    """The ready-made definition of a page's software that reads the page well, or None; `read` tries one."""
    for known in LISTINGS:
        if not re.search(known.mark, source, re.IGNORECASE) or not _matches(str(known.params["row"]), root):
            continue
        params = {name: list(each) if isinstance(each, list) else each for name, each in known.params.items()}
        page = read(params)
        if not _is_good(page):
            continue
        tried = ((date, read({**params, "date": date})) for date in known.dates if _matches(date, root))
        if found := next((date for date, dated in tried if are_dated(dated)), ""):
            params["date"] = found
        for name in _WITHOUT:
            if name in params and not _finds(name, params, root, page):
                del params[name]
        note = f"the page is made by {known.software}, for which a definition is ready-made"
        own = f"for the posts' own text add -p post_body={known.post_body!r}"
        return Recognised(software=known.software, params=params, notes=(note, own))
    return None


def _is_good(page: ListingPage) -> bool:
    left_out = sum(count for reason, count in page.skipped if reason.startswith(("left out", "repeats")))
    return not page.is_ambiguous and len(page.posts) >= FEWEST and len(page.posts) >= _MOST * (page.rows - left_out)


def _finds(name: str, params: Mapping[str, Any], root: etree._Element, page: ListingPage) -> bool:
    match name:
        case "author":
            return sum(bool(post.author) for post in page.posts) >= _MOST * len(page.posts)
        case "pinned":
            return any(post.pinned for post in page.posts)
        case "next":
            return _matches(params[name], root)
        case _:
            params[name][:] = [each for each in params[name] if _matches(each, root)]
            return bool(params[name])


def are_dated(page: ListingPage) -> bool:
    """Whether most of a page's posts have a date."""
    return sum(post.published_at is not None for post in page.posts) >= _MOST * max(1, len(page.posts))


def _matches(selector: str, root: etree._Element) -> bool:
    return bool(compile_selector(selector).find(root))


@dataclass(frozen=True, kw_only=True)
class API:
    """A list that a software gives out as JSON, beside the page that people see."""

    software: str
    params: Mapping[str, Any] = field(default_factory=dict)


def known_apis(source: str, url: str) -> Iterator[API]:
    """Where the software of a page gives its list out as JSON, to be fetched and then judged by `from_api`."""
    parts = urlsplit(url)
    if "json" in parts.path.rpartition(".")[2]:
        return
    for find in (_discourse, _greenhouse, _lever, _workday):
        if (api := find(source, url)) is not None:
            yield api


def from_api(
    api: API, body: bytes, url: str, content_type: str, *, shown: etree._Element, now: datetime
) -> Recognised | None:
    """The definition of what an API gave, or None where that is not what the page shows."""
    params = {**api.params}
    try:
        page = parse_json(body, url, JSONParams.from_mapping(params), now, content_type)
        if not _agrees(page, shown):
            return None
        if not are_dated(page):
            del params["date"]
            page = parse_json(body, url, JSONParams.from_mapping(params), now, content_type)
    except (NotJSONError, ExpressionError):
        return None
    note = f"the page is made by {api.software}, which gives its list out as JSON"
    return Recognised(software=api.software, params=params, notes=(note,), posts=page.posts)


def _agrees(page: ListingPage, root: etree._Element) -> bool:
    """Whether some of its titles stand on the page, unless that shows hardly anything and a script fills it."""
    if not page.posts or page.is_ambiguous:
        return False
    text = element_text(root)
    return len(text) < _SHELL or any(clean(post.title) in text for post in page.posts)


def _discourse(source: str, url: str) -> API | None:
    if not re.search(r"content=[\"']Discourse|data-discourse-setup|discourse-assets", source):
        return None
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    root = re.match(r"(.*?)(?:/(?:latest|new|top|categories|c/.*|tag/.*))?$", path)
    home = f"{parts.scheme}://{parts.netloc}{root[1] if root else ''}"
    listed = (
        path if re.search(r"/(?:latest|new|top|c/.+|tag/.+)$", path) else f"{path.removesuffix('/categories')}/latest"
    )
    return API(
        software="Discourse",
        params={
            "url": f"{parts.scheme}://{parts.netloc}{listed}.json",
            "rows": "topic_list.topics",
            "title": "title",
            "link_template": f"{home}/t/{{slug}}/{{id}}",
            "id": "id",
            "date": "created_at",
            "pinned": "pinned",
        },
    )


_GREENHOUSE: Final = re.compile(r"greenhouse\.io/embed/job_board(?:/js)?\?(?:[^\"']{0,200}[&;])?for=(\w+)")


def _greenhouse(source: str, url: str) -> API | None:
    parts = urlsplit(url)
    token = ""
    if re.fullmatch(r"(?:job-)?boards(?:\.eu)?\.greenhouse\.io", parts.hostname or ""):
        token = parse_qs(parts.query).get("for", [parts.path.strip("/").split("/")[0]])[0]
    elif found := _GREENHOUSE.search(source):
        token = found[1]
    if not token:
        return None
    return API(
        software="Greenhouse",
        params={
            "url": f"https://boards-api.greenhouse.io/v1/boards/{token}/jobs",
            "rows": "jobs",
            "title": "title",
            "link": "absolute_url",
            "id": "id",
            "date": "first_published || updated_at",
            "body": "location.name",
        },
    )


def _lever(_source: str, url: str) -> API | None:
    parts = urlsplit(url)
    found = re.fullmatch(r"jobs(\.eu)?\.lever\.co", parts.hostname or "")
    token = parts.path.strip("/").split("/")[0]
    if not found or not token:
        return None
    return API(
        software="Lever",
        params={
            "url": f"https://api{found[1] or ''}.lever.co/v0/postings/{token}?mode=json",
            "rows": "@",
            "title": "text",
            "link": "hostedUrl",
            "id": "id",
            "date": "createdAt",
            "body": "categories.location",
        },
    )


def _workday(_source: str, url: str) -> API | None:
    parts = urlsplit(url)
    found = re.fullmatch(r"([\w-]+)\.wd\d+\.myworkdayjobs(?:-impl)?\.com", parts.hostname or "")
    folders = [each for each in parts.path.split("/") if each and not re.fullmatch(r"[a-z]{2}-[A-Z]{2}", each)]
    if not found or not folders:
        return None
    home = f"{parts.scheme}://{parts.netloc}"
    return API(
        software="Workday",
        params={
            "url": f"{home}/wday/cxs/{found[1]}/{folders[0]}/jobs",
            "json": '{"appliedFacets": {}, "limit": 20, "offset": {offset}, "searchText": ""}',
            "rows": "jobPostings",
            "title": "title",
            "link_template": f"{home}/{folders[0]}{{externalPath}}",
            "date": "postedOn",
            "body": "locationsText",
        },
    )
