"""Pages and feeds that were damaged on the way never crash or hang a spider."""

import contextlib
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spiders.guessing.propose import propose
from spiders.items import EXTERNAL_ID_LENGTH, PostItem
from spiders.params import FeedParams, ListingParams, PostPageParams
from spiders.reading.dates import parse_date
from spiders.reading.encoding import decode
from spiders.reading.feed_document import BrokenFeedError, parse_feed
from spiders.reading.feed_text import NotAFeedError
from spiders.reading.identity import canonical_link, resolve
from spiders.reading.listing_page import parse_listing
from spiders.reading.post_page import TEXT_LENGTH, read_post_page
from spiders.reading.text import TITLE_LENGTH, clean, html_text, title_text

PAGES = Path(__file__).parents[3] / "fixtures" / "pages"
BODIES = [path.read_bytes() for path in sorted(PAGES.glob("*/page.*"))]
FEEDS = [body for body in BODIES if b"<rss" in body or b"<feed" in body]
NOW = datetime(2024, 3, 10, 6, tzinfo=UTC)
URL = "http://a.example/list"
SPLICES = [b"\x00", b"\xff\xfe", b"\x1b$B", b"<!DOCTYPE x [", b"<a href='"]
SPLICES += [b"<a href='#none' onclick=\"location.href='"]
SPLICES += rb"""
    < > & ]]> <![CDATA[ <!-- <item> </item> <entry/> ' " &#0; &#xD800; <title> </rss> <tr> { #post-1 /1252460-
    javascript:x(' void(0);goView('1',' ?searchSeq=1&amp;sn=%B0%F8&amp;page=
""".split()
BOUNDED = settings(max_examples=60)


@st.composite
def damaged(draw: st.DrawFn, bodies: list[bytes]) -> bytes:
    body = draw(st.sampled_from(bodies))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(body)))
        until = draw(st.integers(at, min(len(body), at + draw(st.sampled_from([0, 1, 20, 400])))))
        body = body[:at] + draw(st.one_of(st.sampled_from(SPLICES), st.binary(max_size=8))) + body[until:]
    return body[: draw(st.integers(0, len(body)))] if draw(st.booleans()) else body


def check(posts: tuple[PostItem, ...]) -> None:
    assert len({post.external_id for post in posts}) == len(posts)
    for post in posts:
        assert 0 < len(post.external_id) <= EXTERNAL_ID_LENGTH
        assert 0 < len(post.title) <= TITLE_LENGTH
        assert "\x00" not in post.external_id + post.title + post.body + post.author + post.url
        (post.external_id + post.title + post.body + post.author + post.url).encode()
        assert post.url.startswith(("http://", "https://"))
        assert post.published_at is None or post.published_at.tzinfo is not None


@BOUNDED
@given(damaged(FEEDS))
def test_a_damaged_feed_is_read_or_reported(body: bytes) -> None:
    try:
        document = parse_feed(body, URL, FeedParams(url=URL), NOW)
    except BrokenFeedError as error:
        document = error.document
    except NotAFeedError:
        return
    check(document.posts)


@BOUNDED
@given(
    damaged(BODIES),
    st.sampled_from(["tr", "li", "div", "a", "xpath://*", "item"]),
    st.sampled_from(["", "a", ".", "//td[2]"]),
)
def test_a_damaged_page_is_read(body: bytes, row: str, title: str) -> None:
    params = ListingParams.from_mapping(
        {
            "url": URL,
            "row": row,
            "title": title,
            "date": "xpath:.//*",
            "strip": [".new"],
            "link_template": "/v/{onclick.2}",
        }
    )
    check(parse_listing(body, URL, params, NOW).posts)


@BOUNDED
@given(damaged(BODIES), st.sampled_from(["", "xpath://*", "p, a, td"]))
def test_a_damaged_page_of_a_post_is_read_or_says_why_not(body: bytes, selector: str) -> None:
    params = PostPageParams(post_page=True, post_body=selector, post_attachments=selector, post_image=selector)
    page = read_post_page(body, URL, params, title="Notice")
    assert bool(page.problem) is not bool(page.text or page.attachments or page.image)
    assert len(page.text) <= TEXT_LENGTH
    assert page.text == clean(page.text)
    assert page.image == "" or page.image.startswith("https://")


