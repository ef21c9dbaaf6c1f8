"""A page, however large, costs no more than a large one."""

import json
from datetime import UTC, datetime

from spiders.params import FeedParams, ListingParams
from spiders.reading import bounds
from spiders.reading.bounds import ROWS, TAGS, bounded, left_out
from spiders.reading.feed_document import parse_feed
from spiders.reading.listing_page import parse_listing

URL = "https://board.example/list"
NOW = datetime(2026, 11, 28, tzinfo=UTC)
MANY = ROWS + 1_000


def test_of_a_list_the_first_rows_are_read() -> None:
    html = "".join(f"<li><a href=/v/{n}>post {n}</a></li>" for n in range(MANY))
    page = parse_listing(html, URL, ListingParams(url=URL, row="li"), NOW)
    assert (page.rows, len(page.posts), page.posts[0].title) == (ROWS, ROWS, "post 0")
    assert left_out(page.rows) == "only the first 5000 rows are read"


def test_of_a_feed_the_first_entries_are_read_and_nothing_is_missing() -> None:
    item = "<item><title>post {n}</title><link>https://board.example/{n}</link></item>"
    items = "".join(item.replace("{n}", str(n)) for n in range(MANY))
    feed = parse_feed(f"<rss version='2.0'><channel>{items}</channel></rss>".encode(), URL, FeedParams(url=URL), NOW)
    assert (feed.rows, len(feed.posts), feed.posts[-1].title) == (ROWS, ROWS, f"post {ROWS - 1}")


def test_of_a_json_feed_too() -> None:
    items = [{"id": str(n), "url": f"{URL}/{n}", "title": f"post {n}"} for n in range(MANY)]
    body = json.dumps({"version": "https://jsonfeed.org/version/1.1", "items": items}).encode()
    assert parse_feed(body, URL, FeedParams(url=URL), NOW).rows == ROWS


def test_a_page_is_cut_at_a_tag() -> None:
    text = "<a>x</a>" * (TAGS // 2)
    assert bounded(text) == text
    assert bounded(text + "<b>rest") == text
    assert left_out(bounds.ROWS - 1) == ""
