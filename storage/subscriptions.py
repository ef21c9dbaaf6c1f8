"""Keywords and subscriptions: who wants to hear of what, and who that makes for a post."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    Boolean,
    ColumnElement,
    CompoundSelect,
    Select,
    column,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
    values,
)
from sqlalchemy import insert as insert_rows
from sqlalchemy.orm import Session

from storage.dialect import insert
from storage.models import Keyword, Site, Subscription, SubscriptionExclusion, User

UNION_PARTS = 200


class SubscriptionError(ValueError):
    """A subscription that cannot be, with the reason and the way out."""


@dataclass(frozen=True, kw_only=True)
class KeywordText:
    """A phrase in the matcher's canonical form, as pipeline.matching.parse_phrase gives it."""

    text: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class KeywordsVersion:
    """Changes whenever a keyword was added or removed."""

    count: int
    last_id: int


def keyword_ids(session: Session, phrases: Iterable[KeywordText]) -> dict[KeywordText, int]:
    """The ids of the given phrases; those that nobody had yet are inserted."""
    wanted = sorted(set(phrases), key=lambda phrase: (phrase.text, phrase.kind))
    if not wanted:
        return {}
    session.execute(
        insert(session, Keyword)
        .values([{"text": phrase.text, "kind": phrase.kind} for phrase in wanted])
        .on_conflict_do_nothing(index_elements=[Keyword.text, Keyword.kind])
    )
    rows = session.execute(
        select(Keyword.text, Keyword.kind, Keyword.id).where(Keyword.text.in_({p.text for p in wanted}))
    )
    found = {KeywordText(text=text, kind=kind): keyword_id for text, kind, keyword_id in rows}
    return {phrase: found[phrase] for phrase in wanted}


def keywords_version(session: Session) -> KeywordsVersion:
    """The version of the set of keywords, for a matcher that is held in memory."""
    count, last_id = session.execute(select(func.count(), func.max(Keyword.id))).one()
    return KeywordsVersion(count=count, last_id=last_id or 0)


def keywords(session: Session, *, after: int = 0) -> list[tuple[int, str, str]]:
    """Keywords as (id, text, kind), in the order of their ids, those above `after`."""
    rows = session.execute(
        select(Keyword.id, Keyword.text, Keyword.kind).where(Keyword.id > after).order_by(Keyword.id)
    )
    return list(rows)


def add(
    session: Session,
    user_id: int,
    *,
    keyword: KeywordText | None,
    site_id: int | None,
    exclude: Sequence[KeywordText] = (),
    match_body: bool = False,
    limit: int,
    now: datetime,
) -> tuple[Subscription, bool]:
    """Subscribe a user, and return the subscription and whether it is new.

    Subscribing again to the same phrase and site replaces the excluded phrases. Raises SubscriptionError when there
    is neither a phrase nor a site, or when the user would pass `limit` subscriptions.
    """
    if keyword is None and site_id is None:
        raise SubscriptionError(
            "a subscription without a phrase means every post of a site: name the site with --site, or give a phrase"
        )
    ids = keyword_ids(session, [*([keyword] if keyword else []), *exclude])
    keyword_id = ids[keyword] if keyword else None
    inserted = session.scalar(
        insert(session, Subscription)
        .values(user_id=user_id, keyword_id=keyword_id, site_id=site_id, match_body=match_body, created_at=now)
        .on_conflict_do_nothing()
        .returning(Subscription.id)
    )
    subscription = session.scalars(
        select(Subscription).where(
            Subscription.user_id == user_id,
            Subscription.keyword_id == keyword_id if keyword_id else Subscription.keyword_id.is_(None),
            Subscription.site_id == site_id if site_id else Subscription.site_id.is_(None),
        )
    ).one()
    if inserted is not None and _count(session, user_id) > limit:
        raise SubscriptionError(
            f"the user has {limit} subscriptions, which is the limit: remove one, or raise SUBSCRIPTIONS_PER_USER"
        )
    subscription.match_body = match_body
    session.execute(delete(SubscriptionExclusion).where(SubscriptionExclusion.subscription_id == subscription.id))
    if exclude:
        session.execute(
            insert_rows(SubscriptionExclusion),
            [
                {"subscription_id": subscription.id, "keyword_id": ids[phrase]}
                for phrase in sorted(set(exclude), key=lambda p: p.text)
            ],
        )
    session.flush()
    return subscription, inserted is not None


