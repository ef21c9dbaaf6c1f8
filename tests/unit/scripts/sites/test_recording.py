"""Recorded pages: what is told when a page does not give what it gave, for people and for CI servers."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from scripts.sites.checking import SHOWN, Checked, junit_report, shortened
from scripts.sites.recording import Recording, RecordingError, differences, live_differences, load
from spiders.definitions import SiteDefinition
from spiders.errors import SpiderError
from spiders.items import PostItem
from spiders.saved_pages import PageReading, SavedPage

NOW = datetime(2026, 11, 28, 6, tzinfo=UTC)
POSTS = tuple(
    PostItem(external_id=f"a.test/p/{n}", url=f"http://a.test/p/{n}", title=f"공지 {n}", published_at=NOW)
    for n in range(3)
)
Change = Callable[[PageReading], PageReading]


def recording() -> Recording:
    fields = ("external_id", "url", "title", "published_at")
    return Recording(
        definition=SiteDefinition(name="notices", spider="listing", params={"url": "http://a.test/", "row": "tr"}),
        page=SavedPage(body=b"", url="http://a.test/"),
        now=NOW,
        posts=[{name: getattr(post, name) for name in fields} for post in POSTS],
        next_url="http://a.test/?page=2",
    )


def posts(*found: PostItem) -> Change:
    return lambda reading: replace(reading, posts=found)


first, second, third = POSTS


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (posts(*POSTS), []),
        (
            posts(replace(first, title="다른 공지"), second, third),
            ["'공지 0': title was '공지 0', now it is '다른 공지'"],
        ),
        (
            posts(replace(first, published_at=None), second, third),
            ["'공지 0': published_at was 2026-11-28T06:00:00+00:00, now it is missing"],
        ),
        (posts(first, second), ["'공지 2' is not found any more"]),
        (posts(*POSTS, replace(first, external_id="x", title="새 글")), ["'새 글' is found and was not"]),
        (
            posts(replace(first, external_id="a.test/new/0"), second, third),
            ["'공지 0' has another id: 'a.test/p/0', now 'a.test/new/0'"],
        ),
        (posts(second, first, third), ["the posts stand in another order"]),
        (
            lambda reading: replace(reading, next_url=None),
            ["the next page was http://a.test/?page=2, now it is nowhere"],
        ),
        (
            lambda reading: replace(reading, posts=(), problem="the row selector 'tr' matches nothing on the page"),
            ["no posts are found: the row selector 'tr' matches nothing on the page"],
        ),
    ],
)
def test_what_is_not_as_it_was_recorded_is_told_in_words(change, lines):
    reading = PageReading(posts=POSTS, next_url="http://a.test/?page=2")
    assert list(differences(recording(), change(reading))) == lines


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        # Other posts than those that were recorded: they are of another day.
        (lambda n: {"external_id": f"a.test/p/9{n}", "url": f"http://a.test/p/9{n}", "title": f"New {n}"}, []),
        (lambda _: {"published_at": None}, ["3 of 3 posts have no published_at, and each recorded one has"]),
        (
            lambda n: {"url": f"http://a.test/view?no={n}"},
            ["the posts' addresses are of another kind: http://a.test/p/0, now http://a.test/view?no=0"],
        ),
    ],
)
def test_a_live_page_is_compared_by_what_its_posts_have(change, lines):
    live = [replace(post, **change(n)) for n, post in enumerate(POSTS)]  # type: ignore[arg-type]
    assert list(live_differences(recording(), live)) == lines


def test_the_report_for_ci_servers_counts_and_survives_what_pages_say():
    found = [
        Checked(site="good", result="ok", posts=3),
        Checked(site="bad", result="differs", lines=["'\x1b[31m<공지>' is not found any more", "more"]),
        Checked(site="worse", result="unreadable", lines=["it is no feed"]),
    ]
    (suite,) = ElementTree.fromstring(junit_report(found))
    assert {name: suite.get(name) for name in ("tests", "failures", "errors")} == {
        "tests": "3",
        "failures": "1",
        "errors": "1",
    }
    good, bad, worse = suite
    assert [good.get("name"), list(good)] == ["good", []]
    assert bad.find("failure").get("message") == "' [31m<공지>' is not found any more"  # type: ignore[union-attr]
    assert worse.find("error").text == "it is no feed"  # type: ignore[union-attr]


def test_a_long_difference_is_cut_and_counted():
    assert shortened([str(n) for n in range(SHOWN + 5)])[-2:] == [str(SHOWN - 1), "and 5 more"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"expected.toml": "now = 1"}, "cannot be read"),
        ({"expected.toml": 'now = "2026-11-28T06:00:00Z"\nposts = []', "page.html": ""}, "has no site.toml"),
        (
            {
                "expected.toml": 'now = "2026-11-28T06:00:00Z"',
                "page.html": "",
                "site.toml": '[sites.notices]\nspider = "feed"\nurl = "http://a.test/"',
            },
            "'posts' in expected.toml",
        ),
        ({"expected.toml": "now = 1", "page.html": "", "site.toml": "[sites.notices]\nspider = 1"}, "spider"),
    ],
)
def test_a_folder_that_is_no_recording_is_told_in_words(tmp_path, files, words):
    folder = tmp_path / "notices"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    with pytest.raises((RecordingError, SpiderError), match=words):
        load(folder)
