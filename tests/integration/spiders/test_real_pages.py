"""Every saved listing and feed yields what its index expects."""

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from spiders.guessing.known_posts import KnownPost
from spiders.guessing.repair import repair
from spiders.params import FeedParams, ListingParams
from spiders.reading.feed_document import FeedDocument, parse_feed
from spiders.reading.feed_text import NotAFeedError
from spiders.reading.identity import resolve
from spiders.reading.listing_page import parse_listing
from spiders.reading.page_posts import ListingPage
from spiders.reading.text import title_text
from tests.integration.spiders.guesses import graded, proposed
from tests.integration.spiders.real_pages import FOLDER, Expected, expectations

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the saved real pages are not here")

SITES: Mapping[str, Any] = tomllib.loads(Path(__file__).with_name("real_listings.toml").read_text())
LISTINGS = expectations("listings")
WITH_POSTS = [file for file, expected in LISTINGS.items() if expected.count]
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


@pytest.mark.parametrize("file", WITH_POSTS)
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
        if later or name not in site:
            assert post.title == (title or post.title)
        else:
            assert post.title == site[name]
        if link and name not in site and "link_template" not in site["params"]:
            assert post.url == resolve(site["params"]["url"], link)
    assert later or sum(not post.published_at for post in page.posts) == site.get("undated", 0)


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


# Minutes, agendas and other documents of all years, whose dates stand in some of the titles.
REFUSED = {"il-medical-district"}


@pytest.mark.parametrize("file", LISTINGS)
def test_a_real_listing_is_guessed_from_its_address_alone(file: str) -> None:
    grade = graded(file)
    assert grade.grade == ("refused" if file.split("/")[1] in REFUSED else "exact"), grade.why


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("monster-london-it", {"ignore_query": ["jobPosition"]}),
        ("mostaql-projects", {"id": r"re:/project/(\d{3,})[-_,.]"}),
        ("vlr-news", {"id": r"re:/(\d{3,})/"}),
        ("zod-deal", {"timezone": "Asia/Seoul", "pinned": ".notice"}),
        ("netease-rolling", {"timezone": "Asia/Shanghai"}),
        ("kyujinbox-tokyo", {"timezone": "Asia/Tokyo"}),
        ("facepunch-rust-forum", {"pinned": ".sticky", "next": "a[rel=next]"}),
        ("quasarzone-saleinfo", {"date": "span.date"}),
        ("hackernews-front", {"next": "a[rel=next]"}),
    ],
)
def test_what_else_is_proposed_for_a_real_listing(name: str, params: Mapping[str, Any]) -> None:
    found = proposed(f"listings/{name}/page.html").params
    assert {key: found.get(key) for key in params} == params


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("chi-citycouncil-api", "JSON that is no JSON Feed"),
        ("konkuk-cse-empty", "the page announces a feed: https://cse.konkuk.ac.kr/bbs/cse/775/rssList.do"),
    ],
)
def test_a_page_without_posts_is_named(name: str, words: str) -> None:
    file = next(each for each in LISTINGS if each.split("/")[1] == name)
    assert any(words in note for note in proposed(file).notes)


def test_the_boards_own_feed_stands_before_the_sites() -> None:
    for name, feed in (
        ("facepunch-rust-forum", "https://facepunch.com/external.php?type=RSS2&forumids=415"),
        ("mindfactory-forum", "https://forum.mindfactory.de/external.php?type=RSS2&forumids=42"),
    ):
        assert proposed(f"listings/{name}/page.html").feeds[0] == feed


@pytest.mark.parametrize("name", [file.split("/")[1] for file in WITH_POSTS if file.endswith("/page.html")])
def test_a_real_listing_is_found_again_by_its_titles_or_refused(name: str) -> None:
    """As if the page had just come to look as it does: of the definition only what does not select is left."""
    expected, site = LISTINGS[f"listings/{name}/page.html"], SITES[name]
    posts = read_listing(expected).posts
    known = [
        KnownPost(id=place, external_id=post.external_id, title=post.title, published_at=post.published_at)
        for place, post in enumerate(posts)
    ]
    lost = {
        key: value for key, value in site["params"].items() if key not in {"title", "date", "link", "skip", "strip"}
    }
    found = repair(
        expected.body,
        site["params"]["url"],
        before={**lost, "row": "table.lost tr"},
        known=known,
        shown=len(known),
        now=datetime.fromisoformat(site["now"]),
    )
    # Two lists of one page have most titles of the first; and rows in which everything is one text.
    assert not found.refusal or name in {"mozilla-blog", "vlr-news"}, found.refusal
    assert found.recognition.new == frozenset()
    for place, old in found.recognition.known.items():
        assert (found.posts[place].url, found.posts[place].title) == (posts[old.id].url, posts[old.id].title)
    assert found.refusal or len(found.recognition.known) == len(known)
