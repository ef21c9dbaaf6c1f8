"""Digests: what has waited for a person's time goes as one message, in the name of one of its notifications.

That one, the lead, is claimed, sent and recorded like any other, and found again like any other when its message is
lost. The others point to the same digest and keep `deferred`, which no claim takes; they become what the lead becomes.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import BigInteger, Boolean, Row, and_, case, exists, false, func, select, true, update
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from storage import stories
from storage.json_table import Types, given, given_values, insert_from, looked_up
from storage.models import Digest, Notification, Subscription
from storage.types import UTCDateTime


@dataclass(frozen=True, kw_only=True)
class Formed:
    """Digests that were made of what is due."""

    digests: Sequence[int]
    # How many notifications were looked at: as many as were allowed when there may be more.
    notifications: int


def form(session: Session, *, now: datetime, limit: int) -> Formed:
    """Make digests of up to some `limit` deferred notifications whose time has come: one of all that a user has.

    A digest of one is sent as that post itself. What was tried before may be on a phone already: it goes alone, and
    so does not say it twice. Whoever is making digests at the same moment has locked what they take.
    """
    waits = and_(
        Notification.status == "pending",
        Notification.deferred.is_not(None),
        Notification.digest_id.is_(None),
        Notification.next_attempt_at <= now,
    )
    first = select(Notification.user_id).where(waits).order_by(Notification.next_attempt_at).limit(limit)
    users = session.scalars(first).all()
    if not users:
        return Formed(digests=(), notifications=0)
    rows = session.execute(
        select(Notification.id, Notification.user_id, Notification.attempts, Notification.next_attempt_at)
        .where(
            looked_up(session, Notification.user_id, "waiting", sorted(set(users)), BigInteger()),
            Notification.deferred.is_not(None),
            # A CASE, so that no other index fits: see storage.claims.
            case((waits, true()), else_=false()),
        )
        .order_by(Notification.id)
        .with_for_update(skip_locked=True)
    ).all()
    tried = [row.id for row in rows if row.attempts]
    fresh = sorted((row for row in rows if not row.attempts), key=lambda row: (row.user_id, row.id))
    groups = {user_id: list(group) for user_id, group in groupby(fresh, key=lambda row: row.user_id)}
    made = _insert(session, groups, now)
    if tried:
        _free(session, tried)
    members = [
        {"id": row.id, "digest_id": made[user_id], "lead": row is group[0]}
        for user_id, group in groups.items()
        if user_id in made
        for row in group
    ]
    _join(session, members, now)
    # A digest of this very window is there already, and may be on its way: what came late has a window of its own.
    late = [row.id for user_id, group in groups.items() if user_id not in made for row in group]
    if late:
        session.execute(
            update(Notification)
            .where(Notification.id.in_(given_values(session, "late", late, BigInteger())))
            .values(next_attempt_at=now)
            .execution_options(synchronize_session=False)
        )
    return Formed(digests=sorted(made.values()), notifications=len(users))


Due = Row[int, int, int, datetime]
"""Of a notification whose time has come: its id, user, attempts, and that time."""


def _insert(
    session: Session, groups: Mapping[int, Sequence[Row[int, int, int, datetime]]], now: datetime
) -> dict[int, int]:
    """One digest for each user; returns their ids by user, without those whose window had one."""
    rows = [
        {"user_id": user_id, "due_at": max(row.next_attempt_at for row in group), "lead_id": group[0].id}
        for user_id, group in groups.items()
    ]
    if not rows:
        return {}
    types: Types = {"user_id": BigInteger(), "due_at": UTCDateTime(), "lead_id": BigInteger()}
    statement = insert_from(session, Digest, given(session, "digests_due", rows, types), created_at=now)
    return dict(
        session.execute(
            statement.on_conflict_do_nothing(index_elements=[Digest.user_id, Digest.due_at]).returning(
                Digest.user_id, Digest.id
            )
        ).all()
    )


_MEMBER: Types = {"id": BigInteger(), "digest_id": BigInteger(), "lead": Boolean()}


def _join(session: Session, members: Sequence[Mapping[str, object]], now: datetime) -> None:
    if not members:
        return
    new = given(session, "members", members, _MEMBER)
    session.execute(
        update(Notification)
        .where(Notification.id == new.c.id)
        .values(
            digest_id=new.c.digest_id,
            deferred=case((new.c.lead, None), else_=Notification.deferred),
            enqueued_at=case((new.c.lead, now), else_=Notification.enqueued_at),
        )
        .execution_options(synchronize_session=False)
    )


def _free(session: Session, ids: Collection[int]) -> None:
    """Let notifications be found as due, each by itself."""
    session.execute(
        update(Notification)
        .where(looked_up(session, Notification.id, "free", sorted(ids), BigInteger()))
        .values(deferred=None, enqueued_at=None)
        .execution_options(synchronize_session=False)
    )


def leads(session: Session, digest_ids: Collection[int]) -> dict[int, tuple[int, int]]:
    """The post and the user of the notification in whose name each digest is sent: what claims and sends it."""
    rows = session.execute(
        select(Digest.id, Notification.post_id, Notification.user_id)
        .join(Notification, Notification.id == Digest.lead_id)
        .where(looked_up(session, Digest.id, "asked", digest_ids, BigInteger()))
    )
    return {digest_id: (post_id, user_id) for digest_id, post_id, user_id in rows}


@dataclass(frozen=True, kw_only=True)
class Member:
    """One notification of a digest."""

    id: int
    post_id: int
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a digest tells of: in the order of its user's subscriptions, the oldest post first."""

    id: int
    members: Sequence[Member]


