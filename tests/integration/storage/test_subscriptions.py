import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.fanout.matcher import Matcher
from pipeline.fanout.slices import find_in
from storage import matching, subscriptions, users
from storage.matching import Hit, matching_users
from storage.models import Keyword, Subscription, User
from storage.session import Database
from tests.support.builders import NOW, add_site, add_user, keyword, subscribe


def who(database: Database, title: str, body: str = "", *, site: str = "board", match_body: bool = False) -> list[str]:
    """The users that a post on a site would go to, in the order of their ids."""
    with database.reading() as session:
        from storage import sites

        matcher = Matcher(subscriptions.keywords(session))
        site_id = sites.by_name(session, site).id
        hit = find_in(matcher, title, body, site_id=site_id, match_body=match_body)
        matched = matching.matching_users(session, hit, after=0, limit=100)
        return [name for _, name, _ in users.names_and_zones(session, [row.user_id for row in matched])]


def test_a_phrase_reaches_the_users_who_subscribed_to_it(database: Database) -> None:
    with database.writing() as session:
        add_site(session)
        add_user(session, "minji", "장학")
        add_user(session, "james", "scholarship")
        add_user(session, "sora", "장학", "scholarship")
    assert who(database, "국가장학금 안내") == ["minji", "sora"]
    assert who(database, "Scholarship 장학") == ["minji", "james", "sora"]
    assert who(database, "nothing of that") == []


def test_a_subscription_to_one_site_is_not_for_another(database: Database) -> None:
    with database.writing() as session:
        board = add_site(session, "board")
        add_site(session, "other")
        add_user(session, "here", "장학", site_id=board.id)
        add_user(session, "everywhere", "장학")
    assert who(database, "장학", site="board") == ["here", "everywhere"]
    assert who(database, "장학", site="other") == ["everywhere"]


def test_a_subscription_without_a_phrase_means_every_post_of_its_site(database: Database) -> None:
    with database.writing() as session:
        board = add_site(session, "board")
        add_site(session, "other")
        subscribe(session, add_user(session, "fan"), None, site_id=board.id)
    assert who(database, "anything", site="board") == ["fan"]
    assert who(database, "anything", site="other") == []


def test_an_excluded_phrase_silences_a_subscription(database: Database) -> None:
    with database.writing() as session:
        add_site(session)
        subscribe(session, add_user(session, "minji"), "장학", exclude=[keyword("마감")])
        add_user(session, "sora", "장학")
    assert who(database, "장학 신청") == ["minji", "sora"]
    assert who(database, "장학 마감") == ["sora"]


def test_the_body_counts_when_the_subscription_or_the_site_says_so(database: Database) -> None:
    with database.writing() as session:
        add_site(session)
        add_user(session, "title-only", "장학")
        subscribe(session, add_user(session, "body-too"), "장학", match_body=True)
    assert who(database, "안내", "장학") == ["body-too"]
    assert who(database, "안내", "장학", match_body=True) == ["title-only", "body-too"]


def test_who_wants_the_title_only_gets_no_post_for_its_body_wherever_the_site_looks(database: Database) -> None:
    with database.writing() as session:
        add_site(session)
        subscribe(session, add_user(session, "strict"), "장학", exclude=[keyword("마감")], title_only=True)
        add_user(session, "usual", "장학")
        with pytest.raises(subscriptions.SubscriptionError, match="choose one"):
            subscribe(session, add_user(session, "both"), "장학", match_body=True, title_only=True)
    assert who(database, "안내", "장학", match_body=True) == ["usual"]
    assert who(database, "장학", "마감", match_body=True) == ["strict", "usual"]
    assert who(database, "장학 마감", match_body=True) == ["usual"]


def test_one_row_is_a_subscription_to_any_of_several_phrases(database: Database) -> None:
    with database.writing() as session:
        add_site(session)
        subscribe(session, add_user(session, "minji"), "알바 | 단기 인턴", exclude=[keyword("마감 | 취소")])
        assert len(session.scalars(select(Subscription)).all()) == 1
    assert who(database, "주말 알바, 단기 인턴") == who(database, "인턴 (단기)") == ["minji"]
    assert who(database, "인턴") == who(database, "알바 마감") == who(database, "알바 취소") == []


def test_an_excluded_phrase_in_the_body_counts_only_where_the_body_does(database: Database) -> None:
    with database.writing() as session:
        add_site(session)
        subscribe(session, add_user(session, "title-only"), "장학", exclude=[keyword("마감")])
        subscribe(session, add_user(session, "body-too"), "장학", exclude=[keyword("마감")], match_body=True)
    assert who(database, "장학", "마감") == ["title-only"]
    assert who(database, "장학", "마감", match_body=True) == []


def test_a_paused_user_gets_nothing(database: Database) -> None:
    with database.writing() as session:
        add_site(session)
        add_user(session, "minji", "장학")
        users.set_paused(session, "minji", paused=True)
    assert who(database, "장학") == []


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


def test_a_subscription_to_nothing_is_refused(database: Database) -> None:
    with pytest.raises(subscriptions.SubscriptionError, match="--site"), database.writing() as session:
        subscribe(session, add_user(session, "minji"), None)


def test_the_same_phrase_of_many_users_is_one_keyword(session: Session) -> None:
    add_user(session, "minji", "Node.js 장학")
    add_user(session, "james", "장학  NODE.JS")
    assert len(session.scalars(select(Keyword.id)).all()) == 1
