"""Who gets a post: from the phrases that stand in it to the users who subscribed to them.

The statements are built once for each way of matching; what differs from post to post is a parameter.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    Boolean,
    ColumnElement,
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    join,
    literal,
    or_,
    select,
    true,
    union,
    union_all,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import FromClause

from storage.deferring import PACE_RANK, has_wishes
from storage.dialect import is_sqlite, row_by_row
from storage.json_table import Types, table_of
from storage.models import Subscription, SubscriptionExclusion, User

EVERYBODY = 2**62
"""As a user id: behind the last one. As a limit: none."""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """What the matcher found in a post: the phrases of its title, and those of title and body together."""

    site_id: int
    title_ids: Sequence[int]
    all_ids: Sequence[int]
    # The site's own setting: phrases are looked for in the body too, whatever the subscription says.
    match_body: bool


def window_end(session: Session, hit: Hit, *, after: int, size: int) -> tuple[int | None, bool]:
    """The user id up to which a slice of `size` users has to look; None: to the end. And whether any of them has to
    be asked when they want to hear.

    It is where the first of the ranges that are read has so many further subscriptions. A slice that looks no further
    costs what it finds, however many users come after it.
    """
    values = {**_values(hit), "after": after, "skipped": size - 1}
    query = _window_end(sqlite=is_sqlite(session), match_body=hit.match_body)
    end, asks = session.execute(query, values).one()
    return end, bool(asks)


def matching_users(
    session: Session, hit: Hit, *, after: int, upto: int = EVERYBODY, limit: int = EVERYBODY, timed: bool = False
) -> Sequence[Row[*tuple[Any, ...]]]:
    """(user_id, keyword_id) of the users a post matches, in the order of their ids, one row per user.

    `keyword_id` is the phrase that stands first in the post, NULL when only a subscription to the whole site hit.
    timed: with a third column, `timing`, which costs a quarter more: twice the rank of the liveliest pace
    (storage.deferring), and one more for a user who said anything.
    Only index ranges of subscriptions that match are read, from `after` (exclusive) to `upto` (inclusive).
    """
    statement = _matching_users(sqlite=is_sqlite(session), match_body=hit.match_body, timed=timed)
    return session.execute(statement, _values(hit, after=after, upto=upto, limit=limit)).all()


def count_matching(session: Session, hit: Hit) -> int:
    """How many users a post matches."""
    statement = _matching_count(sqlite=is_sqlite(session), match_body=hit.match_body)
    return session.scalar(statement, _values(hit, after=0, upto=EVERYBODY)) or 0


_HITS: Types = {"keyword_id": BigInteger(), "in_title": Boolean(), "rank": Integer()}
"""The phrases of a post as a table; the rank is where they stand in it."""


def _values(hit: Hit, **bounds: int) -> dict[str, Any]:
    """The parameters of the statements."""
    title = set(hit.title_ids)
    hits = [
        {"keyword_id": key, "in_title": key in title, "rank": rank}
        for rank, key in enumerate(dict.fromkeys([*hit.title_ids, *hit.all_ids]))
    ]
    return {"hits": json.dumps(hits), "site_id": hit.site_id, **bounds}


@lru_cache
def _window_end(*, sqlite: bool, match_body: bool) -> Select[int | None, bool]:
    hits = table_of("hits", _HITS, sqlite=sqlite)
    ends = []
    for part in _ranges(hits, match_body=match_body):
        nth = (
            select(Subscription.user_id)
            .where(*part.conditions, Subscription.user_id > bindparam("after", type_=BigInteger))
            .order_by(Subscription.user_id)
            .offset(bindparam("skipped", type_=Integer))
            .limit(1)
        )
        if part.phrases is None:
            ends.append(select(nth.scalar_subquery().label("end")))
        else:
            ends.append(select(nth.correlate(hits).scalar_subquery().label("end")).where(part.phrases))
    window = select(func.min(union_all(*ends).subquery("ends").c.end).label("end")).subquery("window")
    upto = func.coalesce(window.c.end, EVERYBODY)
    return select(window.c.end, has_wishes(after=bindparam("after", type_=BigInteger), upto=upto))


@lru_cache
def _matching_users(*, sqlite: bool, match_body: bool, timed: bool = False) -> Select[*tuple[Any, ...]]:
    hits = table_of("hits", _HITS, sqlite=sqlite)
    parts = []
    for part in _ranges(hits, match_body=match_body):
        rank = literal(_AFTER_ALL) if part.phrases is None else hits.c.rank
        columns = [Subscription.user_id.label("user_id"), rank.label("rank"), *([_TIMING] if timed else [])]
        query = select(*columns).where(*part.conditions)
        if part.phrases is not None:
            query = query.select_from(Subscription, hits).where(part.phrases)
        parts.append(_wanted(query, hits, match_body=match_body))
    matched = union_all(*parts).subquery("matched")
    first = (
        select(
            matched.c.user_id,
            func.min(matched.c.rank).label("rank"),
            *([func.min(matched.c.timing).label("timing")] if timed else []),
        )
        .group_by(matched.c.user_id)
        .order_by(matched.c.user_id)
        .limit(bindparam("limit", type_=BigInteger))
        .subquery("first")
    )
    named = hits.alias("named")
    return (
        select(first.c.user_id, named.c.keyword_id, *([first.c.timing] if timed else []))
        .select_from(first)
        .outerjoin(named, named.c.rank == first.c.rank)
        .order_by(first.c.user_id)
    )


@lru_cache
def _matching_count(*, sqlite: bool, match_body: bool) -> Select[int]:
    hits = table_of("hits", _HITS, sqlite=sqlite)
    each = hits.alias("each")
    parts = []
    for part in _ranges(each, match_body=match_body):
        theirs = _wanted(select(Subscription.user_id).where(*part.conditions), hits, match_body=match_body)
        if part.phrases is None:
            parts.append(theirs)
        elif sqlite:
            parts.append(theirs.select_from(each).where(part.phrases))
        else:
            # Of a count without an end PostgreSQL believes that it needs every subscription there is.
            found = row_by_row(theirs.correlate(each), "theirs")
            parts.append(select(found.c.user_id).select_from(each.join(found, true())).where(part.phrases))
    return select(func.count()).select_from(union(*parts).subquery("matched"))


_TIMING = (
    2 * PACE_RANK + case((or_(User.preferences.is_not(None), User.snooze_until.is_not(None)), 1), else_=0)
).label("timing")

_AFTER_ALL = 2**31 - 1
"""The rank of a subscription to every post of a site: any phrase says more."""


@dataclass(frozen=True, kw_only=True)
class _Range:
    """Subscriptions that match, as one index range for each phrase (or a single one), in the order of user ids."""

    # Which of the post's phrases are looked up in it; None: none, it is the subscriptions to every post of the site.
    phrases: ColumnElement[bool] | None
    conditions: tuple[ColumnElement[bool], ...]


def _ranges(hits: FromClause, *, match_body: bool) -> list[_Range]:
    same = Subscription.keyword_id == hits.c.keyword_id
    any_site, this_site = Subscription.site_id.is_(None), Subscription.site_id == bindparam("site_id", type_=Integer)
    in_body = ~Subscription.title_only if match_body else and_(Subscription.match_body)
    ranges = [_Range(phrases=None, conditions=(Subscription.keyword_id.is_(None), this_site))]
    for site in (any_site, this_site):
        ranges += [
            _Range(phrases=hits.c.in_title, conditions=(same, site)),
            # A phrase that is only in the body is for those who look there.
            _Range(phrases=~hits.c.in_title, conditions=(same, site, in_body)),
        ]
    return ranges


def _wanted(query: Select[*tuple[Any, ...]], hits: CTE, *, match_body: bool) -> Select[*tuple[Any, ...]]:
    """Without the users who are paused, and the subscriptions that a phrase of the post silences."""
    silenced = (
        exists()
        .select_from(join(SubscriptionExclusion, hits, SubscriptionExclusion.keyword_id == hits.c.keyword_id))
        .where(SubscriptionExclusion.subscription_id == Subscription.id)
        .correlate(Subscription)
    )
    if match_body:
        silenced = silenced.where(or_(hits.c.in_title, ~Subscription.title_only))
    else:
        silenced = silenced.where(or_(hits.c.in_title, Subscription.match_body))
    # The bounds are said of the users too: PostgreSQL concludes no range from the join, and would read all of them.
    return query.join(User, User.id == Subscription.user_id).where(
        Subscription.user_id > bindparam("after", type_=BigInteger),
        Subscription.user_id <= bindparam("upto", type_=BigInteger),
        User.id > bindparam("after", type_=BigInteger),
        User.id <= bindparam("upto", type_=BigInteger),
        User.paused.is_(False),
        ~silenced,
    )
