import re

import pytest

from spiders.reading.identity import canonical_link, content_id, pattern_id, resolve


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://a.example/p/1", "https://www.a.example/p/1"),
        ("http://a.example:80/p/1", "http://a.example/p/1"),
        ("http://a.example/p?id=1&x=2", "http://a.example/p?x=2&id=1"),
        ("http://a.example/p/1?utm_source=rss&utm_medium=feed", "http://a.example/p/1"),
        ("http://a.example/p/1?fbclid=abc", "http://a.example/p/1"),
        ("http://a.example/p.php?sid=0123456789abcdef0123456789abcdef&t=5", "http://a.example/p.php?t=5"),
        ("http://a.example/p;jsessionid=AB12?id=5", "http://a.example/p?id=5"),
        ("http://a.example/p.php?PHPSESSID=1a2b&t=5", "http://a.example/p.php?t=5"),
        ("http://a.example/index.php?PHPSESSID=1a2b;topic=9.0", "http://a.example/index.php?topic=9.0"),
        ("http://a.example/view.do?id=5&page=2", "http://a.example/view.do?id=5"),
        ("http://a.example/news/19207008?od=T31&po=0", "http://a.example/news/19207008?od=T33&po=2"),
        ("http://a.example/p/1#comments", "http://a.example/p/1"),
        ("http://a.example/p/1#comment-point", "http://a.example/p/1"),
        ("http://a.example/caf%C3%A9", "http://a.example/café"),
        ("HTTP://A.Example/p/1", "http://a.example/p/1"),
    ],
)
def test_two_addresses_of_one_post_are_one(one: str, other: str) -> None:
    assert canonical_link(one) == canonical_link(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://a.example/p?id=1", "http://a.example/p?id=2"),
        ("http://a.example/?page=about", "http://a.example/?page=team"),
        ("http://a.example/modules.php?sid=289", "http://a.example/modules.php?sid=290"),
        ("http://a.example/changes#v1.2", "http://a.example/changes#v1.3"),
        ("http://a.example/#!/post/1", "http://a.example/#!/post/2"),
        ("http://a.example/view?12345", "http://a.example/view?12346"),
        ("http://a.example/P/1", "http://a.example/p/1"),
        ("http://a.example:8080/p/1", "http://a.example/p/1"),
        ("http://a.example/p/1?s=opportunity&id=5", "http://a.example/p/1?s=award&id=5"),
    ],
)
def test_addresses_of_different_posts_stay_different(one: str, other: str) -> None:
    assert canonical_link(one) != canonical_link(other)


def test_parameters_that_a_site_names_do_not_count() -> None:
    one = canonical_link("http://a.example/p?id=1&_cview=0", ignore_query=["_cview"])
    assert one == canonical_link("http://a.example/p?id=1&_cview=1", ignore_query=["_cview"])


def test_a_canonical_link_is_already_canonical() -> None:
    link = canonical_link("https://www.a.example/p?b=2&a=1&utm_source=x#top")
    assert link == canonical_link("http://" + link)


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("/b/1", "http://a.example/b/1"),
        ("?id=2", "http://a.example/list?id=2"),
        ("//b.example/x", "http://b.example/x"),
        (" Agenda 051518.pdf ", "http://a.example/Agenda%20051518.pdf"),
        ("http://b.example/a\nb", "http://b.example/ab"),
        ("#part-2", "http://a.example/list?p=1#part-2"),
        ("#", None),
        ("", None),
        ("javascript:void(0)", None),
        ("JavaScript: fn_view('1')", None),
        ("mailto:a@b.example", None),
        ("http://a.example/list?p=1#", None),
        ("http://[bad", None),
        ("ftp://a.example/x", None),
        ("http://a.example:99999/", None),
    ],
)
def test_an_href_becomes_an_address_or_nothing(href: str, expected: str | None) -> None:
    assert resolve("http://a.example/list?p=1", href) == expected


def test_an_id_is_what_the_pattern_holds() -> None:
    assert pattern_id(re.compile(r"/(\w+)/(\d+)"), "http://a.example/news/15") == "news/15"
    assert pattern_id(re.compile(r"\d+"), "http://a.example/news/15") == "15"
    assert pattern_id(re.compile(r"글=(\d+)"), "http://a.example/?%EA%B8%80=15") == "15"
    assert pattern_id(re.compile(r"x=(\d+)"), "http://a.example/news/15") is None


def test_an_id_of_content_depends_on_every_part() -> None:
    assert content_id("a", "b") != content_id("ab", "")
