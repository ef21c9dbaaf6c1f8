"""Pages in the shape that each software gives its lists: ready-made definitions find the posts, without guessing."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from spiders.guessing import propose as proposing
from spiders.guessing.propose import propose
from spiders.guessing.software import from_api, known_apis
from spiders.reading.listing_page import parse_html

SEOUL = ZoneInfo("Asia/Seoul")
NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)
URL = "https://board.example/community/notice"
TITLES = [f"{n}차 국가장학금 신청 안내" for n in range(1, 6)]
MENU = "<ul class=gnb>" + "".join(f"<li><a href='/m/{n}'>Menu entry {n}</a>" for n in range(12)) + "</ul>"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A page of one software: {n} is a row's number, {title} its title, {day} its date, {first} marks the first row."""

    software: str
    head: str = ""
    around: str
    row: str
    day: str = "2026-11-{n:02}"
    first: str = ""
    link: str
    url: str = URL
    date: str = ""


SHAPES = [
    Shape(
        software="Gnuboard",
        head='<script>var g5_url="https://board.example"; var g5_bbs_url="https://board.example/bbs";</script>',
        around='<div id="bo_list"><form name="fboardlist"><div class="tbl_head01 tbl_wrap"><table><caption>공지 '
        "목록</caption>"
        "<thead><tr><th>번호<th>제목<th>글쓴이<th>조회<th>날짜</thead><tbody>{}</tbody></table></div></form></div>"
        '<nav class="pg_wrap"><a href="?page=2" class="pg_page pg_next">다음</a></nav>',
        row='<tr class="{first}"><td class="td_num2">{n}</td><td class="td_subject"><a href="?sca=x" '
        'class="bo_cate_link">학사'
        '</a><div class="bo_tit"><a href="https://board.example/bbs/board.php?bo_table=notice&amp;wr_id={n}">{title}'
        '<span class="sound_only">댓글</span><span class="cnt_cmt">{n}</span></a><span class="new_icon">N</span>'
        "</div></td>"
        '<td class="td_name sv_use"><span class="sv_member">학생처</span></td><td class="td_num">1{n}</td>'
        '<td class="td_datetime">{day}</td></tr>',
        day="11-{n:02}",
        first="bo_notice",
        link="https://board.example/bbs/board.php?bo_table=notice&wr_id={n}",
        date=".td_datetime",
    ),
    Shape(
        software="Gnuboard, gallery",
        head='<link rel="stylesheet" href="/skin/board/gallery/style.css">',
        around='<div id="bo_gall"><ul id="gall_ul" class="gall_row">{}</ul></div>',
        row='<li class="gall_li"><div class="gall_box"><div class="gall_con"><div class="gall_img"><a '
        'href="/gallery/{n}">'
        '<img src="/t.jpg"></a></div><div class="gall_text_href"><a href="/gallery/{n}" class="bo_tit">{title}</a>'
        "</div>"
        '<div class="gall_info"><span class="gall_date">{day}</span></div></div></div></li>',
        day="26-11-{n:02}",
        link="https://board.example/gallery/{n}",
        date=".gall_date",
    ),
    Shape(
        software="XpressEngine or Rhymix",
        head='<meta name="Generator" content="XpressEngine" />',
        around='<div class="board_list" id="board_list"><table><thead><tr><th class="no">번호<th class="title">'
        "제목</thead>"
        "<tbody>{}</tbody></table></div>",
        row='<tr class="{first}"><td class="no">{n}</td><td class="title"><a href="/xe/notice/{n}">{title}</a> '
        '<a href="/xe/notice/{n}#comment" class="replyNum" title="Replies">3</a></td><td class="author"><a href="#p" '
        'class="member_4">관리자</a></td><td class="time">{day}</td><td class="readNum">12{n}</td></tr>',
        day="2026.11.{n:02}",
        first="notice",
        link="https://board.example/xe/notice/{n}",
        date="td.time",
    ),
    Shape(
        software="XpressEngine or Rhymix",
        head='<meta name="generator" content="Rhymix" />',
        around='<div class="bd_lst_wrp"><table class="bd_lst bd_tb_lst bd_tb"><tbody>{}</tbody></table></div>',
        row='<tr class="{first}"><td class="no">{n}</td><td class="cate"><span>일반</span></td><td class="title">'
        '<a href="/board/{n}" class="hx">{title}</a><a href="/board/{n}#c" class="replyNum">1</a></td>'
        '<td class="author"><span><a href="#p" class="member_4">운영자</a></span></td><td class="time">{day}</td></tr>',
        day="2026.11.{n:02}",
        first="notice",
        link="https://board.example/board/{n}",
        date="td.time",
    ),
    Shape(
        software="K2Web",
        around='<table class="artclTable artclHorNum1"><thead><tr><th>번호<th>제목<th>작성자<th>작성일</thead>'
        "<tbody>{}</tbody></table>",
        row='<tr class="{first}"><td class="_artclTdNum">{n}</td><td class="_artclTdTitle"><a '
        'href="/bbs/law/7/{n}/artclView.do"'
        " onclick=\"jf_viewArtcl('law','7','{n}')\" class=\"artclLinkView\"><strong>{title}</strong><span "
        'class="newArtcl">'
        '새글</span></a></td><td class="_artclTdWriter">법학과</td><td class="_artclTdRdate">{day}</td></tr>',
        day="2026.11.{n:02}",
        first="headline",
        link="https://board.example/bbs/law/7/{n}/artclView.do",
        date="td._artclTdRdate",
        url="https://board.example/bbs/law/7/artclList.do",
    ),
    Shape(
        software="jwxe",
        around='<div class="bn-list-common01"><table class="board-table"><tbody>{}</tbody></table></div>',
        row='<tr class="{first}"><td class="b-num-box">{n}</td><td class="b-td-left"><div class="b-title-box">'
        '<a href="?mode=view&amp;articleNo=7{n}&amp;article.offset=0&amp;articleLimit=10" title="{title} 자세히 보기">'
        '{title}</a><div class="b-m-con"><span class="b-date">{day}</span><span class="b-writer">학사팀</span></div>'
        '</div></td><td class="b-no-right">학사팀</td><td>{day}</td><td>1{n}</td></tr>',
        day="2026.11.{n:02}",
        first="b-top-box",
        link="https://board.example/community/notice?mode=view&articleNo=7{n}&article.offset=0&articleLimit=10",
        date=".b-date",
    ),
    Shape(
        software="eGovFrame",
        around='<div class="board_list"><table><thead><tr><th>번호<th>제목<th>작성일<th>조회수</thead><tbody>'
        "{}</tbody></table></div>",
        row='<tr><td>{n}</td><td class="left"><form method="post" action="/cop/bbs/selectArticleDetail.do"><span '
        'class="link">'
        '<input type="submit" value="{title}" onclick="fn_egov_inqire_notice(\'{n}\', \'BBSMSTR_01\'); return '
        'false;"></span>'
        "</form></td><td>{day}</td><td>1{n}</td></tr>",
        link="https://board.example/cop/bbs/selectArticleDetail.do?bbsId=BBSMSTR_01&nttId={n}",
        date="td:nth-last-child(2)",
        url="https://board.example/cop/bbs/selectArticleList.do",
    ),
    Shape(
        software="WordPress",
        head='<meta name="generator" content="WordPress 6.5">',
        around="<main>{}</main><a class='next page-numbers' href='/page/2/'>Older</a>",
        row='<article id="post-{n}" class="post-{n} post type-post status-publish hentry"><header class="entry-header">'
        '<h2 class="entry-title"><a href="/2026/11/p{n}/" rel="bookmark">{title}</a></h2><span class="posted-on">'
        '<time class="entry-date published" datetime="{day}T09:00:00+09:00">{day}</time><time class="updated" '
        'datetime="2026-11-19T00:00:00+09:00">later</time></span><span class="author vcard"><a href="/author/a/">'
        "Kim</a></span>"
        '</header><div class="entry-summary"><p>What it is about, in some words. <a href="/2026/11/p{n}/">more</a>'
        "</div></article>",
        link="https://board.example/2026/11/p{n}/",
        date="time.published",
    ),
    Shape(
        software="phpBB",
        around='<body id="phpbb" class="nojs section-viewforum"><ul class="topiclist"><li class="header">Topics</ul>'
        '<ul class="topiclist topics">{}</ul></body>',
        row='<li class="row bg1 {first}"><dl class="row-item topic_read"><dt title="No unread posts"><div '
        'class="list-inner">'
        '<a href="./viewtopic.php?f=2&amp;t=1{n}&amp;sid=0123456789abcdef0123456789abcdef" class="topictitle">'
        "{title}</a><br>"
        '<div class="topic-poster left-box">by <a href="./memberlist.php" class="username">admin</a> &raquo; '
        '<time datetime="{day}T08:00:00+00:00">Sun Nov {n}, 2026</time></div></div></dt><dd class="posts">{n}</dd>'
        '<dd class="lastpost"><span>Last post by <a href="#" class="username">bob</a> <time '
        'datetime="2026-11-19T08:00:00+00:00">'
        "Thu</time></span></dd></dl></li>",
        first="sticky",
        link="https://board.example/viewtopic.php?f=2&t=1{n}",
        date=".topic-poster time",
        url="https://board.example/viewforum.php?f=2",
    ),
    Shape(
        software="XenForo",
        head="<script>XF.config = 1</script>",
        around='<div data-xf-init="inline-mod" class="structItemContainer">{}</div>',
        row='<div class="structItem structItem--thread js-threadListItem-{n}" data-author="Kim"><div '
        'class="structItem-cell">'
        '<ul class="structItem-statuses"><li><i class="structItem-status structItem-status--{first}"></i></ul>'
        '<div class="structItem-title"><a href="/forums/x/?prefix_id=1" class="labelLink"><span class="label">'
        "P</span></a>"
        '<a href="/threads/slug.{n}/" data-tp-primary="on">{title}</a></div><div class="structItem-minor">'
        '<ul class="structItem-parts"><li><a href="/members/kim.1/" class="username">Kim</a></li><li '
        'class="structItem-startDate"><a href="/threads/slug.{n}/"><time class="u-dt" '
        'datetime="{day}T08:00:00+0900">Nov {n}'
        "</time></a></li></ul></div></div></div>",
        first="sticky",
        link="https://board.example/threads/slug.{n}/",
        date=".structItem-startDate time",
    ),
]


