"""The claim on a batch of notifications, what a sender needs for it, and the record of what became of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, exists, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from storage.dialect import insert
from storage.models import Delivery, Device, Keyword, Notification, Post, Site, User
from storage.notifications import Key


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
class PostText:
    """What a message says of a post."""

    id: int
    site: str
    url: str
    title: str
    body: str
    ttl_s: int


@dataclass(frozen=True, kw_only=True)
class Target:
    """A device that a claimed notification has still to reach."""

    notification_id: int
    device_id: int
    platform: str
    token: str = field(repr=False)
    environment: str | None
    last_seen_at: datetime
    # Earlier attempts on this device.
    attempts: int


def claim(
    session: Session, keys: Collection[Key], *, token: str, now: datetime, lease_until: datetime
) -> list[Claimed]:
    """Claim those of the given notifications that are due and free, in one statement.

    What is sent, failed, skipped, not yet due, or in somebody else's hands is not in the answer: its message was a
    repeat. The rows are locked in the order of their ids and locked ones are passed over, so that two batches never
    wait for each other.
    """
    free = (
        select(Notification.id)
        .where(
            tuple_(Notification.post_id, Notification.user_id).in_(list(keys)),
            or_(
                and_(Notification.status == "pending", Notification.next_attempt_at <= now),
                and_(Notification.status == "sending", Notification.lease_until < now),
            ),
        )
        .order_by(Notification.id)
        .with_for_update(skip_locked=True)
    )
    claimed = session.scalars(
        update(Notification)
        .where(Notification.id.in_(free))
        .values(
            status="sending",
            lease_token=token,
            lease_until=lease_until,
            attempts=Notification.attempts + 1,
        )
        .returning(Notification.id)
        .execution_options(synchronize_session=False)
    ).all()
    if not claimed:
        return []
    unread = (
        select(Notification.user_id, func.count().label("unread"))
        .where(Notification.status == "sent", Notification.read_at.is_(None))
        .where(Notification.user_id.in_({user_id for _, user_id in keys}))
        .group_by(Notification.user_id)
        .subquery()
    )
    rows = session.execute(
        select(
            Notification.id,
            Notification.post_id,
            Notification.user_id,
            User.external_id.label("user"),
            Notification.attempts,
            Notification.created_at,
            Keyword.text.label("phrase"),
            func.coalesce(unread.c.unread, 0).label("unread"),
            exists()
            .where(Delivery.notification_id == Notification.id, Delivery.status == "delivered")
            .label("reached"),
        )
        .join(User, User.id == Notification.user_id)
        .outerjoin(Keyword, Keyword.id == Notification.keyword_id)
        .outerjoin(unread, unread.c.user_id == Notification.user_id)
        .where(Notification.id.in_(claimed))
        .order_by(Notification.id)
    )
    return [
        Claimed(
            id=row.id,
            post_id=row.post_id,
            user_id=row.user_id,
            user=row.user,
            attempts=row.attempts,
            created_at=row.created_at,
            phrase=row.phrase,
            badge=row.unread + 1,
            reached=row.reached,
        )
        for row in rows
    ]


def post_texts(session: Session, post_ids: Collection[int]) -> dict[int, PostText]:
    """What messages about the given posts say, by post id."""
    rows = session.execute(
        select(Post.id, Site.name, Post.url, Post.title, Post.body, Site.ttl_s)
        .join(Site, Site.id == Post.site_id)
        .where(Post.id.in_(post_ids))
    )
    return {
        post_id: PostText(id=post_id, site=site, url=url, title=title, body=body, ttl_s=ttl_s)
        for post_id, site, url, title, body, ttl_s in rows
    }


def targets(session: Session, notification_ids: Collection[int]) -> list[Target]:
    """The enabled devices of the claimed notifications' users, without those that are done already."""
    rows = session.execute(
        select(
            Notification.id,
            Device.id,
            Device.platform,
            Device.token,
            Device.environment,
            Device.last_seen_at,
            func.coalesce(Delivery.attempts, 0),
        )
        .join(Device, Device.user_id == Notification.user_id)
        .outerjoin(Delivery, and_(Delivery.notification_id == Notification.id, Delivery.device_id == Device.id))
        .where(
            Notification.id.in_(notification_ids),
            Device.disabled_at.is_(None),
            or_(Delivery.id.is_(None), Delivery.status == "retry"),
        )
        .order_by(Notification.id, Device.id)
    )
    return [
        Target(
            notification_id=notification_id,
            device_id=device_id,
            platform=platform,
            token=token,
            environment=environment,
            last_seen_at=last_seen_at,
            attempts=attempts,
        )
        for notification_id, device_id, platform, token, environment, last_seen_at, attempts in rows
    ]


