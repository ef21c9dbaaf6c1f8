"""Phones without a login: the anonymous user each gets, and how a login joins that user to a known one later."""

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, aliased

from storage import stories
from storage.errors import StorageError
from storage.models import Delivery, Device, Installation, Notification, Subscription, User

ANONYMOUS = "anonymous-"
"""How the external ids of anonymous users begin."""


class InstallationError(StorageError, ValueError):
    """An installation that cannot be used or joined, with the reason."""


@dataclass(frozen=True, kw_only=True)
class Joined:
    """What a known user took over from an anonymous one."""

    devices: int
    subscriptions: int
    notifications: int


def add(session: Session, *, secret_hash: str, timezone: str, now: datetime) -> User:
    """Make an anonymous user for a phone that holds the secret of this hash."""
    user = User(external_id=f"{ANONYMOUS}{uuid4().hex}", timezone=timezone, created_at=now)
    session.add(user)
    session.flush()
    session.add(Installation(user_id=user.id, secret_hash=secret_hash, created_at=now))
    session.flush()
    return user


def owner(session: Session, secret_hash: str) -> User | None:
    """Whose installation the secret of this hash is."""
    return session.scalar(
        select(User).join(Installation, Installation.user_id == User.id).where(Installation.secret_hash == secret_hash)
    )


def claim(session: Session, secret_hash: str, user_id: int) -> Joined:
    """Join an installation's anonymous user to a known one, who keeps devices, subscriptions and inbox of both.

    Doing it again changes nothing. Raises InstallationError for an unknown secret, and for an installation that was
    claimed by somebody else: what one person subscribed to is not the next one's.
    """
    found = owner(session, secret_hash)
    if found is None:
        raise InstallationError("this installation is not known: make a new one with POST /v1/installations")
    if found.id == user_id:
        return Joined(devices=0, subscriptions=0, notifications=0)
    # In the order of their ids, so that two claims that cross do not wait for each other for ever.
    session.execute(select(User.id).where(User.id.in_([found.id, user_id])).order_by(User.id).with_for_update())
    if not found.external_id.startswith(ANONYMOUS):
        raise InstallationError("this installation belongs to another user already: make a new one for this login")
    joined = Joined(
        devices=_move_devices(session, found.id, user_id),
        subscriptions=_move_subscriptions(session, found.id, user_id),
        notifications=_move_notifications(session, found.id, user_id),
    )
    session.execute(update(Installation).where(Installation.user_id == found.id).values(user_id=user_id))
    session.execute(delete(User).where(User.id == found.id))
    session.expire_all()
    return joined


def _move_devices(session: Session, old: int, new: int) -> int:
    theirs = aliased(Device)
    # The same copy of the app, from an earlier login: the phone in the hand counts.
    session.execute(
        delete(Device).where(
            Device.user_id == new,
            Device.installation.in_(
                select(theirs.installation).where(theirs.user_id == old, theirs.installation.is_not(None))
            ),
        ),
        execution_options={"synchronize_session": False},
    )
    moved = session.scalars(update(Device).where(Device.user_id == old).values(user_id=new).returning(Device.id))
    return len(moved.all())


def _move_subscriptions(session: Session, old: int, new: int) -> int:
    has = aliased(Subscription)
    moved = session.scalars(
        update(Subscription)
        .where(
            Subscription.user_id == old,
            ~select(has.id)
            .where(
                has.user_id == new,
                has.keyword_id.is_not_distinct_from(Subscription.keyword_id),
                has.site_id.is_not_distinct_from(Subscription.site_id),
            )
            .exists(),
        )
        .values(user_id=new)
        .returning(Subscription.id)
        .execution_options(synchronize_session=False)
    )
    return len(moved.all())


def _move_notifications(session: Session, old: int, new: int) -> int:
    theirs = aliased(Notification)
    both = session.execute(
        select(Notification.id, theirs.id)
        .join(theirs, theirs.post_id == Notification.post_id)
        .where(Notification.user_id == old, theirs.user_id == new)
    ).all()
    # Both were owed the post: what the phone showed already counts for the notification that stays.
    for mine, kept in both:
        session.execute(update(Delivery).where(Delivery.notification_id == mine).values(notification_id=kept))
    stories.merge_into(session, old, new)
    moved = session.scalars(
        update(Notification)
        .where(Notification.user_id == old, Notification.id.not_in([mine for mine, _ in both]))
        # Messages that wait carry the old user's id and will find nothing: the next tick sends new ones.
        .values(user_id=new, enqueued_at=None)
        .returning(Notification.id)
        .execution_options(synchronize_session=False)
    )
    return len(moved.all())
