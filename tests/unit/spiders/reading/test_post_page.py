"""What is taken from a post's own page, with selectors and without."""

from typing import Any

import pytest

from spiders.param_values import ParamsError
from spiders.params import ListingParams, PostPageParams
from spiders.reading.post_page import Attachment, PostPage, read_post_page

URL = "https://board.example/view?no=7"
TITLE = "2026학년도 국가장학금 신청 안내"
TEXT = "신청 기간은 금요일까지이며, 국가장학금을 받는 학생도 함께 신청할 수 있습니다. 문의는 학생지원팀으로 하세요."
MENU = "<nav class=gnb>" + "".join(f"<a href=/{n}>학교 소개와 입학 안내 {n}</a>" for n in range(30)) + "</nav>"
AROUND = (
    f"<!doctype html><meta charset=utf-8><title>{TITLE} | 대학</title>{MENU}<div id=wrap>%s</div>"
    "<div class=reply_list><p>댓글: 저도 신청했는데 언제 발표되는지 아시는 분 계신가요? 전화가 안 되네요.</div>"
    "<ul class=board-list>" + "".join(f"<li><a href=/v/{n}>지난 공지의 제목입니다 {n}</a>" for n in range(20)) + "</ul>"
    "<footer>서울특별시 광진구 능동로 120 대표전화 02-000-0000 All rights reserved. 개인정보처리방침</footer>"
)


def read(inner: str, *, title: str = TITLE, **params: Any) -> PostPage:
    own = PostPageParams(**{"post_page": True, **params})
    return read_post_page((AROUND % inner).encode(), URL, own, title=title, content_type="text/html")


@pytest.mark.parametrize(
    "inner",
    [
        f"<section id=bo_v><h2 id=bo_v_title>{TITLE}</h2><div id=bo_v_con><p>{TEXT}</div></section>",
        f"<div class=rd_hd><h1>{TITLE}</h1></div><div class='rhymix_content xe_content'><p>{TEXT}</p></div>",
        f"<div class=artclViewTitleWrap><h2>{TITLE}</h2></div><div class=artclView>{TEXT}</div>",
        f"<table class=view><tr><th>{TITLE}<tr><td>작성자 학생지원팀 조회 12<tr><td colspan=2>{TEXT}</table>",
        f"<h3>{TITLE}</h3><dl><dt>작성일<dd>2026.11.20</dl><div class='board_view_cont'>{TEXT}</div>",
        f"<article><header><h1>{TITLE}</h1></header><div class=entry-content><p>{TEXT}</div></article>",
        f"<div class=topic-body><div class=cooked><p>{TEXT}</div></div>",
        f"<div><h1>{TITLE}</h1><div><p>{TEXT[:30]}</p><p>{TEXT[30:]}</p></div></div>",
    ],
    ids=["gnuboard", "rhymix", "k2web", "table", "named", "wordpress", "discourse", "paragraphs"],
)
def test_the_text_is_found_by_itself_between_menus_comments_and_other_posts(inner: str) -> None:
    page = read(inner)
    assert page.problem == ""
    assert page.text.replace(" ", "") == TEXT.replace(" ", "")


def test_a_short_notice_is_found_by_its_containers_name() -> None:
    assert read(f"<h2>{TITLE}</h2><div class=view_con>휴강합니다.</div>").text == "휴강합니다."


def test_a_page_that_is_another_one_gives_no_text_but_says_what_it_is() -> None:
    form = "<form action=/login><input type=password></form><p>회원만 볼 수 있습니다. 로그인한 다음에 이용해 주십시오."
    body = f"<title>로그인</title><div>{form}</div>".encode()
    page = read_post_page(body, "https://board.example/login", PostPageParams(post_page=True), title=TITLE)
    assert page.text == ""
    assert "login page" in page.problem


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [
        ('<a href="/down?no=3">붙임 1. 신청서_양식.hwp (12.5KB)</a>', ("붙임 1. 신청서_양식.hwp", "/down?no=3")),
        (
            '<a href="/files/%EC%95%88%EB%82%B4.pdf"><img src=clip.gif></a>',
            ("안내.pdf", "/files/%EC%95%88%EB%82%B4.pdf"),
        ),
        ('<a href="#" onclick="location.href=\'/d/1\'" title="명단.xlsx">받기</a>', ("명단.xlsx", "/d/1")),
        ("<a href=\"javascript:fn_down('7')\">서식.zip</a>", ("서식.zip", "")),
        ('<a href="/about">학교 소개</a>', None),
        ('<a href="https://python.org/3.11">Python 3.11.txt2</a>', None),
    ],
)
def test_files_are_told_by_their_names(anchor: str, expected: tuple[str, str] | None) -> None:
    page = read(f"<div id=bo_v_con>{TEXT}</div>{anchor}")
    name, path = expected or ("", "")
    address = f"https://board.example{path}" if path else ""
    assert page.attachments == ((Attachment(name=name, url=address),) if expected else ())


@pytest.mark.parametrize(
    ("pictures", "expected"),
    [
        ('<img src="/a.png">', "https://board.example/a.png"),
        ('<img src="data:image/gif;base64,R0" data-src="//cdn.example/b.jpg">', "https://cdn.example/b.jpg"),
        (
            '<img src="/icon_new.gif"><img src="/c.png" width=16><img src="/d.png" width=600>',
            "https://board.example/d.png",
        ),
        ('<img src="http://plain.example/e.png">', ""),
        ("", ""),
    ],
)
def test_the_picture_is_the_first_in_the_text_that_is_no_icon_and_https(pictures: str, expected: str) -> None:
    assert read(f"<div id=bo_v_con>{TEXT}{pictures}</div>").image == expected


def test_selectors_take_all_that_they_match_and_nothing_twice() -> None:
    inner = "<div class=a><p class=a>one</p></div><p class=a>two</p><meta property='og:image' content='/og.png'>"
    page = read(inner, post_body=".a", post_image="meta[property='og:image']::attr(content)")
    assert (page.text, page.image) == ("one two", "https://board.example/og.png")
    assert read(inner, post_body=".b").problem == "post_body, '.b', matches nothing on it"


def test_a_page_in_another_encoding_than_its_list_is_read() -> None:
    params = PostPageParams(post_body="p")
    for body, header in ((f"<p>{TEXT}".encode(), ""), (f"<p>{TEXT}".encode("cp949"), "text/html; charset=utf-8")):
        assert read_post_page(body, URL, params, content_type=header, encoding="euc-kr").text == TEXT


def test_a_post_of_pictures_alone_is_read_and_an_empty_one_is_not() -> None:
    assert read("<div id=bo_v_con><img src=/poster.png></div>") == PostPage(image="https://board.example/poster.png")
    assert "give post_body" in read("<p></p>", title="").problem


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"max_posts": 0}, "max_posts is 0"),
        ({"post_page": "perhaps"}, "post_page is 'perhaps'; it must be true or false"),
        ({"post_body": "div["}, "post_body: 'div['"),
    ],
)
def test_wrong_parameters_are_named(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ParamsError, match="^" + words.replace("[", r"\[")):
        PostPageParams.chosen(values)
    with pytest.raises(ParamsError):
        ListingParams.from_mapping({"url": URL, "row": "tr", **values})


def test_a_page_is_wanted_when_it_is_asked_for_or_has_a_selector() -> None:
    wanted = [{}, {"post_page": "true"}, {"post_page": False}, {"post_image": "img"}, {"max_posts": 3}]
    assert [PostPageParams.chosen(each).is_wanted for each in wanted] == [False, True, False, True, False]
