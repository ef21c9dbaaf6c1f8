import pytest

from spiders.reading.listing_page import empty_words, parse_html

KOREAN = "등록된 게시물이 없습니다. ; 등록된 글이 없습니다 ; 조회된 데이터가 없습니다. ; 게시물이 없습니다."
ENGLISH = "No posts yet ; There are no topics in this forum. ; No results found ; Nothing found"
OTHERS = "お知らせはありません ; 暂无数据 ; Keine Einträge vorhanden ; Aucun article trouvé ; No hay noticias"


@pytest.mark.parametrize("words", " ; ".join([KOREAN, ENGLISH, OTHERS]).split(" ; "))
def test_a_board_says_that_it_has_no_posts(words: str) -> None:
    assert empty_words(parse_html(f"<table><tbody><tr><td colspan=5>{words}</td></tr></tbody></table>"))


@pytest.mark.parametrize(
    "html",
    [
        "<table><tbody></tbody></table>",
        # A script shows these when it has asked for the posts.
        '<div style="display: none">등록된 게시물이 없습니다.</div>',
        '<div v-if="!posts.length">No posts</div>',
        "<div hidden><p>No posts</p></div>",
        "<template><p>No posts</p></template>",
        "<script>document.write('<p>No posts</p>')</script>",
        "<p>No posts may hold advertising, and posts that do are removed by the moderators of this board.</p>",
        "<p>로그인한 회원만 볼 수 있습니다</p>",
        "<p>권한이 없습니다</p>",
    ],
)
def test_a_page_that_shows_no_posts_need_not_be_an_empty_board(html: str) -> None:
    assert empty_words(parse_html(html)) == ""
