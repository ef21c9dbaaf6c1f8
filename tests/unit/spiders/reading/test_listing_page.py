from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from spiders.params import ListingParams
from spiders.reading.listing_page import parse_listing
from spiders.reading.page_posts import ListingPage

NOW = datetime(2024, 3, 10, 6, tzinfo=UTC)
URL = "http://a.example/board/list?page=1"


def read(html: str, **params: Any) -> ListingPage:
    return parse_listing(html, URL, ListingParams.from_mapping({"url": URL, "row": "li", **params}), NOW)


def titles(page: ListingPage) -> list[str]:
    return [post.title for post in page.posts]


def urls(page: ListingPage) -> list[str]:
    return [post.url for post in page.posts]


def test_the_first_link_of_a_row_is_its_title_where_none_is_given():
    page = read('<li><a href="/pic"><img></a><a href="/p/1">One</a><a href="/u/me">me</a></li>')
    assert (titles(page), urls(page)) == (["One"], ["http://a.example/p/1"])


@pytest.mark.parametrize(
    "row",
    [
        '<li><h2><a href="/p/1">One</a></h2></li>',
        '<li><a href="/p/1"><img><h2>One</h2></a></li>',
        '<li><h2>One</h2><a href="/p/1">more</a></li>',
        '<li><h2 class="x">One <small><a href="/p/1"></a></small></h2></li>',
    ],
)
def test_the_link_is_the_titles_anchor_around_or_inside_it_or_is_named(row):
    link = {"link": "a"} if "more" in row else {}
    page = read(row, title="h2", **link)
    assert (titles(page), urls(page)) == (["One"], ["http://a.example/p/1"])


def test_a_row_inside_an_anchor_is_linked_by_it():
    assert urls(read('<a href="/p/1"><li><b>One</b></li></a>', title="b")) == ["http://a.example/p/1"]


def test_a_title_may_be_an_attribute_a_text_or_the_row():
    row = '<li data-name="Two"><a href="/p/1" title="Three">One<b>!</b></a> tail</li>'
    for selector, expected in (
        ("::attr(data-name)", "Two"),
        ("a::attr(title)", "Three"),
        ("a::text", "One"),
        (".", "One! tail"),
        ("xpath:concat(./a, ' -', ./a/following-sibling::text())", "One! - tail"),
    ):
        assert titles(read(row, title=selector)) == [expected]


def test_a_cut_title_is_completed_from_its_tooltip():
    assert titles(read('<li><a href="/1" title="A long title indeed">A long ti...</a></li>')) == ["A long title indeed"]
    assert titles(read('<li><a href="/1" title="Permalink">A long ti…</a></li>')) == ["A long ti…"]


def test_badges_and_prefixes_are_left_out_and_do_not_change_which_post_it_is():
    with_badge = '<li><a href="/1">[공지] <b>One</b><i class="new">N</i></a></li>'
    without = '<li><a href="/1"><b>One</b></a></li>'
    strip = ["i.new", r"re:^\[공지\]"]
    assert titles(read(with_badge, strip=strip)) == ["One"]
    assert read(with_badge, strip=strip).posts == read(without, strip=strip).posts


def test_a_pinned_post_that_stands_again_below_is_one_post():
    page = read(
        '<li class="notice"><a href="/1?page=1">One</a></li><li><a href="/2?page=1">Two</a></li>'
        '<li><a href="/1">[notice] One</a><i>2024-03-01</i></li>',
        pinned=".notice",
        date="i",
    )
    assert (page.rows, titles(page), page.skipped) == (3, ["One", "Two"], (("repeats an earlier row", 1),))
    assert [post.pinned for post in page.posts] == [True, False]
    assert page.posts[0].published_at == datetime(2024, 3, 1, tzinfo=UTC)


def test_rows_are_skipped_by_selector_link_and_title():
    page = read(
        '<li class="ad"><a href="/1">Ad</a></li><li><i class="ad2"></i><a href="/2">Ad 2</a></li>'
        '<li><a href="/other/3">Other</a></li><li><a href="/4">[closed] x</a></li><li><a href="/5">Five</a></li>',
        skip=[".ad", "i.ad2", "link:/other/", r"title:^\[closed"],
    )
    assert titles(page) == ["Five"]
    assert sum(count for _, count in page.skipped) == 4