@settings(max_examples=30)
@given(damaged(BODIES))
def test_a_proposal_for_a_damaged_page_is_one_that_works(body: bytes) -> None:
    check(propose(body, URL, now=NOW).posts)


@given(st.text(max_size=120))
def test_any_text_is_a_date_or_none(text: str) -> None:
    moment = parse_date(text, now=NOW)
    assert moment is None or moment.tzinfo is UTC


# Letters whose small and capital forms disagree, wide and foreign digits, marks of direction, halves of characters.
AWKWARD = "ıſİẞßǅŉΐ\u212a\u0130\u200f\u200e\u202e\ufeff\u00ad\u0301\x00\ud800\udfff０９：／～٣۴४½②㋀㏡𝟙한글カﾞ〇々"


@given(
    st.text("0123456789-/.:~년월일시분前年月日 ampAMPZ+JanuaryGesternGMT,#()|한하루이틀전조회" + AWKWARD, max_size=40)
)
@example("2026-11-27 10:00 Asia/Nowhere")
@example("10:00 europe/../../etc/passwd")
@example("geſtern")
@example("5MİN")
@example("hıer")
@example("㏡ ㋀ 2026")
def test_any_text_like_a_date_is_a_date_or_none(text: str) -> None:
    moment = parse_date(text, now=NOW)
    assert moment is None or moment.tzinfo is UTC


@given(st.text(max_size=200))
def test_any_href_is_resolved_or_refused_and_its_id_is_stable(href: str) -> None:
    url = resolve(URL, href)
    if url is not None:
        once = canonical_link(url)
        assert once
        assert canonical_link("http://" + once) == once


@given(st.text(max_size=400))
def test_any_text_is_cleaned_once_and_for_all(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    title_text(text).encode()
    html_text(text).encode()


@given(st.binary(max_size=400))
def test_any_bytes_are_decoded(body: bytes) -> None:
    decode(body).text.encode("utf-8", "surrogatepass")


HOSTILE = {
    "open brackets": b"<" * 300_000,
    "open scripts": b"<script" * 60_000 + b"\xff\xfe\xfd",
    "open CDATA": b"<rss><channel>" + b"<item><title><![CDATA[" * 20_000,
    "open comments": b"<rss><channel>" + b"<item><!--" * 40_000 + b"</item>",
    "nested items": b"<rss><channel>" + b"<item><title>x" * 3_000 + b"</item>" * 3_000 + b"</channel></rss>",
    "ampersands": b"<rss><channel><item><title>" + b"&" * 200_000 + b"</title></item></channel></rss>",
    "doctypes": b"<!DOCTYPE x [" * 20_000 + b"<rss></rss>",
    "deep": b"<div>" * 100_000 + b"<a href='/1'>x</a>",
    "one long word": b"<li><a onclick='" + b"a" * 300_000 + b"' href='#'>" + b"a" * 300_000 + b"</a></li>",
    "high bytes": b"<p>" + bytes(range(128, 256)) * 4_000,
    "json": b'{"version": "https://jsonfeed.org/version/1", "items": [' + b'{"id":' * 100_000,
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_answer_takes_no_longer_than_its_length_justifies(kind: str) -> None:
    body = HOSTILE[kind]
    params = ListingParams.from_mapping({"url": URL, "row": "li", "title": "a", "link_template": "/{onclick.0}"})
    started = time.process_time()
    check(parse_listing(body, URL, params, NOW).posts)
    with contextlib.suppress(BrokenFeedError, NotAFeedError):
        parse_feed(body, URL, FeedParams(url=URL), NOW)
    read_post_page(body, URL, PostPageParams(post_page=True), title="a" * 500)
    assert time.process_time() - started < 10