def contents(session: Session, digest_ids: Collection[int]) -> dict[int, Content]:
    """The digests of these ids, by the id of the notification in whose name each is sent."""
    rank = (
        select(func.min(Subscription.id))
        .where(Subscription.user_id == Notification.user_id, Subscription.keyword_id == Notification.keyword_id)
        .scalar_subquery()
    )
    found: dict[tuple[int, int], list[Member]] = {}
    rows = session.execute(
        select(Digest.id, Digest.lead_id, Notification.id, Notification.post_id, Notification.created_at)
        .join(Notification, Notification.digest_id == Digest.id)
        .where(looked_up(session, Digest.id, "asked", digest_ids, BigInteger()), Notification.status != "skipped")
        .order_by(Digest.id, rank.nulls_last(), Notification.id)
    )
    for digest_id, lead_id, number, post_id, created_at in rows:
        member = Member(id=number, post_id=post_id, created_at=created_at)
        found.setdefault((digest_id, lead_id), []).append(member)
    return {lead_id: Content(id=digest_id, members=each) for (digest_id, lead_id), each in found.items()}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a digest's lead, and so of the others."""

    digest_id: int
    status: str
    reason: str | None
    # Members that were too old to be told of.
    expired: Sequence[int] = ()


def close(session: Session, outcomes: Sequence[Outcome], *, now: datetime) -> None:
    """Let the notifications of digests become what their leads became."""
    expired = [number for outcome in outcomes for number in outcome.expired]
    if expired:
        _finish(session, Notification.id, expired, status="skipped", reason="too old", now=now)
    results = sorted({(o.status, o.reason or "") for o in outcomes})
    for status, reason in results:
        ids = [o.digest_id for o in outcomes if (o.status, o.reason or "") == (status, reason)]
        _finish(session, Notification.digest_id, ids, status=status, reason=reason or None, now=now)
    session.execute(
        update(Digest)
        .where(looked_up(session, Digest.id, "closed", [o.digest_id for o in outcomes], BigInteger()))
        .values(closed_at=now)
        .execution_options(synchronize_session=False)
    )


def _finish(
    session: Session,
    column: InstrumentedAttribute[Any],
    ids: Sequence[int],
    *,
    status: str,
    reason: str | None,
    now: datetime,
) -> None:
    session.execute(
        update(Notification)
        .where(
            looked_up(session, column, "ended", ids, BigInteger()),
            # Its lead was recorded by itself; one that failed with a lead that is tried once more is sent with it.
            case(
                (Notification.status == "pending", Notification.deferred.is_not(None)),
                else_=Notification.status == "failed",
            ),
        )
        .values(
            status=status,
            reason=reason,
            deferred=None,
            sent_at=now if status == "sent" else None,
            enqueued_at=now,
        )
        .execution_options(synchronize_session=False)
    )
    if status != "sent":
        stories.hand_on(session, column.in_(given_values(session, "ended", ids, BigInteger())), now=now)


GRACE = timedelta(minutes=5)
"""A younger digest is nobody's orphan."""


def mend(session: Session, *, now: datetime) -> int:
    """Give digests whose lead is gone, with its site perhaps, or was dropped, another lead; returns how many.

    One that nobody waits in any more is closed.
    """
    lead = aliased(Notification)
    lost = session.execute(
        select(Digest.id, Digest.lead_id)
        .where(
            Digest.closed_at.is_(None),
            Digest.created_at < now - GRACE,
            ~exists().where(lead.id == Digest.lead_id, lead.status.in_(("pending", "sending"))),
        )
        .with_for_update(skip_locked=True)
    ).all()
    if not lost:
        return 0
    ids = [row.id for row in lost]
    heirs = dict(
        session.execute(
            select(Notification.digest_id, func.min(Notification.id))
            .where(
                Notification.digest_id.in_(given_values(session, "orphans", ids, BigInteger())),
                Notification.status == "pending",
            )
            .group_by(Notification.digest_id)
        ).all()
    )
    for digest_id, heir in heirs.items():
        session.execute(update(Digest).where(Digest.id == digest_id).values(lead_id=heir))
    _free(session, list(heirs.values()))
    orphans = [number for number in ids if number not in heirs]
    session.execute(
        update(Digest)
        .where(Digest.id.in_(given_values(session, "closed", orphans, BigInteger())))
        .values(closed_at=now)
        .execution_options(synchronize_session=False)
    )
    return len(heirs)