def page_of(shape: Shape, titles: list[str] = TITLES) -> bytes:
    rows = "".join(
        shape.row.replace("{n}", str(n))
        .replace("{title}", title)
        .replace("{day}", shape.day.format(n=n))
        .replace("{first}", shape.first if n == 1 else "")
        for n, title in enumerate(titles, 1)
    )
    body = f"{MENU}{shape.around.format(rows)}"
    return f"<!doctype html><html lang=ko><head><meta charset=utf-8>{shape.head}</head>{body}</html>".encode()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.software)
def test_a_page_of_known_software_needs_no_guessing(shape: Shape, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposing, "guess_rows", lambda *_: pytest.fail("the rows were guessed"))
    proposal = propose(page_of(shape), shape.url, "text/html", now=NOW, timezone="Asia/Seoul")
    assert proposal.spider == "listing", proposal.notes
    assert [post.title for post in proposal.posts] == TITLES
    assert [post.url for post in proposal.posts] == [shape.link.format(n=n) for n in range(1, 6)]
    assert [post.published_at.astimezone(SEOUL).day for post in proposal.posts if post.published_at] == [1, 2, 3, 4, 5]
    assert [post.pinned for post in proposal.posts] == [bool(shape.first), False, False, False, False]
    assert proposal.params["date"] == shape.date
    assert any(f"made by {shape.software}" in note for note in proposal.notes)
    assert any(note.startswith("for the posts' own text add -p post_body=") for note in proposal.notes)


