"""A look before subscribing, over HTTP: on each kind of database, with what is kept between two requests."""

from dataclasses import replace
from datetime import timedelta

import pytest

from storage import bulk, sites
from storage.bulk import SubscriptionEntry
from storage.installations import ANONYMOUS
from tests.support.api import Api
from tests.support.builders import NOW, a_post, keyword

TITLES = ("2026 국가 장학금 신청", "교내 장학금", "식단", "국가장학금 마감")


@pytest.fixture
def board(api: Api) -> Api:
    """A board whose newest post is an hour old, and one older than is looked at."""
    at = api.context.clock()
    with api.context.database.writing() as session:
        site = sites.add(session, name="board", spider="listing", now=NOW)
        for number, title in enumerate(("국가장학금, 작년", *reversed(TITLES))):
            seen = at - (timedelta(days=100) if number == 0 else timedelta(days=5 - number, hours=1))
            session.add(a_post(site.id, str(number), title=title, body="장학", first_seen_at=seen, fanout="done"))
            session.flush()
    return api


@pytest.mark.parametrize("credential", ["read", "app", "token"])
def test_a_phrase_is_tried_on_the_latest_posts(board: Api, credential: str) -> None:
    credential = board.token("minji") if credential == "token" else credential
    answer = board.call("POST", "/v1/phrases/preview", credential, json={"phrase": " 국가장학금 ", "exclude": ["마감"]})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["phrase"], body["kind"], body["sentence"]) == ("국가장학금", "substring", "1 of the last 4 posts")
    assert (body["posts"], body["days"], body["hits"], body["sites"]) == (4, 5, 1, {"board": 1})
    (found,) = body["newest"]
    assert (found["title"], found["site"], found["through"]) == (TITLES[0], "board", [])


def test_what_finds_nothing_is_told_what_is_near(board: Api) -> None:
    body = board.call("POST", "/v1/phrases/preview", "app", json={"phrase": "국가장학금제도", "site": "board"}).json()
    assert (body["hits"], body["near"]) == (0, [{"phrase": "국가장학금", "hits": 2}])
    assert body["sentence"] == "0 in 5 days; near it: 국가장학금 (2)"
    some = board.call("POST", "/v1/phrases/preview", "app", json={"phrases": ["식단", "급식"], "body": True}).json()
    assert (some["phrase"], some["hits"]) == ("급식 | 식단", 1)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"phrase": "a"}, "only single characters"),
        ({"site": "board"}, "give a phrase to try"),
        ({"phrase": "장학금", "site": "nowhere"}, "there is no site named 'nowhere'"),
        ({"phrase": "장학금", "body": True, "title_only": True}, "choose one of the two"),
    ],
)
def test_what_cannot_be_tried_is_said_in_a_sentence(board: Api, body: dict[str, object], sentence: str) -> None:
    answer = board.call("POST", "/v1/phrases/preview", "app", json=body)
    assert 400 <= answer.status_code < 500
    assert sentence in answer.json()["detail"]


def test_only_what_five_people_want_is_suggested_and_nothing_of_the_stop_list(api: Api) -> None:
    wanted = {"장학금": 6, "인턴": 5, "기숙사": 4, "비밀 프로젝트": 9, "알바 | 아르바이트": 5, "졸업식": 8, "휴학": 7}
    at = api.context.clock()
    with api.context.database.writing() as session:
        sites.add(session, name="board", spider="listing", now=NOW)
        for phrase, people in wanted.items():
            name = ANONYMOUS if phrase == "휴학" else phrase
            theirs = [SubscriptionEntry(user=f"{name}-{n}", keyword=keyword(phrase)) for n in range(people)]
            # One person on two sites is one person, and phones without a login may all be one person's.
            theirs.append(replace(theirs[0], site="board"))
            long_ago = timedelta(days=120 if phrase == "졸업식" else 0)
            bulk.store_subscriptions(session, theirs, limit=9, add_users=True, now=at - long_ago)
    api.context.previews.settings = api.context.settings.model_copy(update={"suggestions_stop": "도박, 비밀"})
    answer = api.call("GET", "/v1/phrases/suggestions", api.token("minji"))
    assert answer.json() == [{"phrase": "장학금", "people": 6}, {"phrase": "인턴", "people": 5}]
