"""Each ready-made site reads a page in the shape of the real one: page.html or page.xml, and expected.toml."""

import tomllib
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import pytest

from spiders.definitions import ready_made
from spiders.saved_pages import SavedPage, read_page, url_of
from spiders.sites.hackernews import HackerNewsSpider, parse_hackernews

PAGES = Path(__file__).parents[2] / "fixtures" / "pages"
SITES = ready_made()


@pytest.mark.parametrize("name", SITES)
def test_a_ready_made_site_reads_a_page_of_its_kind(name: str) -> None:
    site = SITES[name]
    folder = PAGES / name
    expected = tomllib.loads((folder / "expected.toml").read_text())
    page = SavedPage(body=next(folder.glob("page.*")).read_bytes(), url=url_of(site))
    found = read_page(site, page, datetime.fromisoformat(expected["now"]))
    defaults = {"body": "", "author": "", "published_at": None}
    posts = [{key: value for key, value in asdict(post).items() if key != "pinned"} for post in found.posts]
    assert posts == [defaults | post for post in expected["posts"]]
    assert found.next_url == expected.get("next_url")


def test_every_ready_made_site_has_a_page() -> None:
    assert {folder.name for folder in PAGES.iterdir()} >= set(SITES)


def test_hackernews_without_stories_says_so() -> None:
    spider = HackerNewsSpider()
    page = parse_hackernews(b"<p>Sorry.</p>", spider.params.url, spider.params, datetime.now().astimezone())
    assert "matches 0 rows" in page.problem
