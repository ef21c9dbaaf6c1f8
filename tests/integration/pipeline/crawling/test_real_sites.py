"""Every saved listing and feed, served on loopback and crawled by a real child into a database."""

from collections.abc import Callable, Iterator
from mimetypes import guess_type
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from pipeline.crawling.order import CrawlReport
from tests.integration.pipeline.crawling.conftest import OrderFor, run
from tests.integration.spiders.real_pages import FOLDER
from tests.integration.spiders.test_real_pages import FEED_POSTS, FEEDS, LISTINGS, SITES, WITH_POSTS
from tests.support.http_server import Asked, Said, http_server

pytestmark = [
    pytest.mark.skipif(not FOLDER.exists(), reason="the saved real pages are not here"),
    pytest.mark.usefixtures("_forkserver"),
]

NOT_A_FEED = "feeds/chuo-u-not-a-feed.xml"
Stored = Callable[[], int]


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    def page(asked: Asked) -> Said:
        file = FOLDER / unquote(asked.path).lstrip("/")
        kind = guess_type(file.name)[0] or "application/octet-stream"
        return Said(file.read_bytes(), headers=(("Content-Type", kind),)) if file.is_file() else Said(status=404)

    with http_server(page) as origin:
        yield origin


def crawl(order_for: OrderFor, spider: str, params: dict[str, Any]) -> CrawlReport:
    zone = params.pop("timezone", "UTC")
    # The saved pages' next pages are not here.
    params = {name: value for name, value in params.items() if name not in {"next", "page_template", "max_pages"}}
    order = order_for(spider=spider, params=params, timezone=zone, obey_robots=False)
    return run(order)


@pytest.mark.parametrize("file", WITH_POSTS)
def test_a_listing_is_crawled_and_stored(file: str, served: str, order_for: OrderFor, stored: Stored) -> None:
    site = SITES[Path(file).parent.name]
    report = crawl(order_for, "listing", {**site["params"], "url": f"{served}/{file}"})
    expected = site.get("posts_later" if "later" in file else "posts", LISTINGS[file].count)
    assert (report.ok, report.errors, stored()) == (True, 0, expected)


@pytest.mark.parametrize("file", [file for file in FEEDS if file != NOT_A_FEED])
def test_a_feed_is_crawled_and_stored(file: str, served: str, order_for: OrderFor, stored: Stored) -> None:
    report = crawl(order_for, "feed", {"url": f"{served}/{file}"})
    expected = FEED_POSTS.get(file, FEEDS[file].count)
    assert (report.ok, report.errors, stored()) == (True, 0, expected)


def test_a_page_that_is_no_feed_is_a_failed_run(served: str, order_for: OrderFor, stored: Stored) -> None:
    report = crawl(order_for, "feed", {"url": f"{served}/{NOT_A_FEED}"})
    assert (report.ok, stored()) == (False, 0)
    assert "not with a feed" in (report.problem or report.first_error or "")
