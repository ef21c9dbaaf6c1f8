"""Boards of one kind each, small: which titles, dates and marks are proposed for them, given the page alone."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from spiders.guessing.propose import Proposal, propose

NOW = datetime(2024, 3, 10, 6, tzinfo=UTC)
URL = "http://a.example/board/list"
NUMBERS = range(1, 9)
TITLES = [f"Announcement of event number {n}" for n in NUMBERS]
MENU = "<ul class='nav'>" + "".join(f"<li><a href='/m/{n}'>Menu entry {n}</a></li>" for n in range(12)) + "</ul>"


def proposal(rows: str, *, around: str = "{}", head: str = "", url: str = URL) -> Proposal:
    body = around.format(rows)
    page = f"<html><head>{head}</head><body>{MENU}<div id='content'>{body}</div></body></html>"
    return propose(page.encode(), url, "text/html; charset=utf-8", now=NOW)


def repeated(row: str, numbers: range = NUMBERS) -> str:
    """The row for each number: {n} is the number, {title} the title, {day} a date of its own."""
    return "".join(
        row.replace("{n}", str(n))
        .replace("{title}", f"Announcement of event number {n}")
        .replace("{day}", f"2024-03-0{n}")
        for n in numbers
    )


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A board, and what goes around its rows."""

    row: str
    around: str = "<table><tbody>{}</tbody></table>"


