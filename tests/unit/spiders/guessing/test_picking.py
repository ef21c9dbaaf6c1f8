"""One element that somebody points at becomes a selector for all rows; a page becomes something harmless to look at."""

import re
from datetime import UTC, datetime

import lxml.html
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from spiders.guessing.picking import PickError, name_in_rows, picked
from spiders.guessing.seen import Seen
from spiders.guessing.snapshot import PIECE_LENGTH, PIECES, elements_of, snapshot
from spiders.guessing.titles import found_in
from spiders.reading.listing_page import parse_html
from spiders.reading.selectors import compile_selector

Params = dict[str, str]
NOW = datetime(2026, 5, 4, tzinfo=UTC)


def rows(row: str, count: int = 5) -> str:
    return "".join(row.replace("#", str(n)) for n in range(1, count + 1))


TABLE = "<table class=board>{}</table>".format(
    rows("<tr><td>#<td class=subject><a href=/p/#><i>notice</i> Title of the post #</a><td>kim #<td>2026-05-0#</tr>")
)
CARDS = "<main>{}</main>".format(
    rows(
        "<article><h3>Heading of the card #</h3><a href=/c/#>read on #</a>"
        "<span class=m>by lee #</span><span class=m>0#.05.2026</span></article>"
    )
)
LISTED = {"row": "ul.menu > li", "title": "a"}
ASIDE = "<aside><ul class=menu>{}</ul></aside>".format(rows("<li><a href=/m/#>Entry of the menu #</a></li>"))


def pick(page: str, text: str, role: str, params: Params | None = None) -> tuple[etree._Element, Params]:
    root = parse_html(page)
    element = next(each for each in elements_of(root) if (each.text or "").strip() == text)
    return root, picked(element, role, params or {}, root, "http://board.example/", Seen(NOW))


@pytest.mark.parametrize(
    ("page", "text", "role", "params", "expected"),
    [
        (TABLE, "notice", "row", {}, {"row": "table.board > tr", "title": "td.subject a", "date": "td:nth-child(4)"}),
        (TABLE + ASIDE, "kim 2", "author", {"row": "table.board > tr", "title": "a"}, {"author": "td:nth-of-type(3)"}),
        (TABLE, "2026-05-03", "date", {"row": "tr", "title": "a"}, {"date": "td:nth-of-type(4)", "title": "a"}),
        # A title that is no link keeps the post's address.
        (CARDS, "Heading of the card 2", "title", {"row": "article"}, {"title": "h3", "link": "a"}),
        (CARDS, "04.05.2026", "date", {"row": "article"}, {"date": "span:nth-of-type(2)"}),
        (CARDS, "by lee 1", "author", {"row": "article"}, {"author": "span.m"}),
        # Another list than the one that was guessed.
        (
            TABLE + ASIDE,
            "Entry of the menu 4",
            "row",
            {"row": "tr", "date": "td"},
            {"row": "ul.menu > li", "title": "a"},
        ),
        (
            TABLE + ASIDE,
            "Entry of the menu 4",
            "title",
            {"row": "tr", "title": "i"},
            {"row": "ul.menu > li", "title": "a"},
        ),
        # What says how the page is fetched stays, what says how other rows are read does not.
        (
            TABLE,
            "kim 1",
            "row",
            {"encoding": "euc-kr", "timezone": "Asia/Seoul", "id": "b::attr(id)"},
            {"encoding": "euc-kr", "timezone": "Asia/Seoul", "id": None},
        ),
    ],
)
def test_what_is_picked(page, text, role, params, expected):
    _, found = pick(page, text, role, params)
    assert {name: found.get(name) for name in expected} == expected


def test_what_repeats_nowhere_is_no_row():
    with pytest.raises(PickError, match="nothing like this repeats"):
        pick("<h1>Only me</h1>" + TABLE, "Only me", "row")


def test_the_same_rows_once_more_are_the_next_likely_ones():
    page = "<ul class=outer>{}</ul>".format(
        rows("<li class=post><p class=line><a href=/p/#>A title of the post #</a></p></li>")
    )
    _, first = pick(page, "A title of the post 1", "row")
    _, second = pick(page, "A title of the post 1", "row", first)
    assert first["row"] != second["row"]


SLOTS = st.lists(
    st.tuples(st.sampled_from(["span", "a", "b", "em"]), st.booleans(), st.sampled_from(["", "box", "cell"])),
    min_size=1,
    max_size=5,
)


@given(slots=SLOTS, data=st.data(), count=st.integers(2, 6))
def test_a_name_finds_the_clicked_elements_like_in_each_row_and_nothing_else(slots, data, count):
    """The oracle is a mark that no selector reads. Parts that some rows lack have a class; others their place."""

    def part(place: int, tag: str, is_optional: bool, around: str) -> str:
        named = f" class=part-{'abcde'[place]}" if is_optional else ""
        text = f"<{tag}{named} data-slot={place}>text {place}</{tag}>"
        return f"<div class={around}>{text}</div>" if around else text

    lines = []
    for _ in range(count):
        parts = [part(n, *slot) for n, slot in enumerate(slots) if not slot[1] or data.draw(st.booleans())]
        lines.append(f"<li>{''.join(parts)}</li>")
    root = parse_html(f"<ul>{''.join(lines)}</ul>")
    items = compile_selector("li").elements(root)
    there = [(item, each) for item in items for each in item.iter(etree.Element) if each.get("data-slot")]
    if not there:
        return
    row, element = data.draw(st.sampled_from(there))
    name = name_in_rows(element, row, items)
    found = dict(found_in(name, items))
    assert found[row] is element
    slot = element.get("data-slot")
    wrong = {each for item, each in found.items() if each.get("data-slot") != slot}
    missed = {item for item, each in there if each.get("data-slot") == slot} - set(found)
    assert (wrong, missed) == (set(), set()), name


