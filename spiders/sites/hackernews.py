"""Hacker News: an example of a site that needs code, because a post lies in two table rows that follow each other."""

from datetime import datetime
from typing import Any

import spiders.without_http2  # noqa: F401 - before Scrapy

# isort: split

from lxml import etree
from scrapy.http import Response

from spiders.items import PostItem
from spiders.listing import ListingSpider
from spiders.params import ListingParams
from spiders.reading.listing_page import parse_html
from spiders.reading.page_posts import ListingPage
from spiders.reading.row_reader import RowSkippedError
from spiders.reading.rows import RowReader
from spiders.reading.selectors import compile_selector

_DISCUSSION = "https://news.ycombinator.com/item?id="


def parse_hackernews(body: bytes, url: str, params: ListingParams, now: datetime) -> ListingPage:
    """Read a page of Hacker News: the title row says what, the row below it who, when, and how many comments."""
    root = parse_html(body.decode("utf-8", "replace"))
    reader = RowReader(params=params, base=url, now=now)
    posts: dict[str, PostItem] = {}
    skipped = 0
    rows = compile_selector(params.row).elements(root)
    for row in rows:
        try:
            post = reader.read(row)
        except RowSkippedError:
            skipped += 1
            continue
        below = row.getnext()
        comments = "" if below is None else _comments(below)
        discussion = _DISCUSSION + post.external_id.removeprefix("id:")
        posts.setdefault(
            post.external_id,
            PostItem(
                external_id=post.external_id,
                url=post.url,
                title=post.title,
                body=" · ".join(filter(None, (comments, discussion))),
                author=post.author,
                published_at=post.published_at,
            ),
        )
    following = compile_selector(params.next).first(root) if params.next else None
    return ListingPage(
        posts=tuple(posts.values()),
        next_url=reader.resolve(following.get("href")) if isinstance(following, etree._Element) else None,
        rows=len(rows),
        skipped=(("advertisement or damaged row", skipped),) if skipped else (),
        encoding="utf-8",
        problem="" if posts else f"the row selector {params.row!r} matches {len(rows)} rows and none is a post",
    )


def _comments(below: etree._Element) -> str:
    text = compile_selector("xpath:.//a[contains(., 'comment')]").text(below)
    return text.replace("\xa0", " ")


class HackerNewsSpider(ListingSpider):
    """Hacker News' newest stories; `url` may be another of its lists, such as /show or /ask."""

    name = "hackernews"

    @classmethod
    def preset(cls) -> dict[str, Any]:
        """The site's selectors."""
        return {
            "url": "https://news.ycombinator.com/newest",
            "row": "tr.athing",
            "title": "span.titleline > a, a.storylink",
            "date": "xpath:following-sibling::tr[1]//span[@class='age']",
            "author": "xpath:following-sibling::tr[1]//a[@class='hnuser']",
            "id": "::attr(id)",
            "next": "a.morelink",
        }

    def parse_page(self, response: Response, now: datetime) -> ListingPage:
        """Both rows of each story."""
        return parse_hackernews(response.body, response.url, self.params, now)