@pytest.mark.parametrize(
    ("row", "template", "expected"),
    [
        ('<li><a href="#" data-id="7">x</a></li>', "view.do?id={data-id}", "http://a.example/board/view.do?id=7"),
        ('<li data-id="7"><a href="#">x</a></li>', "/v/{data-id}", "http://a.example/v/7"),
        ('<li><a href="#">x</a><input data-id="7"></li>', "/v/{data-id}", "http://a.example/v/7"),
        (
            "<li><a href=\"javascript:view('a b', 12);\">x</a></li>",
            "/v?b={href.0}&n={href.1}",
            "http://a.example/v?b=a%20b&n=12",
        ),
        (
            "<li><a onclick=\"return fn_view(&quot;N1&quot;,'2')\">x</a></li>",
            "/{onclick.0}/{onclick.1}",
            "http://a.example/N1/2",
        ),
        ('<li><a href="/direct">x</a></li>', "/v/{data-id}", "http://a.example/direct"),
    ],
)
def test_a_link_that_is_a_script_is_made_from_a_template(row, template, expected):
    assert urls(read(row, title="a", link_template=template)) == [expected]


def test_a_script_without_a_template_needs_at_least_an_id():
    rows = '<li><a href="#" data-id="7">x</a></li><li><a href="#" data-id="8">y</a></li>'
    page = read(rows, title="a")
    assert page.posts == ()
    assert "set link_template or id" in page.problem
    page = read(rows, title="a", id="a::attr(data-id)")
    assert [post.external_id for post in page.posts] == ["id:7", "id:8"]


def test_a_sites_own_id_survives_a_changed_address():
    one = read('<li><a href="/rd/?uid=abc&amp;p=111">x</a></li>', id=r"re:uid=(\w+)").posts[0]
    other = read('<li><a href="/rd/?uid=abc&amp;p=222">x</a></li>', id=r"re:uid=(\w+)").posts[0]
    assert one.external_id == other.external_id == "id:abc"


def test_a_base_element_changes_where_links_lead():
    assert urls(read('<head><base href="http://b.example/x/"></head><li><a href="1">x</a></li>')) == [
        "http://b.example/x/1"
    ]


@pytest.mark.parametrize(
    ("cell", "selector"),
    [
        ('<time datetime="2024-03-01T10:00:00+09:00">1 Mar</time>', "time"),
        ('<span class="d">10:00<i>x</i></span><span class="d">2024-03-01 10:00</span>', "span.d + span.d"),
        ('<span class="d" title="2024-03-01 10:00">a while back</span>', "span.d"),
        ("<td>2024.03.01 10:00</td>", "td"),
        ("<i>3/1 10:00</i>", "i"),
    ],
)
def test_a_date_is_an_attribute_a_text_or_a_tooltip(cell, selector):
    cell = cell if "<td" not in cell else f"<table><tr>{cell}</tr></table>"
    page = read(f'<li><a href="/1">x</a>{cell}</li>', date=selector, timezone="Asia/Seoul")
    assert page.posts[0].published_at == datetime(2024, 3, 1, 1, tzinfo=UTC)


def test_xpath_in_a_row_means_the_row_also_with_a_leading_slash():
    assert titles(read('<li><a href="/1">One</a></li><li><a href="/2">Two</a></li>', title="//a")) == ["One", "Two"]


@pytest.mark.parametrize(
    ("next_link", "expected"),
    [
        ('<a class="next" href="?page=2">›</a>', "http://a.example/board/list?page=2"),
        ('<p class="next"><a href="?page=2">›</a></p>', "http://a.example/board/list?page=2"),
        ('<a class="next" href="#">›</a>', None),
        ('<a class="next" href="?page=1">›</a>', None),
        ("", None),
    ],
)
def test_the_next_page_is_found_or_there_is_none(next_link, expected):
    assert read('<li><a href="/1">x</a></li>' + next_link, next=".next").next_url == expected


@pytest.mark.parametrize(
    ("html", "params", "sentence"),
    [
        ("<p>nothing</p>", {}, "the row selector 'li' matches nothing on the page"),
        ("", {}, "the row selector 'li' matches nothing"),
        ("<li>x</li>", {"title": "b.t"}, "matches 1 rows, but none is a post: the title selector 'b.t' finds nothing"),
        ("<li><b>x</b></li>", {"title": "b"}, "the title's anchor (link is not given) gives no address"),
        ("<li><b>x</b></li>", {"title": "b", "link": "a.go"}, "the link selector 'a.go' gives no address"),
        ('<li><a href="/1">x</a></li>', {"skip": ["a"]}, "left out by skip 'a'"),
    ],
)
def test_a_page_without_posts_says_which_selector_is_to_blame(html, params, sentence):
    page = read(html, **params)
    assert page.posts == ()
    assert sentence in page.problem


def test_a_deleted_row_without_a_link_is_left_out_and_counted():
    page = read("<li>(deleted)</li><li><a href='/1'>x</a></li>", title="a")
    assert (page.rows, len(page.posts), page.skipped) == (2, 1, (("no title and no link", 1),))
    assert page.problem == ""


