"""Notifications as people see them: lists and inboxes, what is unread, and what a person did with one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, func, select, update
from sqlalchemy.orm import Session, aliased

from storage import stories
from storage.errors import StorageError
from storage.json_table import given_values
from storage.models import Delivery, Keyword, Notification, Post, Site, User
from storage.stories import Elsewhere


class UnknownNotificationError(StorageError, LookupError):
    """There is no such notification of this user."""


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


_NAMED: Mapping[str, Any] = {
    "user": User.external_id,
    "site": Site.name,
    "title": Post.title,
    "url": Post.url,
    "gone_at": Post.gone_at,
    "phrase": Keyword.text,
    "timezone": User.timezone,
}
"""Fields of a NotificationRow that are columns of other tables."""
_COLUMNS = tuple(
    (_NAMED[each.name] if each.name in _NAMED else getattr(Notification, each.name)).label(each.name)
    for each in fields(NotificationRow)
    if each.name not in {"devices", "also_on"}
)


def listing(
    session: Session,
    *which: ColumnElement[bool],
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
    """The newest notifications that meet the conditions, with the outcome on each device unless nobody wants to know.

    Without `merged`, each story once. `user` is the app's id of a person. `before` is the id of the last one of the
    page before: pages stay what they are while new notifications come.
    """
    # Columns, not objects: an inbox has fifty rows, and most of its time went into making objects of them.
    query = (
        select(*_COLUMNS)
        .join(User, User.id == Notification.user_id)
        .join(Post, Post.id == Notification.post_id)
        .join(Site, Site.id == Post.site_id)
        .outerjoin(Keyword, Keyword.id == Notification.keyword_id)
        .where(*which)
        .order_by(Notification.id.desc())
        .limit(limit)
    )
    given = {"user_id": user_id, "post_id": post_id, "id": notification_id, "status": status}
    query = query.where(*(getattr(Notification, name) == value for name, value in given.items() if value is not None))
    if user is not None:
        # Not as a condition on the joined user: then the planner does not know that it is one, and sorts all of theirs.
        person = aliased(User)
        theirs = select(person.id).where(person.external_id == user).scalar_subquery()
        query = query.where(Notification.user_id == theirs)
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
