import pytest

from pipeline.fanout.matcher import Matcher, parse_phrase
from scripts.testbed.population import (
    SITES,
    TOPICS,
    Notice,
    Person,
    Phone,
    Wish,
    edited,
    expected,
    notices,
    number_of,
    population,
    revision_of,
    wants,
)

KOREAN = Notice(number=1, site="board", title="2026학년도 장학금 안내 #1")
ENGLISH = Notice(number=2, site="feed", title="News about the scholarship #2")


def person(*wishes: Wish, paused: bool = False, phones: tuple[Phone, ...] = ()) -> Person:
    return Person(name="minji", paused=paused, wishes=wishes, phones=phones)


@pytest.mark.parametrize(
    ("wish", "korean", "english"),
    [
        (Wish(phrase="장학금", site=None), True, False),
        (Wish(phrase="scholarship", site=None), False, True),
        (Wish(phrase="scholar", site=None), False, False),
        (Wish(phrase="기숙사", site=None), False, False),
        (Wish(phrase="장학금", site="board"), True, False),
        (Wish(phrase="장학금", site="feed"), False, False),
        (Wish(phrase=None, site="feed"), False, True),
    ],
)
def test_who_wants_what(wish: Wish, *, korean: bool, english: bool) -> None:
    assert (wants(person(wish), KOREAN), wants(person(wish), ENGLISH)) == (korean, english)


def test_one_wish_of_several_is_enough_and_a_pause_stops_all() -> None:
    both = (Wish(phrase="기숙사", site=None), Wish(phrase="장학금", site=None))
    assert wants(person(*both), KOREAN)
    assert not wants(person(*both, paused=True), KOREAN)
    assert not wants(person(), KOREAN)


def test_what_is_expected_is_each_post_on_each_living_phone_of_whoever_wants_it() -> None:
    phones = (
        Phone(platform="fcm", token="one"),
        Phone(platform="apns", token="two", former_owner="jun"),
        Phone(platform="fcm", token="gone", dead=True),
    )
    reader = person(Wish(phrase="장학금", site=None), phones=phones)
    assert expected([reader, person(Wish(phrase=None, site="feed"))], [KOREAN, ENGLISH]) == {(1, "one"), (1, "two")}


def test_the_seed_decides_who_there_is_and_what_appears() -> None:
    assert population(1, 50) == population(1, 50) != population(2, 50)
    assert notices(1, 50) == notices(1, 50) != notices(2, 50)


def test_the_people_are_a_mix() -> None:
    people = population(1, 2000)
    phones = [phone for each in people for phone in each.phones]
    apns = sum(phone.platform == "apns" for phone in phones) / len(phones)
    assert 0.17 < apns < 0.23
    assert {len(each.phones) for each in people} == {0, 1, 2, 3}
    assert any(phone.dead for phone in phones)
    assert any(phone.former_owner for phone in phones)
    assert any(each.paused for each in people)
    assert len({phone.token for phone in phones}) == len(phones)
    wishes = {wish for each in people for wish in each.wishes}
    assert {wish.phrase for wish in wishes} == {None, *(phrase for topic in TOPICS for phrase in topic)}
    assert {wish.site for wish in wishes} == {None, *SITES}


def test_a_title_tells_its_number() -> None:
    for notice in notices(1, 30):
        assert number_of(notice.title) == notice.number
    assert number_of("An old post") is None


def test_the_plain_account_agrees_with_the_matcher() -> None:
    phrases = [phrase for topic in TOPICS for phrase in topic]
    matcher = Matcher((key, *_canonical(raw)) for key, raw in enumerate(phrases))
    for notice in notices(3, 200):
        plainly = {raw for raw in phrases if wants(person(Wish(phrase=raw, site=None)), notice)}
        assert plainly == {phrases[key] for key in matcher.find(notice.title).title_ids}


def _canonical(raw: str) -> tuple[str, str]:
    phrase = parse_phrase(raw)
    return phrase.text, phrase.kind


def test_an_edit_tells_its_number_and_concerns_the_same_people() -> None:
    for notice in notices(1, 30):
        twice = edited(edited(notice))
        assert (revision_of(notice.title), revision_of(twice.title), number_of(twice.title)) == (0, 2, notice.number)
        people = population(1, 50)
        assert [wants(each, twice) for each in people] == [wants(each, notice) for each in people]