KINDS = {
    "classes with colons": Kind(
        row="<li class='tw:flex w-[40px]'><a class='tw:flex-1' href='/p/{n}'><span class='tw:mr-1'>{title}</span>"
        "<span class='tw:text-xs'>{day}</span></a></li>",
        around="<ul class='tw:grid'>{}</ul>",
    ),
    "the category is a link before the title's": Kind(
        row="<tr><td>{n}</td><td><a href='/board/list?cat=1'>[news]</a> <a href='/p/{n}'>{title}</a></td>"
        "<td>{day}</td></tr>"
    ),
    "an empty anchor stands first": Kind(
        row="<tr><td><a name='p{n}'></a><a href='/p/{n}'>{title}</a></td><td>{day}</td></tr>"
    ),
    "the heading is inside the link": Kind(
        row="<li><a href='/p/{n}'><h3>{title}</h3><p>A first sentence of the text, which goes on and on, number {n}, "
        "until it is cut ...</p><span>{day}</span></a></li>",
        around="<ul>{}</ul>",
    ),
    "the row is the link, and its parts have no names": Kind(
        row="<a class='item' href='/p/{n}'><div><div style='font-weight: 700'>{title}</div><div>What it is about: a "
        "sentence that is much longer than any title would be, number {n}.</div><div class='m'>{day}</div></div></a>",
        around="<div class='card'>{}</div>",
    ),
    "author and counter are inside the link": Kind(
        row="<li><a href='/p/{n}'><span class='cnt'>1{n}</span><strong class='subject'>{title}</strong>"
        "<em>writer</em><time>{day}</time></a></li>",
        around="<ul class='posts'>{}</ul>",
    ),
    "the count of comments ends the title": Kind(
        row="<tr><td><a href='/p/{n}'>{title} [1{n}]</a></td><td>{day}</td></tr>"
    ),
    "the count of comments is an element of the title": Kind(
        row="<tr><td class='s'><a href='/p/{n}'>{title} <span class='reply'>1{n}</span></a></td><td>{day}</td></tr>"
    ),
    "what only a reader of the screen says is in the title": Kind(
        row="<tr><td class='s'><a href='/p/{n}'>{title} <span class='sound_only'>comments</span>"
        "<span class='c'>1{n}</span><span class='sound_only'>in all</span></a></td><td>{day}</td></tr>"
    ),
    "the tooltip says the day, and the text the clock": Kind(
        row="<tr><td class='s'><a href='/p/{n}'>{title}</a></td><td class='d' title='{day} 09:10:00'>09:10</td></tr>"
    ),
    "tables for the layout": Kind(
        row="<tr><td><table><tr><td><b>.</b></td><td><a href='/p/{n}'>{title}</a></td><td>{day}</td></tr></table>"
        "</td></tr>",
        around="<table><tr><td><table>{}</table></td><td><a href='/x'>x</a></td></tr></table>",
    ),
    "the row itself is pressed": Kind(
        row="<tr onclick=\"location.href='/p/{n}'\"><td>{n}</td><td class='t'>{title}</td><td>writer</td>"
        "<td>{day}</td></tr>"
    ),
    "a span is pressed": Kind(
        row="<tr><td><span class='title' onclick='view({n})'>{title}</span></td><td>{day}</td></tr>"
    ),
    "the link is a script": Kind(
        row="<tr><td class='t'><a href='javascript:view({n})'>{title}</a></td><td>{day}</td></tr>"
    ),
    "the date stands in the line below": Kind(
        row="<tr class='thing'><td><a class='t' href='/p/{n}'>{title}</a></td></tr>"
        "<tr><td><span class='age'>{day}</span> | <a href='/hide/{n}'>hide</a></td></tr>"
    ),
    "only a tooltip says the date": Kind(
        row="<li><a class='t' href='/p/{n}'>{title}</a><dl class='m'><dd>{n}00</dd><dd title='{day} 10:00:00'>new</dd>"
        "<dd>1{n}</dd></dl></li>",
        around="<ul class='posts'>{}</ul>",
    ),
    "a view count stands beside the date": Kind(
        row="<tr><td class='t'><a href='/p/{n}'>{title}</a></td><td class='m'><span class='c'>{n}.9k</span> "
        "<span class='d'>{day}</span></td></tr>"
    ),
    "the markup is broken": Kind(
        row="<li><a href='/p/{n}'>{title}</a> <i class='d'>{day}</i></li><font>",
        around="<div class='list'><ul>{}</ul></div>",
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_titles_and_dates_of_each_kind_of_board(name):
    kind = KINDS[name]
    found = proposal(repeated(kind.row), around=kind.around)
    assert [post.title for post in found.posts] == TITLES, (found.params, found.notes)
    assert [post.published_at.day for post in found.posts if post.published_at] == list(NUMBERS), found.params
    assert len({post.external_id for post in found.posts}) == len(TITLES)


@pytest.mark.parametrize("states", [("sticky", "nonsticky"), ("notice", "hybrid"), ("closed", "open"), ("x", "y")])
def test_a_class_that_tells_the_state_of_some_rows_loses_no_others(states):
    row = "<tr class='bit {state}'><td><a class='t' href='/p/{n}'>{title}</a></td><td>{day}</td></tr>"
    rows = repeated(row.replace("{state}", states[0]), range(1, 3)) + repeated(
        row.replace("{state}", states[1]), range(3, 9)
    )
    found = proposal(rows, around="<table><tbody>{}</tbody></table>")
    assert [post.title for post in found.posts] == TITLES


def test_rows_pinned_in_a_table_body_of_their_own_are_not_lost():
    row = "<tr class='{c}'><td><a class='t' href='/p/{n}'>{title}</a></td><td>{day}</td></tr>"
    pinned = repeated(row.replace("{c}", "note"), range(1, 3))
    others = repeated(row.replace("{c}", "usual"), range(3, 9))
    found = proposal(f"<table><tbody id='notes'>{pinned}</tbody><tbody id='posts'>{others}</tbody></table>")
    assert [post.title for post in found.posts] == TITLES


def test_three_rows_are_enough_when_they_are_dated():
    row = "<tr><td><a href='/p/{n}'>{title}</a></td><td>{cell}</td></tr>"
    table = "<table><tbody>{}</tbody></table>"
    assert len(proposal(repeated(row.replace("{cell}", "{day}"), range(1, 4)), around=table).posts) == 3
    assert proposal(repeated(row.replace("{cell}", "writer"), range(1, 4)), around=table).spider == ""


def test_of_two_dates_the_one_of_the_posting_is_taken():
    head = "<tr><th>Title</th><th>Last reply</th><th>Posted</th></tr>"
    row = "<tr><td><a href='/p/{n}'>{title}</a></td><td>2024-03-09</td><td>{day}</td></tr>"
    found = proposal(repeated(row), around=f"<table><thead>{head}</thead><tbody>{{}}</tbody></table>")
    assert [post.published_at.day for post in found.posts if post.published_at] == list(NUMBERS)


NOTHING = {
    "a menu": "<ul id='m'>" + "".join(f"<li><a href='/cat/{n}'>Part no. {n}</a></li>" for n in range(30)) + "</ul>",
    "a footer": "<div class='foot'>"
    + "".join(f"<a href='/about/{n}'>About the company {n}</a> " for n in range(8))
    + "</div>",
    "a menu named in one word": "<div id='leftMenuContent'>"
    + "".join(f"<a href='/t/{n}'>Artificial Christmas trees {n}</a>" for n in range(12))
    + "</div>",
    "a few buttons": "".join(f"<a class='button' href='/{n}'>Sign up for notices {n}</a>" for n in "abcd"),
    "a login": "<form><input name='u'><input type='password' name='p'></form><a href='/forgot'>Forgot it?</a>",
}


@pytest.mark.parametrize("name", NOTHING)
def test_what_is_no_board_is_not_proposed(name):
    found = proposal(NOTHING[name])
    assert (found.spider, found.posts) == ("", ())
    assert found.notes


def test_a_refusal_names_the_likeliest_rows_and_what_speaks_against_them():
    note = proposal(NOTHING["a menu"]).notes[-1]
    assert "most rows have no date, and the titles are as short as a menu's" in note
    assert "--row" in note
    assert "--title" in note


def test_the_page_is_named_when_it_is_not_the_list():
    assert any("login page" in note for note in proposal(NOTHING["a login"], url="http://a.example/login").notes)
    found = propose(b'{"posts": []}', URL, "application/json", now=NOW)
    assert any("JSON that is no JSON Feed" in note for note in found.notes)


LONG = "<tr><td><a href='{href}'>{title}</a></td><td>{day}</td></tr>"
TABLE = "<table><tbody>{}</tbody></table>"


@pytest.mark.parametrize(
    ("href", "params"),
    [
        ("/job/engineer-{n}000{n}.aspx?pos={n}", {"ignore_query": ["pos"]}),
        ("/job/{n}000{n}?at=a1b2c3d4e5f6a7b8c9d0e1", {"ignore_query": ["at"]}),
        ("/project/{n}0{n}-announcement-of-event-{n}", {"id": r"re:/project/(\d{3,})[-_,.]"}),
        ("/{n}0{n}/announcement-of-event-{n}", {"id": r"re:/(\d{3,})/"}),
        ("/p/announcement-of-event-{n}-10{n}.html", {"id": r"re:[-_.,](\d{3,})(?:-[a-z])?(?:\.\w{2,5})?/?(?=[?#]|$)"}),
        # The board's own name, as in the page's address.
        ("/view?id={n}&bo=free", {}),
        # The number of the post counts too.
        ("/view?no={n}", {}),
        ("/2024/03/announcement-of-event-{n}", {}),
    ],
)
def test_what_in_an_address_is_no_identity_is_proposed_to_be_left_out(href, params):
    found = proposal(repeated(LONG.replace("{href}", href)), around=TABLE, url=f"{URL}?bo=free")
    assert {name: found.params[name] for name in ("ignore_query", "id") if name in found.params} == params
    assert len({post.external_id for post in found.posts}) == len(TITLES)


def test_the_next_page_is_proposed_where_it_leads_on():
    pages = "<div class='paging'><a href='/board/list?page=1'>1</a><a class='slide-next' href='/event'>&gt;</a>{}</div>"
    rows = repeated(LONG.replace("{href}", "/p/{n}"))
    following = "<a href='/board/list?page=2'>다음</a>"
    assert "next" not in proposal(rows, around=TABLE + pages.format("")).params
    assert (
        proposal(rows, around=TABLE + pages.format(following)).params["next"] == "xpath://a[normalize-space(.)='다음']"
    )


@pytest.mark.parametrize(
    ("words", "language", "url", "zone"),
    [
        ("새로운 소식을 알려 드립니다", "en", URL, "Asia/Seoul"),
        ("新しいお知らせがあります", "", URL, "Asia/Tokyo"),
        ("这个时候的新闻们说对", "", URL, "Asia/Shanghai"),
        ("這個時候的新聞們說對", "zh-TW", URL, "Asia/Taipei"),
        ("這個時候的新聞們說對", "", "https://b.example.tw/list", "Asia/Taipei"),
        ("這個時候的新聞們說對", "", URL, None),
        ("Neues aus dem Rathaus", "de-AT", URL, "Europe/Berlin"),
        ("News of the town", "en", URL, None),
        ("News of the town", "en", "https://b.example.uk/list", "Europe/London"),
        ("Nouvelles de la ville", "fr", URL, None),
        ("News of the town", "ko", URL, None),
    ],
)
def test_the_time_zone_follows_from_the_language_where_it_can(words, language, url, zone):
    rows = repeated("<li><a class='t' href='/p/{n}'>" + words + " {n}</a><i class='d'>{day}</i></li>")
    page = f"<html lang='{language}'><body><h1>{words * 5}</h1><ul class='l'>{rows}</ul></body></html>"
    found = propose(page.encode(), url, "text/html; charset=utf-8", now=NOW)
    assert found.params.get("timezone") == zone
    assert propose(page.encode(), url, now=NOW, timezone="UTC").params["timezone"] == "UTC"


def test_feeds_that_a_reader_may_press_are_found_and_the_boards_own_comes_first():
    head = "<link rel='alternate' type='application/rss+xml' href='/feed'>"
    links = (
        "<a href='/rss/list-77.xml'><img alt='RSS'></a> <a href='/help/rss'>What is RSS</a> <a href='/rss/all'>RSS</a>"
    )
    rows = repeated(LONG.replace("{href}", "/p/{n}"))
    found = proposal(rows, around=TABLE + links, head=head, url="http://a.example/board?id=77")
    assert found.feeds == ("http://a.example/rss/list-77.xml", "http://a.example/feed", "http://a.example/rss/all")


SCRIPTS = {
    "javascript:view('1','{n}')": (
        "function view(bo, no) { location.href = '/v?bo=' + bo + '&no=' + no; }",
        "/v?bo=1&no={n}",
    ),
    "javascript:void(0);go({n});": ("var go = function(no){ window.open('/v/' + no, 'w'); }", "/v/{n}"),
    "javascript:board.show({n})": ("const show = (no) => { location.replace(`/v/${no}.do`) }", "/v/{n}.do"),
}


@pytest.mark.parametrize("href", SCRIPTS)
def test_a_link_template_is_proposed_where_the_page_says_what_its_function_opens(href):
    function, address = SCRIPTS[href]
    found = proposal(
        repeated(LONG.replace('"{href}"', href).replace("'{href}'", f'"{href}"')),
        around=TABLE,
        head=f"<script>{function}</script>",
    )
    assert [post.url for post in found.posts] == [f"http://a.example{address.replace('{n}', str(n))}" for n in NUMBERS]
    assert "link_template" in found.params


@pytest.mark.parametrize(
    "pressed",
    [
        "onclick=\"location.href='/v?no={n}&m=1'\"",
        "onclick='open(&quot;/v?no={n}&amp;m=1&quot;)'",
        "data-href='/v?no={n}&amp;m=1'",
    ],
)
@pytest.mark.parametrize("tag", ["tr", "td", "span"])
def test_what_is_pressed_leads_where_its_script_says(pressed, tag):
    row = {
        "tr": f"<tr {pressed}><td>{{n}}</td><td>{{title}}</td><td>{{day}}</td></tr>",
        "td": f"<tr><td>{{n}}</td><td {pressed}>{{title}}</td><td>{{day}}</td></tr>",
        "span": f"<tr><td>{{n}}</td><td><span {pressed}>{{title}}</span></td><td>{{day}}</td></tr>",
    }[tag]
    found = proposal(repeated(row), around=TABLE)
    assert [post.url for post in found.posts] == [f"http://a.example/v?no={n}&m=1" for n in NUMBERS]
    assert [post.title for post in found.posts] == TITLES


def test_where_a_script_leads_is_asked_for_when_the_page_does_not_say():
    found = proposal(repeated(LONG.replace("{href}", "javascript:view({n})")), around=TABLE)
    assert any("set link_template, with fields such as {href.0}" in note for note in found.notes)
    assert len({post.external_id for post in found.posts}) == len(TITLES)


def test_rows_that_cannot_be_told_apart_are_not_proposed():
    found = proposal(repeated(LONG.replace("{href}", "/same")), around=TABLE)
    assert (found.spider, found.posts) == ("", ())
