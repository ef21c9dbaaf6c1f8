"""Every saved listing and feed yields what its index expects."""

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from spiders.guessing.propose import propose
from spiders.params import FeedParams, ListingParams
from spiders.reading.feed_document import FeedDocument, NotAFeedError, parse_feed
from spiders.reading.identity import resolve
from spiders.reading.listing_page import ListingPage, parse_listing
from spiders.reading.text import title_text
from tests.integration.spiders.real_pages import FOLDER, Expected, expectations

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the saved real pages are not here")

SITES: Mapping[str, Any] = tomllib.loads(Path(__file__).with_name("real_listings.toml").read_text())
LISTINGS = expectations("listings")
FEEDS = expectations("feeds")

FEED_URLS = {
    "feeds/intertwingly.xml": "http://intertwingly.net/blog/index.atom",
    "feeds/neverwinter-news.xml": "http://www.arcgames.com/en/games/neverwinter/news/rss",
}
# Entries that are the same post (one rdf:about and link), and an entry that holds nothing at all.
FEED_POSTS = {"feeds/bbc-hungarian.xml": 55, "feeds/le-cercle-psy.xml": 9}
NOW = datetime(2026, 7, 1, tzinfo=UTC)


def read_listing(expected: Expected) -> ListingPage:
    site = SITES[expected.file.split("/")[1]]
    params = ListingParams.from_mapping(site["params"])
    return parse_listing(expected.body, params.url, params, datetime.fromisoformat(site["now"]))


def read_feed(expected: Expected) -> FeedDocument:
    url = FEED_URLS.get(expected.file, f"http://feeds.example/{expected.file}")
    return parse_feed(expected.body, url, FeedParams(url=url), NOW)


@pytest.mark.parametrize("file", LISTINGS)
def test_a_real_listing_yields_the_posts_that_its_index_expects(file: str) -> None:
    expected = LISTINGS[file]
    later = "later" in file
    site = SITES[file.split("/")[1]]
    page = read_listing(expected)
    rows = page.rows - sum(count for reason, count in page.skipped if "skip 'title:" in reason)
    assert rows == expected.count
    assert len(page.posts) == site.get("posts_later" if later else "posts", expected.count)
    for name, post, (title, link) in (
        ("first", page.posts[0], expected.first),
        ("last", page.posts[-1], expected.last),
    ):
        assert post.title == (title if later else site.get(name, title))
        if name not in site and "link_template" not in site["params"]:
            assert post.url == resolve(site["params"]["url"], link)
    assert all(post.published_at for post in page.posts)


@pytest.mark.parametrize("file", [file for file in LISTINGS if "later" in file])
def test_a_later_copy_of_a_listing_has_the_new_posts_that_its_index_expects(file: str) -> None:
    expected = LISTINGS[file]
    earlier = {post.external_id for post in read_listing(LISTINGS[file.replace("-later", "")]).posts}
    later = {post.external_id for post in read_listing(expected).posts}
    assert (len(later - earlier), len(earlier - later)) == (expected.new, expected.gone)


@pytest.mark.parametrize("file", [file for file in FEEDS if "not-a-feed" not in file])
def test_a_real_feed_yields_the_posts_that_its_index_expects(file: str) -> None:
    expected = FEEDS[file]
    document = read_feed(expected)
    assert document.rows == expected.count
    assert len(document.posts) == FEED_POSTS.get(file, expected.count)
    assert len({post.external_id for post in document.posts}) == len(document.posts)
    url = FEED_URLS.get(file, f"http://feeds.example/{file}")
    for post, (title, link) in ((document.posts[0], expected.first), (document.posts[-1], expected.last)):
        assert post.title == title_text(title)
        if link:
            assert post.url == resolve(url, link)


def test_a_later_copy_of_a_feed_has_the_new_posts_that_its_index_expects() -> None:
    expected = FEEDS["feeds/bbc-technology-later.xml"]
    earlier = {post.external_id for post in read_feed(FEEDS["feeds/bbc-technology.xml"]).posts}
    later = {post.external_id for post in read_feed(expected).posts}
    assert (len(later - earlier), len(earlier - later)) == (expected.new, expected.gone)


def test_a_page_under_a_feeds_name_is_reported_and_not_read_as_an_empty_feed() -> None:
    with pytest.raises(NotAFeedError, match="an HTML page, not with a feed"):
        read_feed(FEEDS["feeds/chuo-u-not-a-feed.xml"])


# Some of this page's rows stand outside any list because its markup is broken; the guess finds 173 of 201.
NOT_GUESSED = {"connecticut-appellate"}


@pytest.mark.parametrize("name", [name for name in SITES if name not in NOT_GUESSED])
def test_the_rows_of_a_real_listing_are_guessed(name: str) -> None:
    site = SITES[name]
    expected = LISTINGS[f"listings/{name}/page.html"]
    timezone = site["params"].get("timezone", "UTC")
    now = datetime.fromisoformat(site["now"])
    proposal = propose(expected.body, site["params"]["url"], now=now, timezone=timezone)
    wanted = {post.url for post in read_listing(expected).posts}
    guessed = {post.url for post in proposal.posts}
    if "link_template" in site["params"]:
        assert len(proposal.posts) == len(wanted)
    else:
        # An advertisement that the guess leaves out is no loss.
        assert len(wanted & guessed) >= min(0.9 * len(wanted), len(wanted) - 1)
