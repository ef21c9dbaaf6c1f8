import json
import re
from contextlib import suppress
from typing import Any

import pytest
from scrapy.http import HtmlResponse, Request, Response, XmlResponse
from scrapy.utils.test import get_crawler

from spiders.errors import SpiderError
from spiders.feed import FeedSpider
from spiders.general import GeneralSpider
from spiders.items import PostItem
from spiders.json import JSONSpider
from spiders.listing import ListingSpider
from spiders.param_values import ParamsError
from spiders.reading.feed_document import BrokenFeedError
from spiders.reading.feed_text import NotAFeedError

URL = "http://a.example/list"


def spider(kind: type[GeneralSpider[Any]], **params: Any) -> Any:
    crawler = get_crawler(kind)
    made = kind.from_crawler(crawler, url=URL, **params)
    crawler.stats = crawler.stats or crawler._apply_settings() or crawler.stats
    return made


def answer(body: str, url: str = URL, kind: type[Response] = HtmlResponse) -> Response:
    return kind(url, body=body.encode(), request=Request(url), headers={"Content-Type": "text/html; charset=utf-8"})


def split(results: Any) -> tuple[list[PostItem], list[str]]:
    found = list(results)
    return [each for each in found if isinstance(each, PostItem)], [r.url for r in found if isinstance(r, Request)]


def test_a_listing_follows_its_pages_until_one_brings_nothing_new():
    listing = spider(ListingSpider, row="li", next="a.next", max_pages="5")
    first = "<li><a href='/1'>One</a></li><a class='next' href='?p=2'>next</a>"
    posts, following = split(listing.parse(answer(first)))
    assert ([post.title for post in posts], following) == (["One"], ["http://a.example/list?p=2"])
    posts, following = split(listing.parse(answer(first.replace("p=2", "p=3"))))
    assert (posts, following) == ([], [])


@pytest.mark.parametrize("kind", [ListingSpider, FeedSpider])
def test_a_date_that_contradicts_its_place_is_not_yielded(kind):
    days = ["2019.01.02", "2023.11.27", "2023.11.26", "2023.11.25", "2023.11.20"]
    if kind is ListingSpider:
        reader = spider(kind, row="li", date="i")
        page = "".join(f"<li><a href='/{day}'>Post {day}</a><i>{day}</i></li>" for day in days)
    else:
        reader = spider(kind)
        items = (f"<item><title>{day}</title><link>/{day}</link><pubDate>{day}</pubDate></item>" for day in days)
        page = f"<rss version='2.0'><channel>{''.join(items)}</channel></rss>"
    posts, _ = split(reader.parse(answer(page)))
    assert [post.url for post in posts] == [f"http://a.example/{day}" for day in days]
    assert [post.published_at is None for post in posts] == [True, False, False, False, False]


def test_a_listing_stops_at_its_last_page():
    listing = spider(ListingSpider, row="li", page_template="http://a.example/list?p={page}", max_pages=2)
    assert split(listing.parse(answer("<li><a href='/1'>One</a></li>")))[1] == ["http://a.example/list?p=2"]
    assert split(listing.parse(answer("<li><a href='/2'>Two</a></li>")))[1] == []


def test_a_listing_counts_rows_and_says_what_is_wrong(caplog):
    listing = spider(ListingSpider, row="tr.post")
    assert split(listing.parse(answer("<p>redesigned</p>"))) == ([], [])
    assert listing.crawler.stats.get_value("crawlpush/rows") == 0
    assert "'tr.post' matches nothing" in listing.crawler.stats.get_value("crawlpush/problem")
    assert "'tr.post' matches nothing" in caplog.text


def items(first: int, **beside: Any) -> str:
    rows = [{"no": number, "title": f"Post {number}"} for number in range(first, first + 2)]
    return json.dumps({"rows": rows, **beside})


