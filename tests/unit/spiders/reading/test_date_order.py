"""03/04/2024 is read as the page's other dates are, or as its language has it."""

from datetime import UTC, datetime

import pytest

from spiders.params import FeedParams, ListingParams
from spiders.reading.date_order import day_first
from spiders.reading.feed_document import parse_feed
from spiders.reading.listing_page import parse_listing

NOW = datetime(2026, 12, 5, 7, tzinfo=UTC)
URL = "http://a.example/board"


@pytest.mark.parametrize(
    ("texts", "language", "expected"),
    [
        (["05/12/2026", "28/11/2026"], "", True),
        (["05/12/2026", "11/28/2026"], "", False),
        (["05/12/2026", "11/28/2026", "28/11/2026"], "", None),
        (["05/12/2026", "11/28/2026", "28/11/2026"], "fr", True),
        (["28/11/2026 à 13:05"], "en", True),
        (["Publié le 05/12/2026"], "fr-FR", True),
        (["05/12/2026"], "vi", True),
        (["05/12/2026"], "en-GB", True),
        (["05/12/2026"], "en_au", True),
        (["05/12/2026"], "en-US", None),
        (["05/12/2026"], "ko", None),
        (["12/28", "12/05"], "fr", False),
        (["28-11", "05-12"], "", True),
        (["24/02/16", "2.9k", "v28.1", "28.5", "13:05", "40/50"], "", None),
        ([], "", None),
    ],
)
def test_the_order_is_that_of_dates_which_can_be_read_one_way_only(texts, language, expected):
    assert day_first(texts, language) is expected


def board(dates: list[str], language: str = "", **params: str) -> list[str]:
    rows = "".join(f"<li><a href='/{n}'>Post {n}</a><i>{date}</i></li>" for n, date in enumerate(dates))
    html = f"<html lang='{language}'><body><ul>{rows}</ul></body></html>"
    given = ListingParams.from_mapping({"url": URL, "row": "li", "date": "i", **params})
    return [f"{post.published_at:%Y-%m-%d}" for post in parse_listing(html, URL, given, NOW).posts if post.published_at]


def test_a_board_reads_all_its_dates_in_one_order():
    assert board(["05/12/2026", "01/12/2026", "28/11/2026"]) == ["2026-12-05", "2026-12-01", "2026-11-28"]
    assert board(["12/05/2026", "12/01/2026", "11/28/2026"]) == ["2026-12-05", "2026-12-01", "2026-11-28"]
    assert board(["05.12.", "01.12.", "28.11."]) == ["2026-12-05", "2026-12-01", "2026-11-28"]


def test_a_boards_language_decides_in_the_first_days_of_a_month():
    assert board(["05/12/2026 à 13:05", "01/12/2026"], "fr") == ["2026-12-05", "2026-12-01"]
    assert board(["12/05/2026", "12/01/2026"], "en-US") == ["2026-12-05", "2026-12-01"]


def test_what_the_sites_owner_says_goes_before_what_the_page_seems_to_say():
    assert board(["03/04/2026", "28/11/2026"], "fr", date_order="MDY") == ["2026-03-04"]


def test_a_feed_reads_its_dates_in_the_order_of_its_language():
    item = "<item><title>a</title><link>/1</link><pubDate>05/12/2026 10:00</pubDate></item>"
    feed = f"<rss version='2.0'><channel><language>pt-BR</language>{item}</channel></rss>".encode()
    assert parse_feed(feed, URL, FeedParams(url=URL), NOW).posts[0].published_at == datetime(
        2026, 12, 5, 10, tzinfo=UTC
    )


@pytest.mark.parametrize("date", ["2026", "2026-11", "11/2026"])
def test_a_feeds_date_without_a_day_is_none(date):
    feed = (
        f"<rss version='2.0'><channel><item><title>a</title><pubDate>{date}</pubDate></item></channel></rss>".encode()
    )
    assert parse_feed(feed, URL, FeedParams(url=URL), NOW).posts[0].published_at is None
