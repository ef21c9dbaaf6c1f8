"""Situations that others reported: boards whose posts were taken for one, or for new ones."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.crawling.same_posts import Known, compare
from spiders.items import PostItem
from spiders.params import FeedParams, ListingParams
from spiders.reading.addresses import needless_parameters
from spiders.reading.feed_document import parse_feed
from spiders.reading.listing_page import parse_listing
from spiders.reading.page_posts import ListingPage
from tests.integration.spiders.real_pages import FOLDER

INPUTS = FOLDER.parent / "reports" / "inputs"
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
BASE = "http://board.example/"

pytestmark = pytest.mark.skipif(not INPUTS.exists(), reason="the reported inputs are not here")


def board(file: str, **params: Any) -> ListingPage:
    path = INPUTS / file
    url = f"{BASE}{path.parent.name}/board.html"
    found = ListingParams.from_mapping({"url": url, "row": "tr", "title": ".subject", "date": ".date", **params})
    return parse_listing(_body(path), url, found, NOW)


def _body(path: Path, load: int = 1) -> bytes:
    """What the server makes of a file: a number and the time that change with each load, and its own name."""
    body = path.read_bytes().replace(b"{{N}}", str(load).encode())
    return body.replace(b"{{NOW}}", str(1_764_300_000_000 + load).encode()).replace(b"{{HOST}}", b"board.example")


@pytest.mark.parametrize(
    ("before", "after", "posts", "new"),
    [
        ("14-identity-looks-like-list-state/v1.html", "14-identity-looks-like-list-state/v2.html", 10, 1),
        ("14-identity-looks-like-list-state/sn.html", "14-identity-looks-like-list-state/sn.html", 10, 0),
        ("16-posts-told-apart-by-fragment/v1.html", "16-posts-told-apart-by-fragment/v2.html", 8, 1),
        ("17-euc-kr-in-addresses/escaped.html", "17-euc-kr-in-addresses/escaped.html", 5, 0),
    ],
)
def test_posts_are_told_apart_and_a_new_one_is_seen(before: str, after: str, posts: int, new: int) -> None:
    ids = [{post.external_id for post in board(each).posts} for each in (before, after)]
    assert (len(ids[0]), len(ids[1] - ids[0])) == (posts, new)


@pytest.mark.parametrize(("file", "field"), [("board.html", "{href.0}"), ("onclick.html", "{onclick.0}")])
def test_the_script_that_opens_the_post_is_found_behind_others(file: str, field: str) -> None:
    page = board(f"15-script-before-the-call/{file}", link_template=f"view?no={field}")
    assert [post.url.rpartition("=")[2] for post in page.posts] == [str(300 + n) for n in range(8)]


def known(posts: tuple[PostItem, ...], first: int) -> Iterator[Known]:
    for number, post in enumerate(posts, first):
        yield Known(
            id=number,
            external_id=post.external_id,
            url=post.url,
            title=post.title,
            published_at=post.published_at,
            first_seen_at=NOW,
        )


@pytest.mark.parametrize("file", ["01-guid-new-at-each-fetch/feed.xml", "02-link-noise-at-each-load/feed.xml"])
def test_a_feed_that_changes_all_ids_is_recognised(file: str) -> None:
    url = f"{BASE}{file}"
    loads = [parse_feed(_body(INPUTS / file, load), url, FeedParams(url=url), NOW) for load in (1, 2)]
    before, new = (list(known(load.posts, 100 * number)) for number, load in enumerate(loads))
    assert not {post.external_id for post in before} & {post.external_id for post in new}
    assert len(compare(new, before, seen=10, now=NOW).pairs) == 10


def test_a_board_that_was_rebuilt_is_recognised() -> None:
    folder = "19-long-board-changes-all-ids"
    before, new = (list(known(board(f"{folder}/{each}.html").posts, 100 * n)) for n, each in enumerate("ab"))
    assert len(compare(new, before, seen=60, now=NOW).pairs) == 60


def test_an_edited_title_in_the_address_of_a_real_board_is_no_new_post() -> None:
    body = (FOLDER / "listings/mostaql-projects/page.html").read_bytes()
    url = "https://mostaql.com/projects/development"
    params = ListingParams(url=url, row="tr.project-row", title="h2 a")
    page = parse_listing(body, url, params, NOW)
    assert len(page.posts) == 25
    path = page.posts[0].url.removeprefix("https://mostaql.com").encode()
    edited = parse_listing(body.replace(path, path + b"-edited"), url, params, NOW)
    assert edited.posts[0].url != page.posts[0].url
    assert [post.external_id for post in edited.posts] == [post.external_id for post in page.posts]


def test_a_rank_in_the_address_is_found_on_a_real_board() -> None:
    body = (FOLDER / "listings/monster-london-it/page.html").read_bytes()
    url = "http://jobs.monster.co.uk/v-it-l-london,-london.aspx"
    page = parse_listing(body, url, ListingParams(url=url, row="article.js_result_row", title="div.jobTitle a"), NOW)
    assert len(page.posts) == 20
    assert "jobPosition" in needless_parameters([post.url for post in page.posts])