@pytest.mark.parametrize(
    ("copied", "instead"),
    [
        ("#c > table > tbody > tr", "#c > table > tr"),
        ("table.board>tbody>tr", "table.board>tr"),
        ("table tbody:nth-child(2) tr", "table tr"),
        ("tbody tr", "tr"),
        ("/html/body/div/table/tbody/tr", "/html/body/div/table/tr"),
        ("xpath://table/tbody[1]/tr", "xpath://table/tr"),
    ],
)
def test_a_tbody_that_only_browsers_have_is_named_with_what_to_write_instead(copied, instead):
    html = "<div id=c><table class=board><tr><td><a href=/1>x</a></td></tr></table></div>"
    assert read(html, row=copied).problem.endswith(f"write {instead!r}")
    assert len(read(html, row=instead).posts) == 1


def test_a_tbody_is_not_blamed_for_a_selector_that_is_wrong_in_another_way():
    assert "tbody is not" not in read("<table><tr><td>x", row="#gone > tbody > tr").problem


TITLES = ("국가장학금 신청", "기숙사 추첨", "백엔드 인턴", "도서관 개방", "Spring job fair", "교환학생 설명회")


def board(cell: str, titles: Sequence[str] = TITLES, first: int = 101, **params: Any) -> ListingPage:
    """A page whose rows are like `cell`, where N stands for a number that is another one in each row."""
    rows = "".join(
        f"<li>{cell.replace('N', str(first + n)).replace('T', title)}</li>" for n, title in enumerate(titles)
    )
    return read(f"<ul>{rows}</ul>", **params)


@pytest.mark.parametrize(
    "cell",
    [
        '<a href="view.do?searchSeq=N&amp;commonMenuNo=1">T</a>',
        '<a href="view.do?sn=KN&amp;menuNo=1">T</a>',
        '<a href="news.html#post-N">T</a>',
        '<a href="#post-N">T</a>',
        '<a href="view.do;jsessionid=ABN.x?seq=N">T</a>',
        '<a href="view.asp?board=b&amp;title=%B0%N">T</a>',
        '<a href="view.do" onclick="location.href=\'view.do?seq=N\'">T</a>',
        '<a href="#none" onclick="window.open(\'/view/N\'); return false">T</a>',
        "<b onclick=\"show('http://a.example/?c=1&amp;pdf=N')\">T</b>",
        '<b data-href="/view/N">T</b>',
        "<a href=\"javascript:location.href='/view/N'\">T</a>",
    ],
)
def test_rows_with_different_titles_and_different_addresses_are_different_posts(cell):
    before, after = (board(cell, TITLES[:5], title="a, b"), board(cell, title="a, b"))
    assert titles(before) == list(TITLES[:5])
    assert not before.problem
    ids = [{post.external_id for post in page.posts} for page in (before, after)]
    assert (len(ids[1]), len(ids[1] - ids[0])) == (6, 1)
    assert len({post.url for post in after.posts}) == 6


@pytest.mark.parametrize(
    ("cell", "params", "hint"),
    [
        ('<a href="#none" data-id="N">T</a>', {}, "data-id"),
        ('<a href="#readMore" data-id="N">T</a>', {}, "data-id"),
        ('<a href="view.do" onclick="goView(\'N\')">T</a>', {}, "a::attr(onclick)"),
        ('<a href="view.do">T</a>', {}, "set link or id"),
        ("<a href=\"javascript:goView('N','B01')\">T</a>", {"link_template": "v?no={href.1}"}, "a::attr(href)"),
        ('<a href="view.do?no=N">T</a>', {"id": "re:(view)"}, "set id"),
        ('<a href="#none">T</a>', {}, "set link_template or id"),
    ],
)
def test_a_page_whose_rows_cannot_be_told_apart_gives_no_posts_and_says_what_to_set(cell, params, hint):
    page = board(cell, **params)
    assert not page.posts
    assert hint in page.problem


def test_a_few_rows_of_one_address_are_one_post_and_no_trouble():
    row = '<li><a href="/view/N">T</a></li>'
    repeated = "".join(row.replace("N", number).replace("T", f"Title {number}") for number in "123456")
    page = read(repeated + row.replace("N", "1").replace("T", "Quite another"))
    assert (len(page.posts), page.is_ambiguous) == (6, False)


def test_the_next_pages_of_a_crawl_are_read_like_its_first():
    cell = '<li><a href="view.do?searchSeq={}&amp;m=1">{}</a></li>'
    first = read(cell.format(1, "One") + cell.format(2, "Two"))
    params = ListingParams.from_mapping({"url": URL, "row": "li"})
    second = parse_listing(cell.format(3, "Three"), URL, params, NOW, scheme=first.scheme)
    assert "searchSeq=3" in second.posts[0].external_id