def test_another_skin_is_guessed_as_before_and_a_mark_alone_proposes_nothing() -> None:
    shape = SHAPES[0]
    skin = page_of(shape).decode().replace("bo_list", "my_list").replace("bo_tit", "my_tit")
    proposal = propose(skin.encode(), URL, "text/html", now=NOW)
    assert [post.title for post in proposal.posts] == TITLES
    assert not any("ready-made" in note for note in proposal.notes)
    assert propose(page_of(shape, []), URL, "text/html", now=NOW).spider == ""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A page whose software gives its list out as JSON, and that answer."""

    url: str
    page: str = ""
    api: str
    answer: Any
    link: str
    params: dict[str, Any] = field(default_factory=dict)


DISCOURSE = '<html><head><meta name="generator" content="Discourse 3.3"></head>'
ANSWERS = {
    "Discourse": Answer(
        url="https://forum.example/c/news/5",
        page=DISCOURSE,
        api="https://forum.example/c/news/5.json",
        answer={
            "topic_list": {
                "topics": [
                    {
                        "id": n,
                        "title": t,
                        "slug": f"s{n}",
                        "created_at": f"2026-11-0{n}T01:00:00.000Z",
                        "pinned": n == 1,
                    }
                    for n, t in enumerate(TITLES, 1)
                ]
            }
        },
        link="https://forum.example/t/s{n}/{n}",
    ),
    "Discourse, below a folder": Answer(
        url="https://forum.example/talk/",
        page=DISCOURSE,
        api="https://forum.example/talk/latest.json",
        answer={"topic_list": {"topics": [{"id": 1, "title": TITLES[0], "slug": "s1", "created_at": "2026-11-01"}]}},
        link="https://forum.example/talk/t/s{n}/{n}",
    ),
    "Greenhouse": Answer(
        url="https://job-boards.greenhouse.io/acme?gh_src=x",
        api="https://boards-api.greenhouse.io/v1/boards/acme/jobs",
        answer={
            "jobs": [
                {
                    "id": n,
                    "title": t,
                    "absolute_url": f"https://x.example/{n}",
                    "updated_at": f"2026-11-0{n}T01:00:00-05:00",
                }
                for n, t in enumerate(TITLES, 1)
            ]
        },
        link="https://x.example/{n}",
    ),
    "Greenhouse, embedded": Answer(
        url="https://acme.example/careers",
        page='<script src="https://boards.greenhouse.io/embed/job_board/js?for=acme"></script>',
        api="https://boards-api.greenhouse.io/v1/boards/acme/jobs",
        answer={"jobs": [{"id": 1, "title": TITLES[0], "absolute_url": "https://x.example/1"}]},
        link="https://x.example/{n}",
    ),
    "Lever": Answer(
        url="https://jobs.lever.co/acme?team=x",
        api="https://api.lever.co/v0/postings/acme?mode=json",
        answer=[
            {
                "id": f"a{n}",
                "text": t,
                "hostedUrl": f"https://jobs.lever.co/acme/{n}",
                "createdAt": 1793500000000 + n * 86400000,
            }
            for n, t in enumerate(TITLES, 1)
        ],
        link="https://jobs.lever.co/acme/{n}",
    ),
}


ANSWERS["Workday"] = Answer(
    url="https://acme.wd5.myworkdayjobs.com/en-US/Careers",
    api="https://acme.wd5.myworkdayjobs.com/wday/cxs/acme/Careers/jobs",
    answer={
        "total": 5,
        "jobPostings": [
            {"title": t, "externalPath": f"/job/Seoul/x_R{n}", "postedOn": "Posted Today"}
            for n, t in enumerate(TITLES, 1)
        ],
    },
    link="https://acme.wd5.myworkdayjobs.com/Careers/job/Seoul/x_R{n}",
)


@pytest.mark.parametrize("name", ANSWERS)
def test_what_a_software_gives_out_as_json_is_proposed_when_it_is_what_the_page_shows(name: str) -> None:
    case = ANSWERS[name]
    (api,) = known_apis(case.page, case.url)
    assert (api.software, api.params["url"]) == (name.partition(",")[0], case.api)
    body = json.dumps(case.answer).encode()
    shown = parse_html(case.page + "".join(f"<p>{title}</p>" for title in TITLES))
    found = from_api(api, body, case.api, "application/json", shown=shown, now=NOW)
    count = len(found.posts)
    assert [post.title for post in found.posts] == TITLES[:count]
    assert [post.url for post in found.posts] == [case.link.format(n=n) for n in range(1, count + 1)]
    assert ("date" in found.params) == all(post.published_at for post in found.posts)
    assert ("json" in found.params) == (name == "Workday")
    # Another list than the page's is not proposed, nor what is no list.
    other = parse_html("<p>" + "quite other words " * 200)
    assert from_api(api, body, case.api, "application/json", shown=other, now=NOW) is None
    assert from_api(api, b"<html>no", case.api, "text/html", shown=shown, now=NOW) is None


@pytest.mark.parametrize("url", ["https://board.example/", "https://boards.greenhouse.io/", "https://jobs.lever.co/"])
def test_a_page_without_marks_has_no_api(url: str) -> None:
    assert list(known_apis("<p>text", url)) == []