@pytest.mark.parametrize(
    ("params", "beside", "addresses"),
    [
        ({"page_template": "/l?p={page}"}, {}, ["/l?p=2", "/l?p=3"]),
        ({"page_template": "/l?p={page0}"}, {}, ["/l?p=1", "/l?p=2"]),
        ({"page_template": "/l?from={offset}"}, {}, ["/l?from=2", "/l?from=4"]),
        ({"page_template": "/l?after={cursor}", "next": "meta.cursor"}, {"meta": {"cursor": "a=b"}},
         ["/l?after=a%3Db", "/l?after=a%3Db"]),
        ({"page_template": "/l?after={cursor}", "next": "meta.cursor"}, {"meta": {"cursor": None}}, []),
        ({"page_template": "/l?p={page}", "next": "more"}, {"more": False}, []),
        ({"page_template": "/l?p={page}", "next": "more"}, {"more": True}, ["/l?p=2", "/l?p=3"]),
        ({"next": "links.next"}, {"links": {"next": "/l?cursor=2"}}, ["/l?cursor=2", "/l?cursor=2"]),
        ({"next": "links.next"}, {"links": {}}, []),
        ({}, {"next": "/l?p=2"}, []),
    ],
)  # fmt: skip
def test_json_follows_its_pages_by_number_offset_cursor_or_address(params, beside, addresses):
    reader = spider(JSONSpider, rows="rows", title="title", link_template="/v/{no}", max_pages=3, **params)
    found = [split(reader.parse(answer(items(first, **beside)))) for first in (1, 3, 5)]
    assert [len(posts) for posts, _ in found] == [2, 2, 2]
    assert [url.removeprefix("http://a.example") for _, urls in found for url in urls] == addresses


def test_json_stops_at_a_page_that_brings_nothing_new():
    reader = spider(
        JSONSpider, rows="rows", title="title", link_template="/v/{no}", max_pages=9, page_template="?{page}"
    )
    assert split(reader.parse(answer(items(1))))[1]
    assert split(reader.parse(answer(items(1)))) == ([], [])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<title>Login</title><form><input type=password></form>", "answered with a page, not with JSON: .*login"),
        ('{"rows": [', "damaged at character"),
        ('{"rows": [{"title": 1}]}', "cannot be used here"),
    ],
)
def test_what_is_no_answer_fails_the_crawl_with_the_word_for_it(body, words):
    reader = spider(JSONSpider, rows="rows", title="length(title)", id="title")
    with pytest.raises(SpiderError, match=words):
        list(reader.parse(answer(body)))
    assert re.search(words, reader.crawler.stats.get_value("crawlpush/problem"))


def test_what_was_odd_about_json_is_said_of_a_good_run():
    reader = spider(JSONSpider, rows="@", title="title", id="title")
    assert len(split(reader.parse(answer('[{"title": "a", "title": "b", "x": NaN}]')))[0]) == 1
    said = reader.crawler.stats.get_value("crawlpush/problem")
    assert "the last one counts" in said
    assert "NaN" in said


def test_a_feed_that_broke_off_gives_its_posts_and_fails():
    feed = spider(FeedSpider)
    results = feed.parse(
        answer("<rss><channel><item><title>a</title><link>/1</link></item><item><ti", kind=XmlResponse)
    )
    assert next(results).title == "a"
    with pytest.raises(BrokenFeedError):
        next(results)
    assert "broke off" in feed.crawler.stats.get_value("crawlpush/problem")


def test_a_page_where_a_feed_should_be_fails():
    feed = spider(FeedSpider)
    with pytest.raises(NotAFeedError):
        list(feed.parse(answer("<html><body>hello</body></html>")))
    assert "an HTML page" in feed.crawler.stats.get_value("crawlpush/problem")


@pytest.mark.parametrize("kind", [ListingSpider, FeedSpider])
def test_a_page_that_cannot_be_the_one_that_was_meant_is_an_error(kind, caplog):
    crawling = spider(kind, **({"row": "tr"} if kind is ListingSpider else {}))
    with suppress(NotAFeedError):
        list(crawling.parse(answer("<frameset><frame src=top.html><frame src=list.html name=main></frameset>")))
    assert "give its address, http://a.example/list.html" in crawling.crawler.stats.get_value("crawlpush/problem")
    assert [record.levelname for record in caplog.records] == ["ERROR" if kind is ListingSpider else "WARNING"]


def test_a_wrong_argument_stops_a_spider_before_it_starts():
    with pytest.raises(ParamsError, match="no parameter 'rows'"):
        spider(ListingSpider, rows="tr")
