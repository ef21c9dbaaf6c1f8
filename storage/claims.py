"""The claim on a batch of notifications: what a sender takes for itself until its lease ends."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, and_, bindparam, case, false, func, literal_column, or_, select, true, tuple_, update
from sqlalchemy.orm import Session, aliased

from storage.clock import TOLERANCE
from storage.deferring import Person, persons
from storage.dialect import connection_of, is_sqlite, only_by_index, row_by_row
from storage.json_table import as_rows, as_values, is_among, looked_up, table_of, values_of
from storage.models import Delivery, Keyword, Notification, User
from storage.notifications import Key


# Not frozen, as one is made for each message: to set the fields of frozen ones takes three times as long.
@dataclass(kw_only=True)
class Claimed:
    """A notification whose sending is ours until the lease ends."""

    id: int
    post_id: int
    user_id: int
    user: str
    attempts: int
    created_at: datetime
    phrase: str | None
    badge: int
    # Whether an earlier attempt reached one of the user's devices.
    reached: bool
    # Its user, where something was said of when they want to hear; None: nothing.
    person: Person | None = None
    # The digest that it is told in.
    digest_id: int | None = None
    # It is sent already, and what is shown of it is to be replaced by this version of its post's text, or a later one.
    to_show: int | None = None


_AT = Notification.created_at.type


_SENT: Any = literal_column("'sent'")
"""Written out: PostgreSQL keeps a statement's plan, and for a parameter none that reads a partial index."""


@lru_cache
def _claim(*, sqlite: bool) -> Any:
    wanted = table_of("wanted", {"post_id": BigInteger(), "user_id": BigInteger()}, sqlite=sqlite)
    at, soon, until = (bindparam(name, type_=_AT) for name in ("at", "soon", "until"))
    is_free = case(
        (
            Notification.status == "pending",
            and_(Notification.next_attempt_at <= soon, Notification.deferred.is_(None)),
        ),
        (Notification.status == "sending", Notification.lease_until < at),
        (
            and_(Notification.status == "sent", Notification.to_show.is_not(None)),
            and_(
                Notification.next_attempt_at <= soon,
                or_(Notification.lease_until.is_(None), Notification.lease_until < at),
            ),
        ),
        else_=false(),
    )
    # A CASE, so that no partial index fits: those are empty by statistics that were taken while nothing waited.
    free = select(Notification.id).where(is_free).with_for_update(skip_locked=True)
    if sqlite:
        pair = tuple_(Notification.post_id, Notification.user_id)
        free = free.where(pair.in_(select(wanted.c.post_id, wanted.c.user_id)))
    else:
        theirs = and_(Notification.post_id == wanted.c.post_id, Notification.user_id == wanted.c.user_id)
        each = row_by_row(free.where(theirs).correlate(wanted), "free")
        free = select(each.c.id).select_from(wanted.join(each, true()))
    is_sent = Notification.status == "sent"
    return (
        update(Notification)
        .where(is_among(Notification.id, free, sqlite=sqlite))
        .values(
            status=case((is_sent, "sent"), else_="sending"),
            lease_token=bindparam("by"),
            lease_until=until,
            attempts=Notification.attempts + case((is_sent, 0), else_=1),
        )
    )


_TOLD = tuple(
    Notification.__table__.c[name]
    for name in (
        *("id", "post_id", "user_id", "keyword_id", "status", "attempts"),
        *("created_at", "digest_id", "to_show"),
    )
)


@lru_cache
def _details(*, sqlite: bool) -> Any:
    """What is claimed, on PostgreSQL with the claim itself in the same statement."""
    ours: Any = Notification.__table__ if sqlite else _claim(sqlite=False).returning(*_TOLD).cte("claimed")
    others = aliased(Notification)
    unread = (
        select(func.count())
        .where(others.user_id == ours.c.user_id, others.status == _SENT, others.read_at.is_(None))
        .scalar_subquery()
    )
    reached = (
        select(Delivery.id)
        .where(Delivery.notification_id == ours.c.id, Delivery.status == "delivered")
        .limit(1)
        .scalar_subquery()
    )
    phrase = select(Keyword.text).where(Keyword.id == ours.c.keyword_id).scalar_subquery()
    owner = User.id == ours.c.user_id
    user = User if sqlite else aliased(User, row_by_row(select(User).where(owner).correlate(ours), "owner"))
    details = (
        select(
            ours.c.id,
            ours.c.post_id,
            ours.c.user_id,
            user.external_id.label("user"),
            ours.c.attempts,
            ours.c.created_at,
            phrase.label("phrase"),
            unread.label("unread"),
            reached.is_not(None).label("reached"),
            ours.c.digest_id,
            case((ours.c.status == "sent", ours.c.to_show)).label("to_show"),
            or_(user.preferences.is_not(None), user.snooze_until.is_not(None), user.paused).label("said"),
        )
        .select_from(ours)
        .join(user, owner if sqlite else true())
        .order_by(ours.c.id)
    )
    return details.where(ours.c.id.in_(values_of("claimed", BigInteger(), sqlite=True))) if sqlite else details


def claim(
    session: Session,
    keys: Collection[Key],
    *,
    token: str,
    now: datetime,
    lease_until: datetime,
    everybody: bool = False,
) -> list[Claimed]:
    """Claim those of the given notifications that are due and free, in one statement.

    Due is also what is sent and is to replace what is shown: it stays sent. What else is sent, failed, skipped, not yet
    due, or in somebody else's hands is not in the answer: its message was a repeat. Nor is what waits for its user's
    time: a digest is made of that first (storage.digests). The rows are locked in the order of their ids and locked
    ones are passed over, so that two batches never wait for each other.
    everybody: with what is known of all users, also of those who said nothing.
    """
    only_by_index(session)
    sqlite, connection = is_sqlite(session), connection_of(session)
    wanted = as_rows([{"post_id": post_id, "user_id": user_id} for post_id, user_id in keys], sqlite=sqlite)
    moments = {"at": now, "soon": now + TOLERANCE, "until": lease_until}
    claim = {"wanted": wanted, "by": token, **moments}
    if sqlite:
        claimed = connection.scalars(_claim(sqlite=True).returning(Notification.id), claim).all()
        claim = {"claimed": as_values(claimed)}
    rows = connection.execute(_details(sqlite=sqlite), claim).all()
    asked = {user_id for _, _, user_id, *_, said in rows if everybody or said}
    people = persons(session, asked, lock=False) if asked else {}
    return [
        Claimed(
            id=id_,
            post_id=post_id,
            user_id=user_id,
            user=user,
            attempts=attempts,
            created_at=created_at,
            phrase=phrase,
            badge=unread + 1,
            reached=reached,
            digest_id=digest_id,
            to_show=to_show,
            person=people.get(user_id),
        )
        for id_, post_id, user_id, user, attempts, created_at, phrase, unread, reached, digest_id, to_show, _ in rows
    ]


def renew(session: Session, ids: Collection[int], *, token: str, lease_until: datetime) -> set[int]:
    """Let those of the claimed notifications that are still ours be so until a time; returns which they are."""
    return set(
        session.scalars(
            update(Notification)
            .where(
                looked_up(session, Notification.id, "claimed", ids, BigInteger()),
                Notification.status.in_(("sending", "sent")),
                Notification.lease_token == token,
            )
            .values(lease_until=lease_until)
            .returning(Notification.id)
            .execution_options(synchronize_session=False)
        )
    )
