from collections import Counter
from itertools import islice

import pytest

from scripts.bench.crowd import crowd, readers, steady_notices
from scripts.bench.errors import BenchmarkError
from scripts.bench.soak import users_for
from scripts.testbed.population import SITES, TOPICS, Notice, expected, number_of


def platforms(people: list) -> Counter:
    return Counter(phone.platform for person in people for phone in person.phones)


def test_the_platforms_have_their_shares() -> None:
    assert platforms(crowd(1000, 0.2)) == {"fcm": 800, "apns": 200}
    assert platforms(readers(10, 0.2, "feed")) == {"fcm": 8, "apns": 2}
    assert platforms(readers(10, 0.0, "feed")) == {"fcm": 10}


def test_every_post_of_a_site_is_for_its_readers_alone() -> None:
    people = [*readers(7, 0.2, "board"), *readers(3, 0.2, "feed")]
    notices = [Notice(number=1, site="board", title="안내 #1"), Notice(number=2, site="feed", title="안내 #2")]
    assert Counter(number for number, _ in expected(people, notices)) == {1: 7, 2: 3}
    assert len({phone.token for person in people for phone in person.phones}) == 10


def test_a_round_of_posts_owes_a_notification_to_everybody() -> None:
    people, notices = crowd(400, 0.2), list(islice(steady_notices(), 2 * len(TOPICS)))
    sizes = Counter(number for number, _ in expected(people, notices))
    assert sum(sizes.values()) == 2 * 400
    assert max(sizes.values()) > 1.5 * min(sizes.values())
    assert [number_of(notice.title) for notice in notices] == list(range(1, 2 * len(TOPICS) + 1))
    assert {notice.site for notice in notices} == set(SITES)


def test_so_many_users_that_a_post_appears_every_few_seconds() -> None:
    assert users_for(20, None) == 960
    assert users_for(20, 400) == 400
    with pytest.raises(BenchmarkError, match="at least 160 users"):
        users_for(20, 100)
