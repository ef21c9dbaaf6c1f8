"""The matcher and the SQL together, beside a person who reads each subscription and each post."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.fanout.matcher import Matcher, normalise
from pipeline.fanout.slices import find_in
from storage import bulk, matching, notifications, subscriptions
from storage.bulk import SubscriptionEntry, UserEntry
from storage.models import Site, User
from tests.support.builders import NOW, add_site, found, keyword, stored_posts
from tests.unit.pipeline.fanout.slow_matching import matches

WORDS = ("장학", "국가장학금", "신청", "마감", "node.js", "c++", "art", "start", "school", "学校", "🎉", "scholar ship")
SITES = ("one", "two")


@dataclass(frozen=True)
class APost:
    site: str
    title: str
    body: str


def entries(random_: random.Random) -> Iterator[SubscriptionEntry]:
    for number in range(60):
        wanted = random_.choice(
            [None, *WORDS, " ".join(random_.sample(WORDS, 2)), " | ".join(random_.sample(WORDS, 2))]
        )
        place = random_.choice(["", "", "match_body", "title_only"])
        site = random_.choice([None, *SITES]) if wanted else random_.choice(SITES)
        yield SubscriptionEntry(
            user=f"user-{number % 25}",
            keyword=keyword(wanted) if wanted else None,
            site=site,
            exclude=frozenset(keyword(w) for w in random_.sample(WORDS, random_.choice((0, 0, 1, 2)))),
            match_body=place == "match_body",
            title_only=place == "title_only",
        )


def gets_it(entry: SubscriptionEntry, post: APost, *, site_looks_in_body: bool) -> bool:
    if entry.site not in (None, post.site):
        return False
    body = post.body if (site_looks_in_body or entry.match_body) and not entry.title_only else ""

    def occurs(phrase: subscriptions.KeywordText) -> bool:
        return matches(phrase.text, phrase.kind, normalise(post.title), normalise(body))

    return (entry.keyword is None or occurs(entry.keyword)) and not any(map(occurs, entry.exclude))


@pytest.mark.parametrize("seed", range(6))
def test_exactly_those_get_a_post_who_want_it(session: Session, seed: int) -> None:
    random_ = random.Random(seed)
    for name, match_body in zip(SITES, (False, True), strict=True):
        add_site(session, name, match_body=match_body)
    wanted = list({(e.user, e.keyword, e.site): e for e in entries(random_)}.values())
    bulk.store_subscriptions(session, wanted, limit=100, add_users=True, now=NOW)
    paused = {f"user-{n}" for n in range(0, 25, 7)}
    bulk.store_users(session, [UserEntry(user=name, paused=True) for name in sorted(paused)], now=NOW)
    session.expire_all()
    matcher = Matcher(subscriptions.keywords(session))
    names = dict(session.execute(select(User.id, User.external_id)).all())
    sites = {site.name: site for site in session.scalars(select(Site))}
    for number in range(12):
        text = [" ".join(random_.choices(WORDS, k=random_.randrange(1, 4))) for _ in range(2)]
        post = APost(random_.choice(SITES), *text)
        site = sites[post.site]
        hit = find_in(matcher, post.title, post.body, site_id=site.id, match_body=site.match_body)
        (post_id,) = stored_posts(session, site, [found(seed * 100 + number)])
        got: list[int] = []
        cursor, more = 0, True
        while more:
            part = notifications.create_slice(session, post_id, hit, after=cursor, size=3, now=NOW)
            assert len(part.users) <= 3
            got += part.users
            cursor, more = part.cursor, part.more
        expected = {e.user for e in wanted if gets_it(e, post, site_looks_in_body=site.match_body)} - paused
        assert got == sorted(got)
        assert sorted(names[user_id] for user_id in got) == sorted(expected)
        assert matching.count_matching(session, hit) == len(expected)