def _count(session: Session, user_id: int) -> int:
    return session.scalar(select(func.count()).select_from(Subscription).where(Subscription.user_id == user_id)) or 0


def remove(session: Session, subscription_id: int) -> None:
    """Delete a subscription. Raises SubscriptionError when there is none of that id."""
    gone = session.scalar(delete(Subscription).where(Subscription.id == subscription_id).returning(Subscription.id))
    if gone is None:
        raise SubscriptionError(
            f"there is no subscription {subscription_id}: `crawlpush subscriptions list` shows the ids"
        )


@dataclass(frozen=True, kw_only=True)
class SubscriptionRow:
    """A subscription with the words instead of the ids."""

    id: int
    user: str
    phrase: str | None
    kind: str | None
    site: str | None
    exclude: tuple[str, ...]
    match_body: bool

    def describe(self) -> str:
        """The subscription in a few words."""
        what = self.phrase or "every post"
        where = f" on {self.site}" if self.site else ""
        without = f" without {', '.join(self.exclude)}" if self.exclude else ""
        return f"{what}{where}{without}"


def listing(session: Session, *, user_id: int | None, limit: int) -> list[SubscriptionRow]:
    """Subscriptions, oldest first."""
    query = (
        select(Subscription, User.external_id, Keyword.text, Keyword.kind, Site.name)
        .join(User, User.id == Subscription.user_id)
        .outerjoin(Keyword, Keyword.id == Subscription.keyword_id)
        .outerjoin(Site, Site.id == Subscription.site_id)
        .order_by(Subscription.id)
        .limit(limit)
    )
    if user_id is not None:
        query = query.where(Subscription.user_id == user_id)
    rows = session.execute(query).all()
    excluded: dict[int, list[str]] = {}
    for subscription_id, text in session.execute(
        select(SubscriptionExclusion.subscription_id, Keyword.text)
        .join(Keyword, Keyword.id == SubscriptionExclusion.keyword_id)
        .where(SubscriptionExclusion.subscription_id.in_([row[0].id for row in rows]))
        .order_by(Keyword.text)
    ):
        excluded.setdefault(subscription_id, []).append(text)
    return [
        SubscriptionRow(
            id=subscription.id,
            user=user,
            phrase=text,
            kind=kind,
            site=site,
            exclude=tuple(excluded.get(subscription.id, ())),
            match_body=subscription.match_body,
        )
        for subscription, user, text, kind, site in rows
    ]


@dataclass(frozen=True, kw_only=True)
class Hit:
    """What the matcher found in a post: the phrases of its title, and those of title and body together."""

    site_id: int
    title_ids: Sequence[int]
    all_ids: Sequence[int]
    # The site's own setting: phrases are looked for in the body too, whatever the subscription says.
    match_body: bool


def matching_users(
    hit: Hit, *, after: int, upto: int | None = None, limit: int | None = None
) -> Select[int, int | None]:
    """A SELECT of (user_id, keyword_id) of the users a post matches, in the order of their ids, one row per user.

    `keyword_id` is the phrase that stands first in the post, NULL when only a subscription to the whole site hit.
    Each phrase contributes an index range of its own with its own limit, so that a slice costs its size times the
    number of phrases, however many users come after it.
    """
    phrases = list(dict.fromkeys([*hit.title_ids, *hit.all_ids]))
    hits = _hits(hit)
    arms = [
        _arm(hit, hits, keyword_id, rank, after=after, upto=upto, limit=limit)
        for rank, keyword_id in enumerate([*phrases, None])
    ]
    matched = _all_of(arms).subquery("matched")
    ranked = select(
        matched.c.user_id,
        matched.c.keyword_id,
        func.row_number().over(partition_by=matched.c.user_id, order_by=matched.c.rank).label("nth"),
    ).subquery("ranked")
    return (
        select(ranked.c.user_id, ranked.c.keyword_id).where(ranked.c.nth == 1).order_by(ranked.c.user_id).limit(limit)
    )


