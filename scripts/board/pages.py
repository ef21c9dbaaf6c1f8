"""The demo board's pages, in the shape of a Korean university's notice board. Pure: posts in, HTML or XML out."""

import re
from collections.abc import Sequence
from email.utils import format_datetime
from html import escape
from zoneinfo import ZoneInfo

from scripts.board.posts import BoardPost

PER_PAGE = 10
NEW_POSTS = 5
"""So many of the newest posts carry the badge, which goes again when others follow."""

TIMEZONE = "Asia/Seoul"
_ZONE = ZoneInfo(TIMEZONE)
_FEED_POSTS = 30
ID_STEP = 100_000
"""More than a board has posts: what stands above it in an id tells one look at the board from another."""

LISTING_SELECTORS = {
    "row": "table.board-table tbody tr",
    "title": "td.td-subject a",
    "link": "td.td-subject a::attr(href)",
    "date": "td.td-date::text",
    "author": "td.td-write::text",
    "pinned": "tr.notice",
    "strip": "span.new",
    "id": r"re:/notice/(\d+)",
    "timezone": TIMEZONE,
}
"""Parameters of the listing spider for this board.

`strip` takes the badge out of the title; `id` makes a post the same one when the board comes back on another port.
"""

_PAGE = """<!DOCTYPE html>
<html lang="ko">
<head>
<meta charset="utf-8">
<title>{title}</title>
<link rel="alternate" type="application/rss+xml" href="/feed.xml">
<style>
body {{ font: 15px/1.6 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
td, th {{ border-bottom: 1px solid #ddd; padding: .4rem; text-align: left }}
tr.notice {{ background: #f4f7fb }}
span.new {{ color: #c00; font-size: 80%; margin-left: .4rem }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def listing_page(posts: Sequence[BoardPost], pinned: Sequence[BoardPost], page: int) -> str | None:
    """Return one page of the board (from 1), None when there is no such page. `posts` are newest first.

    The pinned posts stand above the numbered ones on every page, and appear among these again.
    """
    pages = -(-len(posts) // PER_PAGE)
    if not 1 <= page <= pages:
        return None
    new = {post.id for post in posts[:NEW_POSTS]}
    shown = posts[(page - 1) * PER_PAGE : page * PER_PAGE]
    rows = [_row(post, post.id in new, pinned=True) for post in pinned]
    rows += [_row(post, post.id in new, pinned=False) for post in shown]
    head = "<tr><th>번호</th><th>제목</th><th>작성자</th><th>작성일</th><th>조회</th></tr>"
    body = (
        "<h1>공지사항 <small>Notices</small></h1>\n"
        f'<table class="board-table">\n<thead>{head}</thead>\n<tbody>\n' + "\n".join(rows) + "\n</tbody>\n</table>\n"
        f'<div class="paging">{_paging(page, pages)}</div>'
    )
    return _PAGE.format(title="공지사항", body=body)


def _row(post: BoardPost, is_new: bool, *, pinned: bool) -> str:
    badge = '<span class="new">새글</span>' if is_new else ""
    # The number of views depends on the post alone, so that a page changes only when the posts do.
    start = '<tr class="notice">' if pinned else "<tr>"
    return (
        f"{start}"
        f'<td class="td-num">{"일반공지" if pinned else post.id}</td>'
        f'<td class="td-subject"><a href="/notice/{post.id}"><strong>{escape(post.title)}</strong>{badge}</a></td>'
        f'<td class="td-write">{escape(post.author)}</td>'
        f'<td class="td-date">{post.published.astimezone(_ZONE):%Y.%m.%d}</td>'
        f'<td class="td-access">{post.id * 37 % 1000}</td></tr>'
    )


def _paging(page: int, pages: int) -> str:
    links = [
        f"<strong>{number}</strong>" if number == page else f'<a href="/notice?page={number}">{number}</a>'
        for number in range(1, pages + 1)
    ]
    if page < pages:
        links.append(f'<a class="next" href="/notice?page={page + 1}">다음</a>')
    return " ".join(links)


def with_new_ids(content: str, look: int) -> str:
    """Return a page or feed in which every post has an id that only this look (from 1) has, as a session makes it."""
    return re.sub(r"/notice/(\d+)", lambda found: f"/notice/{look * ID_STEP + int(found[1])}", content)


def post_page(post: BoardPost) -> str:
    """Return the page of one post."""
    paragraphs = "".join(f"<p>{escape(part)}</p>\n" for part in post.body.splitlines() if part.strip())
    body = (
        f'<h1 class="view-title">{escape(post.title)}</h1>\n'
        f'<p class="view-info">{escape(post.author)} · {post.published.astimezone(_ZONE):%Y.%m.%d %H:%M}</p>\n'
        f'<div class="view-con">\n{paragraphs}</div>\n<p><a href="/notice">목록</a></p>'
    )
    return _PAGE.format(title=escape(post.title), body=body)


def feed(posts: Sequence[BoardPost], base_url: str) -> str:
    """Return the newest posts as RSS 2.0; `base_url` has no slash at its end."""
    items = "\n".join(_item(post, base_url) for post in posts[:_FEED_POSTS])
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>\n'
        f"<title>공지사항</title><link>{escape(base_url)}/notice</link>"
        "<description>Notices of the demo board</description><language>ko</language>\n"
        f"{items}\n</channel></rss>\n"
    )


def _item(post: BoardPost, base_url: str) -> str:
    link = escape(f"{base_url}/notice/{post.id}")
    return (
        f"<item><title>{escape(post.title)}</title><link>{link}</link>"
        f'<guid isPermaLink="true">{link}</guid>'
        f"<dc:creator>{escape(post.author)}</dc:creator>"
        f"<pubDate>{format_datetime(post.published.astimezone(_ZONE))}</pubDate>"
        f"<description>{escape(post.body)}</description></item>"
    )


def listing_params(base_url: str) -> dict[str, str]:
    """Return the parameters of the listing spider for the board at `base_url`."""
    return {"url": f"{base_url}/notice", **LISTING_SELECTORS}
