"""Notifications that wait for their user's time, and what is known of the users who want them to."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Row, and_, bindparam, case, exists, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from storage.dialect import connection_of
from storage.json_table import given, given_values, insert_from, looked_up
from storage.models import PACES, Digest, Notification, Post, Site, Subscription, User
from storage.types import UTCDateTime


@dataclass(frozen=True, kw_only=True)
class Person:
    """What somebody said of when and how often they want to hear."""

    preferences: Mapping[str, Any] | None = None
    timezone: str = "UTC"
    snooze_until: datetime | None = None
    paused: bool = False


Matched = Row[*tuple[Any, ...]]
"""A user that a post matches: user_id, keyword_id and, where somebody is asked, timing (storage.matching)."""
NO_PACE = 1
"""The rank of a subscription without a pace, beside those of PACES: 0, 2, 3 and 4."""
PACE_OF_RANK: Mapping[int, str] = dict(zip((0, 2, 3, 4), PACES, strict=True))
PACE_RANK = case(
    (Subscription.pace.is_(None), NO_PACE),
    *((Subscription.pace == pace, rank) for rank, pace in PACE_OF_RANK.items()),
    else_=NO_PACE,
)
"""Of a row of Subscription, as SQL: the liveliest is the smallest."""


def asked_about(matched: Sequence[Matched], *, everybody: bool) -> dict[int, str | None]:
    """Those of the users that a post matches who have to be asked, with the pace of what matched, by id."""
    return {
        row.user_id: PACE_OF_RANK.get(row.timing // 2) for row in matched if everybody or row.timing not in _AT_ONCE
    }


_AT_ONCE = frozenset({0, 2 * NO_PACE})
"""Nothing was said, or `now`, by a user who wants nothing else."""


@dataclass(frozen=True, kw_only=True)
class Wait:
    """What keeps a notification from being sent now."""

    # Until then; for one that is in the inbox only, when that was decided.
    at: datetime
    reason: str
    inbox_only: bool = False


def has_wishes(*, after: ColumnElement[int], upto: ColumnElement[int]) -> ColumnElement[bool]:
    """The condition that any of the users from an id (exclusive) to another said when and how often they want to hear.

    It looks at indexes that have those users alone, so that a slice without any costs nothing more.
    """

    def among(column: InstrumentedAttribute[int]) -> tuple[ColumnElement[bool], ...]:
        return column > after, column <= upto

    return or_(
        exists().where(User.preferences.is_not(None), *among(User.id)),
        exists().where(User.snooze_until.is_not(None), *among(User.id)),
        exists().where(Subscription.pace.is_not(None), *among(Subscription.user_id)),
    )


def insert_waiting(
    session: Session,
    post_id: int,
    rows: Sequence[Matched],
    waits: Mapping[int, Wait],
    *,
    now: datetime,
    **same: Any,
) -> None:
    """Insert the notifications of users who have to wait; those that are there already stay as they are."""
    values = [{"user_id": row.user_id, "keyword_id": row.keyword_id, **_columns(waits[row.user_id])} for row in rows]
    types = {name: Notification.__table__.c[name].type for name in values[0]}
    statement = insert_from(
        session, Notification, given(session, "waiting", values, types), post_id=post_id, created_at=now, **same
    )
    session.execute(statement.on_conflict_do_nothing(index_elements=[Notification.post_id, Notification.user_id]))


def _columns(wait: Wait) -> dict[str, Any]:
    return {
        "status": "skipped" if wait.inbox_only else "pending",
        "next_attempt_at": wait.at,
        "reason": wait.reason,
        "deferred": None if wait.inbox_only else wait.reason,
    }


FORM_AGAIN: Mapping[str, Any] = {
    "deferred": case((Notification.digest_id.is_not(None), "digest")),
    "digest_id": None,
}
"""Values that take notifications out of the digest that they were in, to be told in another one."""


def persons(session: Session, user_ids: Collection[int], *, lock: bool = True) -> dict[int, Person]:
    """What is known of some users, who change nothing of it before the caller's transaction is over, if locked."""
    query = (
        select(User.id, User.preferences, User.timezone, User.snooze_until, User.paused)
        .where(looked_up(session, User.id, "asked", sorted(user_ids), BigInteger()))
        .order_by(User.id)
    )
    rows = session.execute(query.with_for_update(read=True) if lock else query)
    return {
        user_id: Person(preferences=preferences, timezone=timezone, snooze_until=snooze_until, paused=paused)
        for user_id, preferences, timezone, snooze_until, paused in rows
    }