def test_an_edited_title_in_the_address_is_no_new_post():
    before = board('<a href="/project/1252N-T">T</a>')
    after = board('<a href="/project/1252N-T">T</a>', ("국가장학금 신청 (정정)", *TITLES[1:]))
    assert titles(before) != titles(after)
    assert [post.external_id for post in before.posts] == [post.external_id for post in after.posts]


@pytest.mark.parametrize(
    ("template", "url"),
    [
        ("{onclick.0}", "http://a.example/o?c=1&pdf=101"),
        ("{onclick.viewOpinion.0}", "http://a.example/o?c=1&pdf=101"),
        ("/go?to={onclick.0}", "http://a.example/go?to=/o%3Fc=1%26pdf=101"),
    ],
)
def test_nothing_is_escaped_where_a_field_is_the_whole_address(template, url):
    page = board("<b onclick=\"log('x'); viewOpinion('/o?c=1&amp;pdf=N')\">T</b>", title="b", link_template=template)
    assert page.posts[0].url == url


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("R&amp;amp;D 인턴", "R&D 인턴"),
        ("&amp;quot;2026 가을&amp;quot; 행사", '"2026 가을" 행사'),
        ("A &amp;lt;b&amp;gt; tag", "A <b> tag"),
        ("채용 &#55357;&#56960; 시작", "채용 🚀 시작"),
        ("장학 &#xD83C;&#xDF93; 안내", "장학 🎓 안내"),
        ("cut &#55357; here", "cut here"),
        ("AT&amp;T &amp; co", "AT&T & co"),
    ],
)
@pytest.mark.parametrize("selector", ["a", "a::text", "a::attr(title)"])
def test_a_title_that_a_board_escaped_wrongly_is_read_as_it_was_meant(written, title, selector):
    assert titles(read(f'<li><a href="/1" title="{written}">{written}</a></li>', title=selector)) == [title]


@pytest.mark.parametrize(
    ("href", "opened"),
    [
        ("/v;jsessionid=0A1B?no={n}", "/v?no={n}"),
        ("/v?no={n}&PHPSESSID=abc", "/v?no={n}"),
        ("/v?PHPSESSID=abc&no={n}#top", "/v?no={n}#top"),
        ("/v?sid=0123456789abcdef0123456789abcdef&t={n}", "/v?t={n}"),
        ("/v?s=0123456789abcdef0123456789abcdef;t={n}", "/v?t={n}"),
        ("/(S(abc123))/v?no={n}", "/v?no={n}"),
        ("/v?sid={n}&q=%B0%F8", "/v?sid={n}&q=%B0%F8"),
        ("/v?phpsessid={n}", "/v?phpsessid={n}"),
    ],
)
def test_a_readers_link_does_not_carry_the_crawlers_session(href, opened):
    page = read("".join(f'<li><a href="{href.format(n=n)}">Title {n}</a></li>' for n in (11, 12, 13)))
    assert urls(page) == [f"http://a.example{opened.format(n=n)}" for n in (11, 12, 13)]


@pytest.mark.parametrize(("encoding", "query"), [("euc-kr", "%B0%F8%C1%F6"), ("utf-8", "%EA%B3%B5%EC%A7%80")])
def test_raw_letters_of_a_query_go_out_in_the_pages_encoding(encoding, query):
    row = '<li><a href="/공지/v?t=공지&e=🚀&n={n}#공지">공지사항 안내 {n}</a></li>'
    html = f'<meta charset="{encoding}">' + "".join(row.replace("{n}", str(n)) for n in range(9))
    body = html.encode("cp949" if encoding == "euc-kr" else encoding, "xmlcharrefreplace")
    page = parse_listing(body, URL, ListingParams.from_mapping({"url": URL, "row": "li"}), NOW)
    path = "%EA%B3%B5%EC%A7%80"
    emoji = "%26%23128640%3B" if encoding == "euc-kr" else "%F0%9F%9A%80"
    assert urls(page)[0] == f"http://a.example/{path}/v?t={query}&e={emoji}&n=0#{path}"


def test_a_date_cell_that_cannot_be_read_costs_the_date_and_not_the_page():
    cells = ["geſtern", "5MİN", "hıer", "\u0130\u0307", "2.9k", "99.99.9999", "", "2024.03.09"]
    page = read(
        "".join(f'<li><a href="/{n}">Title {n}</a><i>{cell}</i></li>' for n, cell in enumerate(cells)), date="i"
    )
    assert titles(page) == [f"Title {n}" for n in range(len(cells))]
    assert page.posts[-1].published_at == datetime(2024, 3, 9, tzinfo=UTC)
    assert [post.published_at for post in page.posts[3:7]] == [None] * 4