@given(st.integers(2, 8), st.integers(2, 8), st.booleans(), st.data())
def test_a_picked_row_is_one_of_its_list_and_of_no_other(mine, others, is_named, data):
    item = "<li class=item><a href=/{0}/#>A title in list {0}, number #</a></li>"
    named = " class=main" if is_named else " id=board"
    page = f"<div{named}><ul>{rows(item.format('mine'), mine)}</ul></div>"
    page += f"<section class=rest><ul>{rows(item.format('other'), others)}</ul></section>"
    text = f"A title in list mine, number {data.draw(st.integers(1, mine))}"
    root, params = pick(page, text, "row")
    found = compile_selector(params["row"]).elements(root)
    assert ["/mine/" in lxml.html.tostring(each, encoding="unicode") for each in found] == [True] * mine


HOSTILE = [
    "<script>alert(1)</script>text",
    "<p onclick=alert(1) onmouseover='alert(2)' style='background:url(//evil.example)' class=x id=y>text</p>",
    "<a href='javascript:alert(1)' ping=//evil.example>text</a>",
    "<meta http-equiv=refresh content='0;url=//evil.example'><base href=//evil.example target=x>text",
    "<form action=//evil.example><input name=q value=x><button formaction=//evil.example>text</button></form>",
    "<iframe src=//evil.example srcdoc='<script>alert(1)</script>'>inside</iframe>text",
    "<svg onload=alert(1)><script>alert(2)</script><a xlink:href=javascript:alert(1)><text>x</text></a></svg>text",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></table></math>text",
    "<style>@import '//evil.example'; body{background:url(//evil.example)}</style><link rel=stylesheet href=//e>text",
    "<img src=//evil.example srcset=//evil.example onerror=alert(1) alt='\"><script>alert(1)</script>'>text",
    "<object data=//e><embed src=//e></object><video src=//e poster=//e></video><audio src=//e></audio>text",
    "<p title='\"><script>alert(1)</script>'>&lt;script&gt;1&lt;/script&gt; &amp;lt;img src=x onerror=a&amp;gt; text",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript><template><p>x</template>text",
    "<table><tr><td>text<table><script>alert(1)</script></td></td></tr></table></div></body></html><script>1</script>",
    "<!--><script>alert(1)</script>--><![CDATA[<script>alert(1)</script>]]><?php echo 1 ?>text",
    "<a href=x><a href=y>text</a></a><plaintext><script>alert(1)</script>",
    "<textarea></textarea><script>alert(1)</script></textarea><select><option><script>1</script></select>text",
    "text \u202e\x00\ud800 <b\x00onclick=alert(1)>x</b>",
    "<div>" * 400 + "text",
]


OURS = re.compile(r'<div(?: class="[a-z]*(?: ?row)?")?>|</div>|<a href="\d+"(?: class="(?:title|date|author)")?>|</a>')


@pytest.mark.parametrize("source", HOSTILE)
@pytest.mark.parametrize("row", ["", "div", "p", "*", "//a", "tr"])
def test_a_snapshot_holds_boxes_numbers_and_texts_alone(source, row):
    shown = snapshot(
        parse_html(f"<body><p>text</p><div>{source}</div></body>"), {"row": row, "title": "*", "date": "."}
    )
    assert "text" in shown.html
    assert not re.search(r"[<>]", OURS.sub("", shown.html))
    assert shown.html.count("<div") == shown.html.count("</div>") < 100
    # A browser that repairs it finds nothing to repair.
    tree = lxml.html.fragment_fromstring(shown.html, create_parent="main")
    assert {each.tag for each in tree.iter()} <= {"main", "div", "a"}
    shown.html.encode()


def test_a_huge_page_is_cut_and_begins_where_its_rows_are():
    many = rows("<p>menu #</p>", 2 * PIECES)
    shown = snapshot(parse_html(many), {})
    assert (shown.html.count("<a "), shown.is_cut) == (PIECES, True)
    shown = snapshot(parse_html(f"{many}<ul>{rows('<li>post #</li>')}</ul>"), {"row": "li"})
    assert ("post 1<" in shown.html, "menu" in shown.html, shown.is_cut) == (True, False, False)
    long = snapshot(parse_html(f"<p>{'x' * 10_000}</p>"), {})
    assert len(long.html) < PIECE_LENGTH + 100


def test_a_number_is_the_element_that_says_the_text():
    root = parse_html(TABLE + CARDS + "<p>one<!-- c -->two<b>three</b>four</p>")
    elements = elements_of(root)
    shown = snapshot(root, {"row": "tr", "title": "td.subject a"})
    for number, text in re.findall(r'<a href="(\d+)"[^>]*>([^<]*)</a>', shown.html):
        assert text in "".join(elements[int(number)].itertext())
    assert [text for _, text in shown.pieces] == ["1", "notice Title of the post 1", "notice", "kim 1", "2026-05-01"]
    assert shown.html.count(" row") == shown.html.count('class="title">Title') == 5
