from datetime import UTC, datetime, timedelta

import pytest

from pipeline.fanout.preview import Preview, preview
from pipeline.fanout.synonyms import NONE, Synonyms, read_synonyms
from pipeline.people import entries
from storage.recent import RecentPost

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
TITLES = (
    *("2026 국가 장학금 신청", "국가장학금 2차 마감", "교내 장학금", "Software developers wanted", "카페 아르바이트"),
    *("장학금 지급", "developer meetup", "국가 시험"),
)


def posts(*titles: str, every: timedelta = timedelta(days=3), is_news: bool = True) -> list[RecentPost]:
    """One at each even interval, the newest first, on two boards in turn."""
    return [
        RecentPost(
            id=len(titles) - at,
            site="ab"[at % 2],
            title=title.partition("/")[0],
            url=f"https://board.test/{at}",
            first_seen_at=NOW - every * at,
            is_news=is_news,
            body=title.partition("/")[2],
            match_body=at % 2 == 1,
        )
        for at, title in enumerate(titles)
    ]


def look(phrase: str, found: list[RecentPost], synonyms: Synonyms = NONE, **wish: object) -> Preview:
    return preview(entries.subscription_entry({"user": "x", "phrase": phrase, **wish}), found, synonyms, now=NOW)


def test_what_a_phrase_would_have_found():
    found = look("장학금", posts(*TITLES))
    assert (found.posts, found.days, found.hits, found.sites) == (8, 21, 4, {"b": 2, "a": 2})
    assert [each.post.title for each in found.newest] == ["2026 국가 장학금 신청", "국가장학금 2차 마감", "교내 장학금"]
    assert found.sentence == "4 of the last 8 posts"
    assert found.per_day == pytest.approx(4 / 21)


@pytest.mark.parametrize(
    ("phrase", "sentence"),
    [
        ("국가장학금제", "0 in 21 days; near it: 국가장학금 (2)"),
        ("시험 교내", "0 in 21 days; near it: 교내 (1), 시험 (1)"),
        ("developrs", "0 in 21 days; near it: developers (1), developer (1)"),
        ("국가 zzzz", "0 in 21 days; near it: 국가 (3)"),
        ("zzzz", "0 in 21 days"),
    ],
)
def test_what_finds_nothing_is_told_what_is_near(phrase, sentence):
    assert look(phrase, posts(*TITLES)).sentence == sentence


def test_a_phrase_that_would_ring_all_day_says_so():
    often = [f"공지 {number}" for number in range(28)]
    assert (
        look("공지", posts(*often, every=timedelta(hours=2))).sentence
        == "28 of the last 28 posts; would ring 9 times a day"
    )
    # What stood there when the site was new rang for nobody.
    assert look("공지", posts(*often, every=timedelta(0), is_news=False)).sentence == "28 of the last 28 posts"


def test_without_posts_nothing_can_be_said():
    assert look("공지", []).sentence == "there are no posts yet to try it on"
    assert look("공지", posts("x")).sentence == "0 in 1 day"


def test_it_is_tried_as_the_subscription_would_be_matched():
    synonyms = read_synonyms('groups = [["알바", "아르바이트"]]')
    (found,) = look("알바", posts(*TITLES), synonyms).newest
    assert (found.post.title, found.through) == ("카페 아르바이트", ("아르바이트",))
    assert look("장학금", posts(*TITLES), exclude=["마감", "교내"]).hits == 2
    in_bodies = posts("x/공지", "x/공지", "공지")
    assert look("공지", in_bodies).hits == 2
    assert look("공지", in_bodies, body=True).hits == 3
    assert look("공지", in_bodies, title_only=True).hits == 1