def pushed_since(session: Session, since: Mapping[int, datetime], *, but_for: str = "") -> dict[int, int]:
    """How many pushes users got since a moment of their own, a digest counted as one, with those under way.

    but_for: the token of a claim whose notifications are not counted.
    """
    given_users = given(
        session,
        "capped",
        [{"user_id": user_id, "since": at} for user_id, at in sorted(since.items())],
        {"user_id": BigInteger(), "since": UTCDateTime()},
    )
    pushes = (
        select(func.count(func.distinct(func.coalesce(-Notification.digest_id, Notification.id))))
        .where(
            Notification.user_id == given_users.c.user_id,
            or_(
                and_(Notification.status == "sent", Notification.sent_at >= given_users.c.since),
                and_(Notification.status == "sending", Notification.lease_token != but_for),
            ),
        )
        .correlate(given_users)
        .scalar_subquery()
    )
    return dict(session.execute(select(given_users.c.user_id, pushes)).all())


def lock(session: Session, user_ids: Collection[int]) -> None:
    """Let one transaction at a time count the pushes of these users. What refers to them may be added meanwhile."""
    rows = select(User.id).where(User.id.in_(sorted(user_ids))).order_by(User.id).with_for_update(key_share=True)
    session.execute(rows).all()


@dataclass(frozen=True, kw_only=True)
class Deferred:
    """A notification that waits for its user's time, and that no digest was made of."""

    id: int
    created_at: datetime
    ttl_s: int
    urgent: bool
    # The liveliest of the subscriptions by which it came.
    pace: str | None


def waiting(session: Session, user_id: int) -> list[Deferred]:
    """What waits for a user's time, locked; what somebody is making a digest of at this moment is left out."""
    pace = (
        select(func.min(PACE_RANK))
        .where(
            Subscription.user_id == Notification.user_id,
            or_(Subscription.keyword_id == Notification.keyword_id, Subscription.keyword_id.is_(None)),
            or_(Subscription.site_id == Post.site_id, Subscription.site_id.is_(None)),
        )
        .correlate(Notification, Post)
        .scalar_subquery()
    )
    rows = session.execute(
        select(Notification.id, Notification.created_at, Site.ttl_s, Site.urgent, pace)
        .join(Post, Post.id == Notification.post_id)
        .join(Site, Site.id == Post.site_id)
        .where(
            Notification.user_id == user_id,
            Notification.status == "pending",
            Notification.deferred.is_not(None),
            Notification.digest_id.is_(None),
        )
        .order_by(Notification.id)
        .with_for_update(of=Notification, skip_locked=True)
    )
    return [
        Deferred(id=number, created_at=at, ttl_s=ttl_s, urgent=urgent, pace=PACE_OF_RANK.get(rank))
        for number, at, ttl_s, urgent, rank in rows
    ]


def those_waiting(session: Session, user_ids: Collection[int]) -> list[int]:
    """Those of some users for whose time something waits, by itself or in a digest."""
    if not user_ids:
        return []
    asked = given_values(session, "asked", sorted(user_ids), BigInteger())
    by_itself = select(Notification.user_id).where(Notification.user_id.in_(asked), Notification.deferred.is_not(None))
    in_digest = select(Digest.user_id).where(Digest.user_id.in_(asked), Digest.closed_at.is_(None))
    return sorted(session.scalars(by_itself.union(in_digest)))


def retime(session: Session, waits: Mapping[int, Wait]) -> None:
    """Give notifications that wait for their user's time another time, or leave them to the inbox."""
    rows = [{"key": number, **_columns(wait)} for number, wait in sorted(waits.items())]
    if rows:
        names = [name for name in rows[0] if name != "key"]
        connection_of(session).execute(
            update(Notification)
            .where(Notification.id == bindparam("key"))
            .values({name: bindparam(name) for name in names}),
            rows,
        )


def wake_digests(session: Session, user_id: int, *, reasons: Sequence[str], now: datetime) -> None:
    """Have the digests that wait for a user's time ask again at once whether it has come."""
    session.execute(
        update(Notification)
        .where(
            Notification.user_id == user_id,
            Notification.status == "pending",
            Notification.deferred.is_(None),
            Notification.waits_for.is_(None),
            Notification.next_attempt_at > now,
            Notification.reason.in_(reasons),
        )
        .values(next_attempt_at=now, enqueued_at=None)
        .execution_options(synchronize_session=False)
    )
