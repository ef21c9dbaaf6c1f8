"""With which message a paused channel is tried: whether it is well again must not depend on one odd device."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from storage.models import ChannelState, Delivery, Device, Notification
from storage.waiting import fault_of, is_woken_by

MOST_REFUSED = 100
"""Refused devices that are looked at, to find the one that was tried least recently."""


def take_probe(session: Session, name: str, *, now: datetime, until: datetime) -> bool:
    """Whether the caller may try a paused channel whose time is over with one message; meanwhile the pause goes on.

    The usual word is a circuit breaker that is half-open.
    """
    taken = session.scalar(
        update(ChannelState)
        .where(ChannelState.name == name, ChannelState.paused_until <= now)
        .values(paused_until=until)
        .returning(ChannelState.name)
    )
    return taken is not None


def _candidates(name: str, *conditions: ColumnElement[bool]) -> Any:
    """What waits for a channel, with a device that is still to be reached over it."""
    return (
        select(Notification.id, Device.id.label("device"))
        .join(Device, Device.user_id == Notification.user_id)
        .outerjoin(Delivery, and_(Delivery.notification_id == Notification.id, Delivery.device_id == Device.id))
        .where(
            is_woken_by(fault_of(name)),
            Device.platform == name,
            # What waits for its user's time is no probe.
            Notification.deferred.is_(None),
            Device.disabled_at.is_(None),
            or_(Delivery.id.is_(None), Delivery.status == "retry"),
            *conditions,
        )
    )


def _last_tried() -> Any:
    return select(func.max(Delivery.at)).where(Delivery.device_id == Device.id).correlate(Device).scalar_subquery()


def probe_device(session: Session, name: str, *, at_hand: Collection[int]) -> int | None:
    """With which device a paused channel is to be tried now; at_hand: the refused devices that the caller could take.

    One that was not refused, if any waits; else the one that was tried least recently: never the same one again while
    another could say something else.
    """
    unrefused = session.execute(_candidates(name, Device.refused_code.is_(None)).limit(1)).first()
    if unrefused is not None:
        return int(unrefused.device)
    refused = _candidates(name).with_only_columns(Device.id).order_by(None).limit(MOST_REFUSED)
    return session.scalar(
        select(Device.id)
        .where(or_(Device.id.in_(refused), Device.id.in_(sorted(at_hand))))
        .order_by(_last_tried().asc().nulls_first(), Device.id)
        .limit(1)
    )


def send_probe(session: Session, name: str, *, now: datetime) -> tuple[int, int] | None:
    """Make due what a paused channel whose time is over is to be tried with; its key, marked as enqueued now."""
    device = probe_device(session, name, at_hand=())
    if device is None:
        return None
    chosen = session.scalar(
        _candidates(name, Device.id == device).with_only_columns(Notification.id).order_by(Notification.id).limit(1)
    )
    if chosen is None:
        return None
    session.execute(
        update(Delivery)
        .where(Delivery.notification_id == chosen, Delivery.device_id == device)
        .values(next_attempt_at=None)
    )
    row = session.execute(
        update(Notification)
        .where(Notification.id == chosen, Notification.status == "pending")
        .values(next_attempt_at=now, enqueued_at=now)
        .returning(Notification.post_id, Notification.user_id)
    ).one_or_none()
    return None if row is None else (row.post_id, row.user_id)


def to_probe(session: Session, *, now: datetime) -> Sequence[str]:
    """The channels whose pause has lasted long enough to be tried with a message."""
    return session.scalars(
        select(ChannelState.name).where(ChannelState.paused_until <= now).order_by(ChannelState.name)
    ).all()
