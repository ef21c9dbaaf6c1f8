"""Push channels that are paused: shared by all senders, and kept over restarts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from storage.deferring import FORM_AGAIN
from storage.dialect import insert
from storage.models import ChannelState, Delivery, Device, Notification
from storage.waiting import fault_of, is_woken_by, wake, words


@dataclass(frozen=True, kw_only=True)
class Resumed:
    """What opening a channel set free."""

    code: str
    # Devices that had been disabled for the reason of the pause, and are not any more.
    devices: int
    # Notifications that waited for the channel and are due now.
    notifications: int


def pause(session: Session, name: str, *, code: str, reason: str, now: datetime, until: datetime) -> None:
    """Pause a channel until a time; one that is paused already keeps the moment at which its pause began."""
    statement = insert(session, ChannelState).values(
        name=name, paused_at=now, paused_until=until, code=code, reason=reason
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[ChannelState.name], set_={"paused_until": until, "code": code, "reason": reason}
        )
    )


def bring_back(session: Session, *, now: datetime, farthest: timedelta) -> int:
    """Let no pause last longer than it may: its clock was ahead. Returns how many channels are tried at once."""
    rows = update(ChannelState).where(ChannelState.paused_until > now + farthest).values(paused_until=now)
    return len(session.scalars(rows.returning(ChannelState.name)).all())


def restore(session: Session, name: str, *, code: str, since: datetime, due: datetime) -> int:
    """Undo what a channel's fault did to devices since a moment; returns how many are enabled again.

    Devices that were disabled with this code get their token's life back, and their users' notifications that failed
    or were skipped because of it are pending again, due at a time.
    """
    restored = session.execute(
        update(Device)
        .where(Device.platform == name, Device.disabled_reason == code, Device.disabled_at >= since)
        .values(disabled_at=None, disabled_reason=None)
        .returning(Device.id, Device.user_id)
        .execution_options(synchronize_session=False)
    ).all()
    if not restored:
        return 0
    failed = session.scalars(
        update(Delivery)
        .where(
            Delivery.device_id.in_([device_id for device_id, _ in restored]),
            Delivery.code == code,
            Delivery.status == "failed",
            Delivery.at >= since,
        )
        .values(status="retry", attempts=0, next_attempt_at=None)
        .returning(Delivery.notification_id)
        .execution_options(synchronize_session=False)
    ).all()
    nobody = (
        Notification.user_id.in_({user_id for _, user_id in restored}),
        Notification.status == "skipped",
        Notification.reason == NO_DEVICE,
        Notification.created_at >= since,
    )
    for which in ((Notification.id.in_(failed), Notification.status.in_(("failed", "sent"))), nobody):
        session.execute(
            update(Notification)
            .where(*which)
            .values(
                status="pending",
                attempts=0,
                next_attempt_at=due,
                enqueued_at=None,
                waits_for=fault_of(name),
                reason=words(fault_of(name), code),
                # What no device was there for is told anew; what one device was told stays what it was.
                **(FORM_AGAIN if which is nobody else {}),
            )
            .execution_options(synchronize_session=False)
        )
    return len(restored)


NO_DEVICE = "no device"
"""Why a notification is skipped whose user has no device that works."""


def resume(session: Session, name: str, *, now: datetime) -> Resumed | None:
    """Open a channel, and make what waited for it due at once; None when it was not paused.

    A sender that did not know yet of the pause may have disabled devices for its reason: they are restored.
    """
    gone = session.execute(
        delete(ChannelState).where(ChannelState.name == name).returning(ChannelState.code, ChannelState.paused_at)
    ).one_or_none()
    if gone is None:
        return None
    code, paused_at = gone
    devices = restore(session, name, code=code, since=paused_at, due=now)
    _try_refused(session, name, code, now)
    return Resumed(code=code, devices=devices, notifications=_wake(session, name, now))


def _try_refused(session: Session, name: str, code: str, now: datetime) -> None:
    """Make due what is owed to devices that were refused for the reason of the pause before it was understood."""
    refused = select(Device.id).where(Device.platform == name, Device.refused_code == code)
    tried = session.scalars(
        update(Delivery)
        .where(Delivery.device_id.in_(refused), Delivery.status == "retry", Delivery.code == code)
        .values(next_attempt_at=None, attempts=0)
        .returning(Delivery.notification_id)
        .execution_options(synchronize_session=False)
    ).all()
    session.execute(
        update(Notification)
        .where(Notification.id.in_(tried), Notification.status == "pending")
        .values(next_attempt_at=now, enqueued_at=None)
        .execution_options(synchronize_session=False)
    )


def _wake(session: Session, name: str, now: datetime) -> int:
    waiting = is_woken_by(fault_of(name))
    session.execute(
        update(Delivery)
        .where(
            Delivery.platform == name,
            Delivery.status == "retry",
            Delivery.next_attempt_at > now,
            Delivery.notification_id.in_(select(Notification.id).where(waiting)),
        )
        .values(next_attempt_at=None)
        .execution_options(synchronize_session=False)
    )
    return wake(session, fault_of(name), now=now)


def paused(session: Session) -> Sequence[ChannelState]:
    """The channels that are paused, also those whose time is over and that nobody has tried again yet."""
    return session.scalars(select(ChannelState).order_by(ChannelState.name)).all()
