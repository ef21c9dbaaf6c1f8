from datetime import UTC, datetime, timedelta

import feedparser
from parsel import Selector

from scripts.board.pages import NEW_POSTS, PER_PAGE, feed, listing_page, listing_params, post_page
from scripts.board.posts import Board, BoardPost
from spiders.params import ListingParams
from spiders.reading.listing_page import parse_listing

# In Seoul it is already the next day.
NOW = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)


def board() -> Board:
    return Board(seed=1, now=lambda: NOW)


def page(number: int) -> Selector:
    content = listing_page(board().posts(), board().pinned(), number)
    assert content is not None
    return Selector(content)


def test_pinned_rows_stand_above_numbered_rows_and_are_repeated() -> None:
    first = page(1)
    classes = [row.attrib.get("class") for row in first.css("tbody tr")]
    assert classes == ["notice"] * 3 + [None] * PER_PAGE
    assert first.css("tr.notice td.td-num::text").getall() == ["일반공지"] * 3
    numbered = first.css("tr:not(.notice) a::attr(href)").getall()
    assert set(first.css("tr.notice a::attr(href)").getall()) & set(numbered)


def test_the_badge_is_inside_the_anchor_and_goes_with_age() -> None:
    assert page(1).css("tr:not(.notice) a span.new::text").getall() == ["새글"] * NEW_POSTS
    assert page(2).css("tr:not(.notice) a span.new").getall() == []


def test_dates_are_the_boards_own() -> None:
    assert set(page(1).css("td.td-date::text").getall()) == {"2026.11.21"}


def test_pages_cover_every_post_once() -> None:
    links = [link for number in (1, 2, 3) for link in page(number).css("tr:not(.notice) a::attr(href)").getall()]
    assert links == [f"/notice/{number}" for number in range(24, 0, -1)]
    assert page(1).css("a.next::attr(href)").get() == "/notice?page=2"
    assert page(3).css("a.next").get() is None


def test_a_page_that_is_not_there() -> None:
    assert [listing_page(board().posts(), [], number) for number in (0, 4)] == [None, None]


def test_what_a_person_wrote_is_escaped() -> None:
    post = BoardPost(
        id=1, title='<b> & "C++"', body="<script>\n& more", author="<i>", published_at=NOW.isoformat(), pinned=True
    )
    for content in (listing_page([post], [post], 1), post_page(post)):
        assert "<b>" not in content
        assert "<script>" not in content
        assert "<i>" not in content
    assert Selector(post_page(post)).css("h1::text").get() == post.title
    entry = feedparser.parse(feed([post], "http://127.0.0.1:1").encode()).entries[0]
    assert (entry.title, entry.author) == (post.title, post.author)


def test_the_feed_has_the_newest_posts() -> None:
    parsed = feedparser.parse(feed(board().posts(), "http://127.0.0.1:1").encode())
    assert not parsed.bozo
    assert [entry.id for entry in parsed.entries][:2] == [
        "http://127.0.0.1:1/notice/24",
        "http://127.0.0.1:1/notice/23",
    ]
    assert len(parsed.entries) == 24


def test_the_listing_spider_reads_every_post_of_a_page_once() -> None:
    posts = board().posts()
    content = listing_page(posts, board().pinned(), 1)
    assert content is not None
    params = ListingParams.from_mapping(listing_params("http://127.0.0.1:1"))
    read = parse_listing(content.encode(), params.url, params, NOW + timedelta(days=1), "text/html; charset=utf-8")
    expected = {f"http://127.0.0.1:1/notice/{post.id}": post for post in [*board().pinned(), *posts[:PER_PAGE]]}
    assert sorted(post.url for post in read.posts) == sorted(expected)
    for item in read.posts:
        post = expected[item.url]
        # Without the badge, so that the title is the same tomorrow.
        assert item.title == post.title
        assert item.author == post.author
        assert item.published_at == datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
        assert item.pinned == (post in board().pinned())


def test_a_post_is_the_same_one_when_the_board_comes_back_on_another_port() -> None:
    content = listing_page(board().posts(), board().pinned(), 1)
    assert content is not None
    ids = []
    for url in ("http://127.0.0.1:1", "http://127.0.0.1:2"):
        params = ListingParams.from_mapping(listing_params(url))
        read = parse_listing(content.encode(), params.url, params, NOW, "text/html; charset=utf-8")
        ids.append([post.external_id for post in read.posts])
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == len(ids[0])
