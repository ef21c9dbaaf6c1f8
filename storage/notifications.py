"""Notifications: creating them slice by slice, finding those that are owed, and showing them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from storage import stories
from storage.deferring import FORM_AGAIN
from storage.errors import StorageError
from storage.json_table import given_values
from storage.matching import EVERYBODY, Hit, matching_users, window_end
from storage.models import Delivery, Keyword, Notification, Post, Site, User
from storage.serving import Ask, Served, serve, serve_story
from storage.stories import DROPPED, Elsewhere
from storage.waiting import is_held


class UnknownNotificationError(StorageError, LookupError):
    """There is no such notification of this user."""


Key = tuple[int, int]
"""What a notify_user message carries: (post id, user id)."""


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A slice of a fan-out: the users whose message is to be sent now, and where the next slice begins."""

    users: Sequence[int]
    cursor: int
    # How many users the slice matched, and whether there may be more after it.
    matched: int
    more: bool


def create_slice(
    session: Session,
    post_id: int,
    hit: Hit,
    *,
    after: int,
    size: int,
    now: datetime,
    ask: Ask = lambda _session, _paces: {},
    everybody: bool = False,
    unless: Hit | None = None,
    in_story: bool = False,
) -> Slice:
    """Insert the notification rows of the next `size` matching users after user id `after`.

    ask: about the users who said when and how often they want to hear; with `everybody`, about all. Those who have to
    wait get a row that says until when and why, and are sent for when that is over.
    Without those among them whom `unless` matches, which is what was found in the post before it was edited. Of a post
    that is a part of a story (`in_story`), those who have the story already get a row that is merged.

    Repeating a slice, because its fan-out died before the messages were out, inserts nothing and returns the users
    whose notification is still waiting, so that nobody is left out and nobody who was served is sent for again.
    """
    end, asks = window_end(session, hit, after=after, size=size)
    upto = EVERYBODY if end is None else end
    asks = asks or everybody
    matched = matching_users(session, hit, after=after, upto=upto, limit=size, timed=asks)
    count = len(matched)
    # A full slice ends with its last user. One that is not full has seen all users up to the end of its window.
    last = matched[-1].user_id if matched else after
    cursor = last if count == size or end is None else end
    more = count == size or end is not None
    if unless is not None:
        before = {row.user_id for row in matching_users(session, unless, after=after, upto=last)}
        matched = [row for row in matched if row.user_id not in before]
    if not matched:
        return Slice(users=(), cursor=cursor, matched=0, more=more)
    slice_ = Served(post_id=post_id, now=now, ask=ask if asks else None, everybody=everybody)
    waiting = serve_story(session, matched, slice_) if in_story else serve(session, matched, slice_)
    return Slice(users=sorted(waiting), cursor=cursor, matched=len(matched), more=more)


