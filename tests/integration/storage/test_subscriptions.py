from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.fanout.matcher import Matcher
from pipeline.fanout.slices import find_in
from storage import sites, subscriptions, users
from storage.matching import Hit, matching_users
from storage.models import Keyword, Subscription, User
from storage.session import Database
from tests.support.builders import NOW, add_site, add_user, keyword, subscribe


@pytest.fixture
def matcher(session: Session) -> Matcher:
    """Of the phrases of people who each want something else of two boards."""
    board, _ = add_site(session, "board"), add_site(session, "other")

    def add(name: str, phrase: str | None = "장학", exclude: str = "", **wish: Any) -> None:
        exclusions = [keyword(exclude)] if exclude else []
        subscribe(session, add_user(session, name), phrase, exclude=exclusions, **wish)

    add("plain")
    add("english", "scholarship")
    subscribe(session, add_user(session, "both", "scholarship"), "장학")
    add("here", site_id=board.id)
    add("all-of-board", None, site_id=board.id)
    add("not-over", exclude="마감")
    add("body-too", match_body=True)
    add("body-not-over", exclude="마감", match_body=True)
    add("title-only", title_only=True)
    add("title-not-over", exclude="마감", title_only=True)
    # One row is a subscription to any of several phrases.
    add("any-of-two", "알바 | 단기 인턴", exclude="마감 | 취소")
    add("paused")
    users.set_paused(session, "paused", paused=True)
    return Matcher(subscriptions.keywords(session))


EACH = ["plain", "both", "body-too", "title-only"]
NOT_OVER = ["not-over", "body-not-over", "title-not-over"]
POSTS = [
    ("국가장학금 안내", "", False, [*EACH, *NOT_OVER]),
    ("Scholarship 장학", "", False, ["english", *EACH, *NOT_OVER]),
    ("nothing of that", "", False, []),
    ("장학 마감", "", False, EACH),
    ("안내", "장학", False, ["body-too", "body-not-over"]),
    ("안내", "장학", True, ["plain", "both", "body-too", "not-over", "body-not-over"]),
    # An excluded phrase in the body counts only where the body does.
    ("장학", "마감", False, [*EACH, "not-over", "title-not-over"]),
    ("장학", "마감", True, [*EACH, "title-not-over"]),
    ("장학 마감", "", True, EACH),
    ("주말 알바, 단기 인턴", "", False, ["any-of-two"]),
    ("인턴 (단기)", "", False, ["any-of-two"]),
    ("인턴", "", False, []),
    ("알바 마감", "", False, []),
    ("알바 취소", "", False, []),
]
"""Title, body, whether the site looks in the body, and who gets it on every board."""


def test_a_post_goes_to_those_who_want_it(session: Session, matcher: Matcher) -> None:
    for title, body, match_body, expected in POSTS:
        for site in ("board", "other"):
            hit = find_in(matcher, title, body, site_id=sites.by_name(session, site).id, match_body=match_body)
            matched = [row.user_id for row in matching_users(session, hit, after=0, limit=100)]
            names = {name for _, name, _ in users.names_and_zones(session, matched)}
            here = {"all-of-board", *(["here"] if "plain" in expected else [])}
            assert names == {*expected} | (here if site == "board" else set()), (title, body, site)


def test_a_user_with_several_hits_is_one_row_with_the_phrase_that_stands_first(session: Session) -> None:
    site = add_site(session)
    add_user(session, "minji", "장학", "신청", "학기")
    ids = {text: number for number, text in session.execute(select(Keyword.id, Keyword.text))}
    hit = Hit(site_id=site.id, title_ids=[ids["신청"], ids["장학"]], all_ids=list(ids.values()), match_body=True)
    rows = matching_users(session, hit, after=0)
    assert [row.keyword_id for row in rows] == [ids["신청"]]


def test_slices_follow_each_other_without_gap_or_repeat(session: Session) -> None:
    site = add_site(session)
    for number in range(25):
        add_user(session, f"user-{number}", "장학", *(["신청"] if number % 2 else []))
    ids = list(session.scalars(select(Keyword.id)))
    hit = Hit(site_id=site.id, title_ids=ids, all_ids=ids, match_body=False)
    seen: list[int] = []
    while rows := matching_users(session, hit, after=seen[-1] if seen else 0, limit=4):
        seen += [row.user_id for row in rows]
    assert seen == sorted(session.scalars(select(User.id)))


def test_a_post_that_hits_very_many_phrases_still_reaches_everybody(session: Session) -> None:
    site = add_site(session)
    user = users.add(session, "collector", timezone="UTC", now=NOW)
    count = 1500
    ids = subscriptions.keyword_ids(session, [keyword(f"phrase{n}") for n in range(count)])
    last = max(ids.values())
    session.add(Subscription(user_id=user.id, keyword_id=last, created_at=NOW))
    session.flush()
    hit = Hit(site_id=site.id, title_ids=sorted(ids.values()), all_ids=sorted(ids.values()), match_body=False)
    assert [row[:2] for row in matching_users(session, hit, after=0)] == [(user.id, last)]


def test_subscribing_twice_is_one_subscription_with_the_latest_exclusions(session: Session) -> None:
    user = add_user(session, "minji")
    subscribe(session, user, "장학", exclude=[keyword("마감")])
    subscribe(session, user, "장학", exclude=[keyword("취소")])
    rows = subscriptions.listing(session, user_id=user.id, limit=10)
    assert [(row.phrase, row.exclude) for row in rows] == [("장학", ("취소",))]


def test_a_user_cannot_pass_the_limit(database: Database) -> None:
    with database.writing() as session:
        user = add_user(session, "minji")
        subscribe(session, user, "하나", limit=1)
    with pytest.raises(subscriptions.SubscriptionError, match="limit"), database.writing() as session:
        subscribe(session, user, "둘셋", limit=1)
    with database.writing() as session:
        subscribe(session, user, "하나", limit=1)
        assert len(subscriptions.listing(session, user_id=user.id, limit=10)) == 1


def test_a_subscription_to_nothing_or_to_two_places_at_once_is_refused(session: Session) -> None:
    with pytest.raises(subscriptions.SubscriptionError, match="--site"):
        subscribe(session, add_user(session, "minji"), None)
    with pytest.raises(subscriptions.SubscriptionError, match="choose one"):
        subscribe(session, add_user(session, "sora"), "장학", match_body=True, title_only=True)


def test_the_same_phrase_of_many_users_is_one_keyword(session: Session) -> None:
    add_user(session, "minji", "Node.js 장학")
    add_user(session, "james", "장학  NODE.JS")
    assert len(session.scalars(select(Keyword.id)).all()) == 1