def _hits(hit: Hit) -> CTE:
    """The phrases of the post as a table that every arm looks its exclusions up in."""
    title = set(hit.title_ids)
    columns = (column("keyword_id", BigInteger), column("in_title", Boolean))
    # A table of values cannot be empty; no keyword has the id 0.
    rows = [(keyword_id, keyword_id in title) for keyword_id in dict.fromkeys([*hit.title_ids, *hit.all_ids])]
    return values(*columns, name="hit_values").data(rows or [(0, False)]).cte("hits")


def _arm(
    hit: Hit, hits: CTE, keyword_id: int | None, rank: int, *, after: int, upto: int | None, limit: int | None
) -> Select[int, int | None, int]:
    """The users of one phrase, or of the whole site, in the order of their ids."""
    query = (
        select(
            Subscription.user_id.label("user_id"),
            Subscription.keyword_id.label("keyword_id"),
            literal(rank).label("rank"),
        )
        .join(User, User.id == Subscription.user_id)
        .where(Subscription.user_id > after, User.paused.is_(False), ~_excluded(hit, hits))
        .order_by(Subscription.user_id)
        .limit(limit)
    )
    if upto is not None:
        query = query.where(Subscription.user_id <= upto)
    if keyword_id is None:
        return query.where(Subscription.keyword_id.is_(None), Subscription.site_id == hit.site_id)
    if keyword_id not in hit.title_ids and not hit.match_body:
        query = query.where(Subscription.match_body)
    return query.where(
        Subscription.keyword_id == keyword_id,
        or_(Subscription.site_id.is_(None), Subscription.site_id == hit.site_id),
    )


def _excluded(hit: Hit, hits: CTE) -> ColumnElement[bool]:
    """Whether a phrase that the subscription excludes occurs where the subscription looks."""
    excluded = (
        exists()
        .where(
            SubscriptionExclusion.subscription_id == Subscription.id,
            SubscriptionExclusion.keyword_id == hits.c.keyword_id,
        )
        .correlate(Subscription)
    )
    return excluded if hit.match_body else excluded.where(or_(hits.c.in_title, Subscription.match_body))


def _all_of(arms: Sequence[Select[int, int | None, int]]) -> CompoundSelect[Any]:
    # SQLite takes ORDER BY and LIMIT only inside a subquery, and at most 500 parts in one UNION.
    parts: list[Select[Any]] = [select(arm.subquery()) for arm in arms]
    while len(parts) > UNION_PARTS:
        parts = [
            select(union_all(*parts[at : at + UNION_PARTS]).subquery()) for at in range(0, len(parts), UNION_PARTS)
        ]
    return union_all(*parts)


def count_matching(session: Session, hit: Hit) -> int:
    """How many users a post matches."""
    return session.scalar(select(func.count()).select_from(matching_users(hit, after=0).subquery())) or 0


def sample_matching(session: Session, hit: Hit, *, limit: int) -> list[str]:
    """The external ids of the first users that a post matches."""
    matched = matching_users(hit, after=0, limit=limit).subquery()
    return list(session.scalars(select(User.external_id).join(matched, matched.c.user_id == User.id).order_by(User.id)))


def texts(session: Session, keyword_ids: Sequence[int]) -> list[str]:
    """The phrases of the given keywords, in the order given."""
    found = dict(session.execute(select(Keyword.id, Keyword.text).where(Keyword.id.in_(keyword_ids))).all())
    return [found[keyword_id] for keyword_id in dict.fromkeys(keyword_ids)]