def due(session: Session, *, now: datetime, lost_before: datetime, limit: int) -> list[Key]:
    """Notifications that are owed and that no message is under way for, marked as enqueued now.

    These are: waiting ones whose time has come and that have no message, or whose message was sent before
    `lost_before`; and ones whose sender died with its lease.
    """
    owed = (
        select(Notification.id)
        .where(
            or_(
                and_(
                    Notification.status == "pending",
                    Notification.next_attempt_at <= now,
                    Notification.deferred.is_(None),
                    or_(Notification.enqueued_at.is_(None), Notification.enqueued_at < lost_before),
                ),
                and_(
                    Notification.status == "sending",
                    Notification.lease_until < now,
                    Notification.enqueued_at < lost_before,
                ),
            )
        )
        .order_by(Notification.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    keys = session.execute(
        update(Notification)
        .where(Notification.id.in_(owed))
        .values(enqueued_at=now)
        .returning(Notification.post_id, Notification.user_id)
        .execution_options(synchronize_session=False)
    )
    return sorted(keys)


FARTHEST_WAIT = timedelta(hours=2)
"""No attempt lies further ahead: a vendor is given an hour at most, and a tenth more (pipeline.push.outcome)."""


def bring_back(session: Session, *, now: datetime, lease: timedelta) -> int:
    """Mend the times that a clock wrote which was ahead and is right again; returns how many notifications had one.

    An attempt further ahead than any wait is due now, a claim that would last longer than a lease lasts one lease from
    now, and a message from the future is lost. What an operator holds, or what waits for its user's time, may lie as
    far ahead as it lives.
    """
    status, due, sent = Notification.status, Notification.next_attempt_at, Notification.enqueued_at
    mends: Sequence[tuple[ColumnElement[bool], dict[str, Any]]] = (
        (
            and_(
                status == "pending",
                due > now + FARTHEST_WAIT,
                ~is_held(),
                Notification.deferred.is_(None),
                Notification.digest_id.is_(None),
            ),
            {"next_attempt_at": now, "enqueued_at": None},
        ),
        (and_(status == "sending", Notification.lease_until > now + 2 * lease), {"lease_until": now + lease}),
        # One for each status: an index holds the rows of one.
        (and_(status == "pending", sent > now + lease), {"enqueued_at": now}),
        (and_(status == "sending", sent > now + lease), {"enqueued_at": now}),
    )
    moved = 0
    for is_wrong, right in mends:
        rows = update(Notification).where(is_wrong).values(right).returning(Notification.id)
        moved += len(session.scalars(rows.execution_options(synchronize_session=False)).all())
    return moved


def enqueued_at(session: Session, key: Key) -> datetime | None:
    """When the message of a notification was last sent."""
    return session.scalar(
        select(Notification.enqueued_at).where(Notification.post_id == key[0], Notification.user_id == key[1])
    )


@dataclass(frozen=True, kw_only=True)
class NotificationRow:
    """A notification with the words instead of the ids."""

    id: int
    post_id: int
    user: str
    site: str
    title: str
    url: str
    # Since when its page shows it no more.
    gone_at: datetime | None
    phrase: str | None
    status: str
    reason: str | None
    attempts: int
    created_at: datetime
    sent_at: datetime | None
    read_at: datetime | None
    opened_at: datetime | None
    dismissed_at: datetime | None
    story_id: int | None
    next_attempt_at: datetime
    # Why it waits for its user's time, and the digest that it is told in (storage.tables.delivery).
    deferred: str | None
    digest_id: int | None
    # The user's.
    timezone: str
    # "fcm delivered", "apns failed BadDeviceToken": one entry per device.
    devices: tuple[str, ...]
    # Where the same story stands too.
    also_on: tuple[Elsewhere, ...]


def listing(
    session: Session,
    *,
    user_id: int | None = None,
    user: str | None = None,
    post_id: int | None = None,
    notification_id: int | None = None,
    status: str | None = None,
    unread: bool = False,
    merged: bool = True,
    before: int | None = None,
    limit: int | None,
    with_devices: bool = True,
) -> list[NotificationRow]:
    """The newest notifications, with the outcome on each device unless nobody wants to know.

    Without `merged`, each story once. `user` is the app's id of a person. `before` is the id of the last one of the
    page before: pages stay what they are while new notifications come.
    """
    # Columns, not objects: an inbox has fifty rows, and most of its time went into making objects of them.
    columns = (
        Notification.id,
        Notification.post_id,
        User.external_id.label("user"),
        Site.name.label("site"),
        Post.title,
        Post.url,
        Post.gone_at,
        Keyword.text.label("phrase"),
        Notification.status,
        Notification.reason,
        Notification.attempts,
        Notification.created_at,
        Notification.sent_at,
        Notification.read_at,
        Notification.opened_at,
        Notification.dismissed_at,
        Notification.story_id,
        Notification.next_attempt_at,
        Notification.deferred,
        Notification.digest_id,
        User.timezone,
    )
    query = (
        select(*columns)
        .join(User, User.id == Notification.user_id)
        .join(Post, Post.id == Notification.post_id)
        .join(Site, Site.id == Post.site_id)
        .outerjoin(Keyword, Keyword.id == Notification.keyword_id)
        .order_by(Notification.id.desc())
        .limit(limit)
    )
    if user_id is not None:
        query = query.where(Notification.user_id == user_id)
    if user is not None:
        # Not as a condition on the joined user: then the planner does not know that it is one, and sorts all of theirs.
        person = aliased(User)
        theirs = select(person.id).where(person.external_id == user).scalar_subquery()
        query = query.where(Notification.user_id == theirs)
    if post_id is not None:
        query = query.where(Notification.post_id == post_id)
    if notification_id is not None:
        query = query.where(Notification.id == notification_id)
    if status is not None:
        query = query.where(Notification.status == status)
    if unread:
        query = query.where(Notification.read_at.is_(None))
    if not merged:
        query = query.where(Notification.status != "merged")
    if before is not None:
        query = query.where(Notification.id < before)
    rows = session.execute(query).all()
    outcomes = _outcomes(session, [row.id for row in rows]) if with_devices else {}
    told = stories.elsewhere(session, {row.story_id for row in rows if row.story_id is not None})
    return [
        NotificationRow(
            **row._mapping,
            devices=tuple(outcomes.get(row.id, ())),
            also_on=tuple(each for each in told.get(row.story_id, ()) if each.post_id != row.post_id),
        )
        for row in rows
    ]


def _outcomes(session: Session, ids: Sequence[int]) -> dict[int, list[str]]:
    """What became of each notification on each device, in words."""
    found: dict[int, list[str]] = {}
    for delivery in session.scalars(select(Delivery).where(Delivery.notification_id.in_(ids)).order_by(Delivery.id)):
        words = [
            delivery.platform,
            delivery.status,
            delivery.code if delivery.status != "delivered" else None,
        ]
        found.setdefault(delivery.notification_id, []).append(" ".join(w for w in words if w))
    return found


def unread(session: Session, user_id: int) -> int:
    """The user's badge: how many notifications were sent and not read."""
    return (
        session.scalar(
            select(func.count()).where(
                Notification.user_id == user_id, Notification.status == "sent", Notification.read_at.is_(None)
            )
        )
        or 0
    )


def mark_read(
    session: Session, user_id: int, *, ids: Sequence[int] | None = None, upto: int | None = None, now: datetime
) -> int:
    """Mark a user's notifications as read, which lowers their badge; returns how many were unread.

    All of them, or those with the given ids, or those up to an id (what a list showed when the app asked).
    Ids of other people's notifications change nothing.
    """
    statement = update(Notification).where(Notification.user_id == user_id, Notification.read_at.is_(None))
    if ids is not None:
        statement = statement.where(Notification.id.in_(given_values(session, "ids", ids, BigInteger())))
    if upto is not None:
        statement = statement.where(Notification.id <= upto)
    read = session.scalars(
        statement.values(read_at=now).returning(Notification.id).execution_options(synchronize_session=False)
    )
    return len(read.all())


def of_user(session: Session, user_id: int, notification_id: int) -> Notification:
    """A notification of a user. Raises UnknownNotificationError when they have none of that id."""
    found = session.scalar(
        select(Notification).where(Notification.id == notification_id, Notification.user_id == user_id)
    )
    if found is None:
        raise UnknownNotificationError(f"there is no notification {notification_id} of this user")
    return found


_EVENTS: Mapping[str, Sequence[str]] = {
    "opened": ("opened_at", "read_at"),
    "dismissed": ("dismissed_at",),
    "read": ("read_at",),
    "unsubscribe": ("read_at",),
}
"""What a person does with a notification, and the columns that hold when it was first done."""


def record_event(session: Session, user_id: int, notification_id: int, event: str, *, now: datetime) -> None:
    """Remember what a person did with a notification, one of _EVENTS. The first time counts.

    Raises UnknownNotificationError for one that is not this user's.
    """
    if not _record(session, user_id, Notification.id == notification_id, _EVENTS[event], now):
        raise UnknownNotificationError(f"there is no notification {notification_id} of this user")


def record_digest_event(session: Session, user_id: int, digest_id: int, event: str, *, now: datetime) -> None:
    """Remember what a person did with a digest. Opening it reads nothing: it leads to the inbox.

    Raises UnknownNotificationError for one that is not this user's.
    """
    columns = ("opened_at",) if event == "opened" else _EVENTS[event]
    if not _record(session, user_id, Notification.digest_id == digest_id, columns, now):
        raise UnknownNotificationError(f"there is no digest {digest_id} of this user")


def _record(session: Session, user_id: int, which: ColumnElement[bool], columns: Sequence[str], now: datetime) -> bool:
    changed = session.scalars(
        update(Notification)
        .where(which, Notification.user_id == user_id)
        .values({name: func.coalesce(getattr(Notification, name), now) for name in columns})
        .returning(Notification.id)
        .execution_options(synchronize_session=False)
    )
    return bool(changed.all())


def redrive(session: Session, *, now: datetime) -> int:
    """Make failed notifications pending again and return how many; the next tick sends for them."""
    again = session.scalars(
        update(Notification)
        .where(Notification.status == "failed")
        .values(
            status="pending",
            attempts=0,
            next_attempt_at=now,
            enqueued_at=None,
            reason=None,
            waits_for=None,
            **FORM_AGAIN,
        )
        .returning(Notification.id)
        .execution_options(synchronize_session=False)
    ).all()
    session.execute(delete(Delivery).where(Delivery.notification_id.in_(again), Delivery.status == "failed"))
    return len(again)


def drop_pending(session: Session) -> int:
    """Skip all pending notifications and return how many."""
    dropped = session.scalars(
        update(Notification)
        .where(Notification.status == "pending")
        .values(status="skipped", reason=DROPPED, waits_for=None, deferred=None)
        .returning(Notification.id)
        .execution_options(synchronize_session=False)
    )
    return len(dropped.all())
