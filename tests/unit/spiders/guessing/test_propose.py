from datetime import UTC, datetime

import pytest

from spiders.guessing.propose import Proposal, propose

NOW = datetime(2024, 3, 10, 6, tzinfo=UTC)
URL = "http://a.example/board/"
MENU = "<ul class='nav'>" + "".join(f"<li><a href='/m/{n}'>Menu entry {n}</a></li>" for n in range(12)) + "</ul>"


def page(rows: str, head: str = "") -> bytes:
    return f"<html><head>{head}</head><body>{MENU}<div id='content'>{rows}</div></body></html>".encode()


def table(cells: str = "", attributes: str = "") -> str:
    rows = "".join(
        f"<tr class='{'notice' if n == 1 else ''}'><td>{n}</td><td class='subj'><a href='/p/{n}' {attributes}>"
        f"Announcement of event number {n}</a>{cells}</td>"
        f"<td><a href='/u/{n % 2}'>writer</a></td><td>2024-03-0{n}</td></tr>"
        for n in range(1, 8)
    )
    return f"<table class='list'><thead><tr><th>No</th><th>Title</th></tr></thead><tbody>{rows}</tbody></table>"


def proposal(body: bytes, content_type: str = "") -> Proposal:
    return propose(body, URL, content_type, now=NOW)


def test_the_rows_of_a_table_are_found_with_title_date_and_pinned_ones() -> None:
    found = proposal(page(table()))
    assert found.spider == "listing"
    assert [post.title for post in found.posts] == [f"Announcement of event number {n}" for n in range(1, 8)]
    assert [post.published_at.day for post in found.posts if post.published_at] == list(range(1, 8))
    assert [post.pinned for post in found.posts] == [True] + 6 * [False]


@pytest.mark.parametrize(
    "rows",
    [
        "".join(
            f"<article><h2><a href='/p/{n}'>Long headline number {n}</a></h2><time datetime='2024-03-0{n}'>x</time>"
            f"<p>text <a href='/p/{n}'>more</a></p></article>"
            for n in range(1, 8)
        ),
        "<ul>"
        + "".join(
            f"<li class='row odd'><a href='/u/{n}'>u{n}</a> <a class='t' href='/p/{n}'>Long headline number {n}"
            f"</a> <span class='when'>{n} hours ago</span></li>"
            for n in range(1, 8)
        )
        + "</ul>",
        "".join(
            f"<div class='post-{n}000 card'><a class='title' href='/p/{n}'>Long headline number {n}</a>"
            f"<i class='d'>3/0{n}</i></div>"
            for n in range(1, 8)
        ),
    ],
)
def test_rows_of_other_kinds_are_found(rows: str) -> None:
    found = proposal(page(rows))
    assert [post.title for post in found.posts] == [f"Long headline number {n}" for n in range(1, 8)]
    assert all(post.published_at for post in found.posts)


def test_badges_in_titles_are_stripped() -> None:
    rows = table().replace("number 3</a>", "number 3 <span class='ico'>NEW</span></a>")
    found = proposal(page(rows))
    assert found.params["strip"] == ["span.ico"]
    assert found.posts[2].title == "Announcement of event number 3"


def test_links_that_are_scripts_give_an_id_and_advice() -> None:
    rows = table().replace("href='/p/", "href='#' data-key='")
    found = proposal(page(rows))
    assert len({post.external_id for post in found.posts}) == 7
    assert any("set link_template, with fields such as {data-key}" in note for note in found.notes)


def test_an_announced_feed_is_named() -> None:
    head = (
        "<link rel='alternate' type='application/rss+xml' title='Comments' href='/comments/feed'>"
        "<link rel='alternate' type='application/rss+xml' href='/feed'><link rel='alternate' hreflang='de' href='/de'>"
    )
    found = proposal(page(table(), head))
    assert found.feeds == ("http://a.example/feed", "http://a.example/comments/feed")
    assert found.notes[0] == "the page announces a feed: http://a.example/feed"


def test_a_feed_is_recognised_also_when_it_is_cut() -> None:
    feed = b"<rss><channel><item><title>a</title><link>http://a.example/1</link></item></channel></rss>"
    assert (proposal(feed).spider, len(proposal(feed).posts)) == ("feed", 1)
    cut = proposal(feed.replace(b"</channel></rss>", b"<item><tit"))
    assert (cut.spider, len(cut.posts)) == ("feed", 1)
    assert "broke off" in cut.notes[0]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the answer is empty"),
        (b"<p>Hello</p>", "give row and title yourself"),
        (b"\x00\x01\x02", "give row and title yourself"),
        (b"{}", "JSON that is no JSON Feed"),
        (b"<html><body><a href='/1'>x</a></body></html>", "give row and title yourself"),
    ],
)
def test_a_page_where_nothing_repeats_says_so(body: bytes, words: str) -> None:
    found = proposal(body)
    assert (found.spider, found.posts) == ("", ())
    assert words in found.notes[-1]


def test_what_is_proposed_can_be_crawled_as_it_is() -> None:
    found = propose(page(table()), URL, now=NOW, timezone="Asia/Seoul")
    assert found.params["timezone"] == "Asia/Seoul"
    assert found.params["url"] == URL


def test_elements_with_impossible_names_do_not_stop_the_guess() -> None:
    rows = table().replace("<tr ", "<t'r ").replace("<tbody>", "<t<body class='x'>")
    assert proposal(page(rows + table())).spider == "listing"
