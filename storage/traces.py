"""What became of a post: its notifications, counted."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from storage.models import Delivery, Keyword, Notification


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What became of a post's notifications, counted in the database, because there may be a hundred thousand."""

    statuses: Mapping[str, int]
    # None: users who follow the whole site.
    phrases: Mapping[str | None, int]
    # "fcm delivered", "apns failed BadDeviceToken": devices with this outcome.
    devices: Mapping[str, int]


def trace(session: Session, post_id: int) -> Trace:
    """What became of a post's notifications."""
    statuses = session.execute(
        select(Notification.status, func.count())
        .where(Notification.post_id == post_id)
        .group_by(Notification.status)
        .order_by(Notification.status)
    )
    phrases = session.execute(
        select(Keyword.text, func.count())
        .select_from(Notification)
        .outerjoin(Keyword, Keyword.id == Notification.keyword_id)
        .where(Notification.post_id == post_id)
        .group_by(Keyword.text)
        .order_by(func.count().desc(), Keyword.text)
    )
    code = case((Delivery.status != "delivered", Delivery.code))
    devices = session.execute(
        select(Delivery.platform, Delivery.status, code, func.count())
        .join(Notification, Notification.id == Delivery.notification_id)
        .where(Notification.post_id == post_id)
        .group_by(Delivery.platform, Delivery.status, code)
        .order_by(func.count().desc())
    )
    return Trace(
        statuses=dict(statuses.all()),
        phrases=dict(phrases.all()),
        devices={" ".join(word for word in row[:3] if word): row[3] for row in devices},
    )
