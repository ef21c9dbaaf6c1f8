from datetime import UTC, datetime

import pytest
from lxml import etree

from spiders.items import PostItem, bounded_id
from spiders.reading.text import clean, element_text, html_text, shorten, title_text, unescaped, with_whole_signs


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("  a\n\t b\u3000c\xa0d ", "a b c d"),
        ("a\x00b\u200bc\ufeffd\xade", "abcde"),
        ("caf\x92\x85", "caf’…"),
        ("\ud800x", "x"),
        ("한글", "한글"),
        ("👨\u200d👩", "👨\u200d👩"),
        ("\u202etxt\u202c", "txt"),
    ],
)
def test_text_is_cleaned(raw: str, expected: str) -> None:
    assert clean(raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Edition $5 &amp; More", "Edition $5 & More"),
        ("Edition $5 &amp;amp; More", "Edition $5 & More"),
        ("1930ft<sup>2</sup> &#x0024;4300", "1930ft2 $4300"),
        ("a &lt;b&gt;bold&lt;/b&gt; claim", "a bold claim"),
        ("std::vector<int> and a < b", "std::vector<int> and a < b"),
        ("AT&T & co", "AT&T & co"),
        ("line<br/>break", "line break"),
        ("x" * 600, "x" * 499 + "…"),
    ],
)
def test_a_title_loses_its_markup_and_keeps_what_only_looks_like_it(raw: str, expected: str) -> None:
    assert title_text(raw) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("채용 &#55357;&#56960; 시작", "채용 🚀 시작"),
        ("장학 &#xD83C;&#xDF93; 안내", "장학 🎓 안내"),
        ("&#xd83d;&#56960;&#55357;&#xDE80;", "🚀🚀"),
        ("&amp;#xD83D;&amp;#xDE80; launch", "🚀 launch"),
        ("&#55357&#56960 next", "🚀 next"),
        ("cut &#55357; here", "cut  here"),
        ("&#56960;&#55357;", ""),
        ("&#54620;&#55000;&#57344;", "&#54620;&#55000;&#57344;"),
        ("AT&T &#38; &#x26;", "AT&T &#38; &#x26;"),
    ],
)
def test_a_sign_written_as_two_references_is_one_sign(source: str, expected: str) -> None:
    assert with_whole_signs(source) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("R&amp;D 인턴 모집", "R&D 인턴 모집"),
        ("R&amp;amp;D", "R&D"),
        ("&quot;2026 가을&quot; 행사", '"2026 가을" 행사'),
        ("It&#39;s open", "It's open"),
        ("It&#x27;s&nbsp;open", "It's\xa0open"),
        ("A &lt;b&gt; tag", "A <b> tag"),
        ("취업&middot;창업 특강", "취업·창업 특강"),
        ("AT&T; a & b; R&D &copy", "AT&T; a & b; R&D &copy"),
        ("&unknown; &#xD83D;&#xDE80;", "&unknown; 🚀"),
    ],
)
def test_a_text_that_was_escaped_twice_is_shown_as_it_was_meant(text: str, expected: str) -> None:
    assert unescaped(text) == expected


def test_a_title_that_is_declared_plain_is_taken_as_it_stands() -> None:
    assert title_text("The <b> element &amp; you", markup=False) == "The <b> element &amp; you"


def test_the_text_of_an_element_has_blanks_between_blocks_and_none_between_letters() -> None:
    root = etree.fromstring(
        "<a><div>one</div><div>two</div><b>清</b>掃<script>x()</script><!-- no --> tail<br/>end</a>",
        parser=etree.HTMLParser(),
    )
    assert element_text(root) == "one two 清掃 tail end"


def test_a_deeply_nested_page_is_read_without_recursion() -> None:
    assert html_text("<div>" * 20_000 + "deep") in {"deep", ""}


def test_the_text_of_html_is_bounded() -> None:
    assert len(html_text("<p>" + "word " * 100_000)) <= 2_000
    assert html_text("Tom &amp; Jerry") == "Tom & Jerry"


def test_a_long_text_is_cut_at_a_word() -> None:
    assert shorten("one two three", 9) == "one two…"


def test_an_item_is_bounded_and_clean() -> None:
    item = PostItem(
        external_id="i" * 600, url=" http://a.example/ ", title="t" * 900, body="b" * 9_000, author="\x00me"
    )
    assert item.external_id.startswith("sha256:")
    assert (len(item.title), len(item.body), item.author, item.url) == (500, 2_000, "me", "http://a.example/")


def test_an_id_of_512_characters_is_kept_and_a_longer_one_hashed() -> None:
    assert bounded_id("x" * 512) == "x" * 512
    assert len(bounded_id("x" * 513)) == 7 + 64


def test_an_item_refuses_a_date_without_a_zone() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        PostItem(external_id="1", url="u", title="t", published_at=datetime(2024, 1, 1))  # noqa: DTZ001
    assert PostItem(external_id="1", url="u", title="t", published_at=datetime(2024, 1, 1, tzinfo=UTC)).body == ""
