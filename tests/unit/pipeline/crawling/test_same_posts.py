"""Old posts under new ids: a table of situations, and random histories against an oracle that knows the truth."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crawling.same_posts import Comparison, Known, Pair, compare, returned

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
OLD = NOW - timedelta(days=2)
TITLES = ("국가장학금 2차 신청", "기숙사 추첨", "백엔드 인턴", "도서관 연장 개방", "Spring job fair", "교환학생 설명회")


def known(number: int, title: str, url: str = "", **values: object) -> Known:
    facts = {"published_at": None, "first_seen_at": OLD, **values}
    url = url or f"https://board.test/view?id={number}"
    return Known(id=number, external_id=f"id-{number}", url=url, title=title, **facts)  # type: ignore[arg-type]


def page(titles: Sequence[str] = TITLES, first: int = 100, url: str = "", **values: object) -> list[Known]:
    """Posts with these titles; N in the address is the place of the post's title, R the number of its row."""
    return [
        known(first + n, title, url.replace("N", str(n)).replace("R", str(first + n)), **values)
        for n, title in enumerate(titles)
    ]


def result(new: Sequence[Known], before: Sequence[Known], *, ids_change: bool = False) -> tuple[int, list[str]]:
    """How many posts are carried over, and the titles of those that are left."""
    found = compare(new, before, seen=len(new), now=NOW, ids_change=ids_change)
    carried = {pair.new.id for pair in found.pairs}
    return len(carried), [post.title for post in new if post.id not in carried]


@pytest.mark.parametrize(
    ("url_before", "url_now"),
    [
        # A guid made anew at each fetch, the time or a session in the link, another host, another scheme of addresses.
        ("http://a.test/p/N", "http://a.test/p/N"),
        ("http://a.test/p/N?t=1", "http://a.test/p/N?t=2"),
        ("http://a.test/v?no=N&_afrLoop=11&x=1", "http://a.test/v?no=N&_afrLoop=12&x=2"),
        ("http://a.test/s-1/p/N", "http://a.test/s-2/p/N"),
        ("http://a.test/p/N", "https://b.test:8080/p/N"),
        ("http://a.test/old/view?id=N", "http://a.test/new/N"),
        ("http://a.test/R", "http://a.test/R"),
    ],
)
def test_a_page_that_says_what_it_said_before_has_no_new_posts(url_before, url_now):
    before, new = page(url=url_before), page(first=200, url=url_now)
    assert result(new, before) == (6, [])
    # A post that really is new among them stays new.
    with_new = [*new, known(300, "새 공지", url_now.replace("N", "9").replace("R", "300"))]
    assert result(with_new, before) == (6, ["새 공지"])


DAYS = [OLD + timedelta(days=n) for n in range(6)]


@pytest.mark.parametrize(
    ("new", "before", "left"),
    [
        pytest.param(page(("a", "b", "c"), 200), page(("x", "y", "z")), 3, id="other titles"),
        pytest.param(page(["공지"] * 6, 200), page(["공지"] * 6), 6, id="titles that say nothing"),
        pytest.param(page(["공지", "a", "b", "c"], 200), page(["공지", "x", "y", "z"]), 4, id="one title again"),
        pytest.param(page(["오늘의 식단"], 200), page(["오늘의 식단"]), 1, id="the menu of the day, alone on its page"),
        pytest.param(
            [replace(post, published_at=NOW - timedelta(hours=1)) for post in page(first=200)],
            page(published_at=OLD),
            6,
            id="the same titles with other dates",
        ),
        pytest.param(
            page(TITLES, 200, "http://a.test/v?no=R&pos=N"),
            page([f"{title} (1)x" for title in "abcdef"], 100, "http://a.test/v?no=R&pos=N"),
            6,
            id="other posts in the same places",
        ),
    ],
)
def test_posts_that_only_look_like_earlier_ones_stay_new(new, before, left):
    assert result(new, before) == (0, [post.title for post in new])
    assert len(new) == left


def test_one_new_post_on_a_page_of_known_ones_is_new_whatever_its_title():
    new = page(TITLES[:1], 200)
    assert compare(new, page(), seen=10, now=NOW) == Comparison()


@pytest.mark.parametrize(
    ("new", "before"),
    [
        pytest.param(
            page(TITLES[:1], 200, "http://a.test/p/N"), page(TITLES[:1], 100, "http://b.test/p/N"), id="address"
        ),
        pytest.param(page(TITLES[:2], 200), page(TITLES[:2], first_seen_at=NOW - timedelta(minutes=5)), id="just now"),
    ],
)
def test_a_short_page_is_recognised_by_what_cannot_be_chance(new, before):
    assert result(new, before) == (len(new), [])


def test_a_site_that_is_known_to_change_its_ids_needs_one_post_to_show_it():
    before = page(TITLES[:3])
    new = page((TITLES[0], "neu 1", "neu 2", "neu 3", "neu 4"), 200)
    assert result(new, before)[0] == 0
    assert result(new, before, ids_change=True) == (1, ["neu 1", "neu 2", "neu 3", "neu 4"])


def test_an_edited_title_is_known_by_its_address():
    before = page(url="http://a.test/p/N?t=1")
    new = page((f"(정정) {TITLES[0]}", *TITLES[1:]), 200, "http://a.test/p/N?t=2")
    assert result(new, before) == (6, [])
    counts = page([f"{title} [{n}]" for n, title in enumerate(TITLES)], 300)
    assert result(counts, page([f"{title} [7]" for title in TITLES])) == (6, [])