@dataclass(frozen=True, kw_only=True)
class DeliveryRecord:
    """What became of one attempt on one device."""

    notification_id: int
    device_id: int
    platform: str
    # "retry", "delivered" or "failed".
    status: str
    attempts: int
    provider_id: str | None = None
    code: str | None = None
    detail: str | None = None


@dataclass(frozen=True, kw_only=True)
class NotificationRecord:
    """What becomes of a claimed notification."""

    id: int
    # "sent", "failed", "skipped", or "pending" again with a time.
    status: str
    next_attempt_at: datetime | None = None
    reason: str | None = None
    # A wait for a paused channel is nobody's failed attempt.
    counts: bool = True


def record(
    session: Session,
    *,
    token: str,
    notifications: Sequence[NotificationRecord],
    deliveries: Sequence[DeliveryRecord],
    now: datetime,
) -> set[int]:
    """Write the outcomes of a batch and return the ids of the notifications that were still ours.

    The outcomes of one whose lease went to somebody else are dropped: they are that one's to record.
    """
    held = set(
        session.scalars(
            select(Notification.id)
            .where(Notification.id.in_([n.id for n in notifications]), Notification.lease_token == token)
            .order_by(Notification.id)
            .with_for_update()
        )
    )
    rows = [d for d in deliveries if d.notification_id in held]
    if rows:
        _record_deliveries(session, rows, now)
    ours = [n for n in notifications if n.id in held]
    if ours:
        session.connection().execute(
            update(Notification)
            .where(Notification.id == bindparam("key"))
            .values(
                status=bindparam("new_status"),
                next_attempt_at=func.coalesce(bindparam("due"), Notification.next_attempt_at),
                enqueued_at=bindparam("enqueued"),
                reason=bindparam("why"),
                sent_at=bindparam("sent"),
                attempts=Notification.attempts - bindparam("uncounted"),
                lease_token=None,
                lease_until=None,
            ),
            [_notification_columns(n, now) for n in ours],
        )
    return held


def _notification_columns(notification: NotificationRecord, now: datetime) -> dict[str, Any]:
    return {
        "key": notification.id,
        "new_status": notification.status,
        "due": notification.next_attempt_at,
        # NULL: no message is under way for it; a short tick enqueues it when its time has come.
        "enqueued": None if notification.status == "pending" else now,
        "why": notification.reason,
        "sent": now if notification.status == "sent" else None,
        "uncounted": 0 if notification.counts else 1,
    }


def _record_deliveries(session: Session, rows: Sequence[DeliveryRecord], now: datetime) -> None:
    statement = insert(session, Delivery).values(
        [
            {
                "notification_id": row.notification_id,
                "device_id": row.device_id,
                "platform": row.platform,
                "status": row.status,
                "attempts": row.attempts,
                "provider_id": row.provider_id,
                "code": row.code,
                "detail": row.detail,
                "at": now,
            }
            for row in rows
        ]
    )
    new = statement.excluded
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[Delivery.notification_id, Delivery.device_id],
            set_={
                "status": new.status,
                "attempts": new.attempts,
                "provider_id": new.provider_id,
                "code": new.code,
                "detail": new.detail,
                "at": new.at,
            },
        )
    )


def disable_devices(session: Session, dead: Mapping[int, str], *, now: datetime) -> None:
    """Disable devices, by id, each with the vendor's reason."""
    for reason in sorted(set(dead.values())):
        session.execute(
            update(Device)
            .where(
                Device.id.in_([device_id for device_id, why in dead.items() if why == reason]),
                Device.disabled_at.is_(None),
            )
            .values(disabled_at=now, disabled_reason=reason)
        )


def remember_environments(session: Session, found: Mapping[int, str]) -> None:
    """Remember in which APNs environment a device's token turned out to live."""
    for environment in sorted(set(found.values())):
        ids = [device_id for device_id, name in found.items() if name == environment]
        session.execute(update(Device).where(Device.id.in_(ids)).values(environment=environment))