def test_a_title_that_comes_once_more_than_before_is_new_once():
    before = page((*TITLES, "오늘의 식단"))
    assert result(page((*TITLES, "오늘의 식단", "오늘의 식단"), 200), before) == (7, ["오늘의 식단"])


def test_where_addresses_still_tell_posts_apart_a_title_that_comes_again_is_new():
    url = "http://a.test/v?no=N&t="
    before = page(("오늘의 식단", *TITLES), url=f"{url}1")
    new = [*page(("오늘의 식단", *TITLES), 200, f"{url}2")[1:], known(300, "오늘의 식단", "http://a.test/v?no=77&t=2")]
    assert result(new, before) == (6, ["오늘의 식단"])


@pytest.mark.parametrize(
    ("before", "new", "same"),
    [
        (timedelta(minutes=63), timedelta(minutes=60), True),  # "1 hour ago" of a post that was "3 minutes ago"
        (timedelta(hours=47), timedelta(days=1), True),  # "1 day ago"
        (timedelta(hours=25), timedelta(hours=1), False),  # yesterday's and today's
        (timedelta(days=12), timedelta(days=7), True),  # "1 week ago"
    ],
)
def test_dates_contradict_each_other_beyond_what_their_words_leave_open(before, new, same):
    posts = [replace(post, published_at=NOW - new) for post in page(first=200)]
    assert result(posts, page(published_at=NOW - before))[0] == (6 if same else 0)


def test_dates_that_are_made_at_each_fetch_say_nothing():
    new = page(first=200, url="http://a.test/p/N", published_at=NOW - timedelta(seconds=2))
    assert result(new, page(url="http://a.test/p/N", published_at=OLD)) == (6, [])


@pytest.mark.parametrize("url", ["http://a.test/p/R", "http://a.test/p?no=N&t=R"])
def test_a_post_that_left_the_page_and_comes_back_is_not_new(url):
    before, gone = page(TITLES[:5], url=url), known(50, TITLES[5], url.replace("N", "5").replace("R", "50"))
    new = [*page(TITLES, 200, url), known(300, "새 공지", url.replace("N", "9").replace("R", "300"))]
    found = compare(new, before, seen=7, now=NOW)
    assert returned(found, [gone], now=NOW) == [Pair(new=new[5], old=gone)]


# Random histories. A world of posts, each with a title of its own; crawls show the newest of them. A site whose ids
# change shows each under another id at each crawl. The oracle is the list of posts: it knows which is which.


class Board:
    """What closing a run does with the rule, on plain lists."""

    def __init__(self, url: Callable[[int, int], str]) -> None:
        self._url = url
        self._stored: dict[str, Known] = {}
        self._before: list[int] = []
        self._ids_change = False
        self._next = 0
        self.pushed: list[str] = []

    def crawl(self, posts: Sequence[int], crawl: int) -> None:
        now = NOW + timedelta(minutes=5 * crawl)
        new, seen = [], []
        for post in posts:
            url = self._url(post, crawl)
            if url not in self._stored:
                self._next += 1
                new.append(known(self._next, f"글 {post}", url, first_seen_at=now))
                self._stored[url] = new[-1]
            seen.append(self._stored[url])
        ids = {post.id for post in seen}
        by_id = {post.id: post for post in self._stored.values()}
        vanished = [by_id[id_] for id_ in self._before if id_ not in ids]
        found = compare(new, vanished, seen=len(posts), now=now, ids_change=self._ids_change)
        pairs = list(found.pairs)
        if pairs:
            taken = ids | {pair.old.id for pair in pairs} | {post.id for post in new}
            pairs += returned(found, [post for post in self._stored.values() if post.id not in taken], now=now)
        for pair in pairs:
            del self._stored[pair.old.url]
            self._stored[pair.new.url] = replace(pair.old, url=pair.new.url)
        carried = {pair.new.id for pair in pairs}
        if crawl:
            self.pushed += [post.title for post in new if post.id not in carried]
        self._before = [self._stored[self._url(post, crawl)].id for post in posts]
        self._ids_change = bool(pairs)

    @property
    def stored(self) -> int:
        return len(self._stored)


ADDRESSES = {
    "ids that stay": lambda post, _: f"http://a.test/p/{post}",
    "ids that change": lambda post, crawl: f"http://a.test/p/{(post * 7919 + crawl * 104729) % 1000003}",
    "the time in the link": lambda post, crawl: f"http://a.test/v?no={post}&t={crawl}",
    "a session in the path": lambda post, crawl: f"http://a.test/s{crawl}/{post}",
    "a host that moves": lambda post, crawl: f"http://a{crawl // 2}.test/{post}",
}
NEW_POSTS = st.lists(st.integers(0, 3), min_size=1, max_size=12)


@pytest.mark.parametrize("address", ADDRESSES)
@given(new_posts=NEW_POSTS, shown=st.integers(8, 12))
def test_each_post_is_pushed_exactly_once_however_the_ids_change(address, new_posts, shown):
    board, posts = Board(ADDRESSES[address]), list(range(shown))
    board.crawl(posts[-shown:], 0)
    for crawl, count in enumerate(new_posts, 1):
        posts += range(len(posts), len(posts) + count)
        board.crawl(posts[-shown:], crawl)
    assert board.pushed == [f"글 {post}" for post in posts[shown:]]
    assert board.stored == len(posts)
