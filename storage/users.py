"""Users and their devices."""

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from sqlalchemy import ColumnElement, Row, Select, String, bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from storage.device_tokens import DeviceError, in_one_form
from storage.dialect import Insert, insert
from storage.errors import StorageError
from storage.models import Device, Notification, Subscription, User


class UnknownUserError(StorageError, LookupError):
    """There is no user of that id."""

    def __init__(self, external_id: str) -> None:
        super().__init__(
            f"there is no user {external_id!r}: `crawlpush users list` shows them, `crawlpush users add` makes one"
        )


class DuplicateUserError(StorageError, ValueError):
    """The user exists already."""

    def __init__(self, external_id: str) -> None:
        super().__init__(f"the user {external_id!r} exists already: `crawlpush users show {external_id}` shows it")


class UnknownDeviceError(StorageError, LookupError):
    """There is no device of that id, or of that token."""


def add(session: Session, external_id: str, *, timezone: str, now: datetime) -> User:
    """Insert a user by the id that the app knows them by. Raises DuplicateUserError."""
    user_id = session.scalar(
        insert(session, User)
        .values(external_id=external_id, timezone=timezone, created_at=now)
        .on_conflict_do_nothing(index_elements=[User.external_id])
        .returning(User.id)
    )
    if user_id is None:
        raise DuplicateUserError(external_id)
    return session.get_one(User, user_id)


def by_external_id(session: Session, external_id: str) -> User:
    """The user of that id. Raises UnknownUserError."""
    user = session.scalar(select(User).where(User.external_id == external_id))
    if user is None:
        raise UnknownUserError(external_id)
    return user


def badge(session: Session, external_id: str) -> int:
    """How many notifications of a user were sent and not read. Raises UnknownUserError."""
    found: int | None = session.scalar(_badge(), {"user": external_id})
    if found is None:
        raise UnknownUserError(external_id)
    return found


@lru_cache
def _badge() -> Select[int]:
    """Made once: phones ask for it at each start."""
    unread = select(func.count()).where(
        Notification.user_id == User.id, Notification.status == "sent", Notification.read_at.is_(None)
    )
    return select(unread.correlate(User).scalar_subquery()).where(User.external_id == bindparam("user", type_=String))


def names_and_zones(session: Session, user_ids: Sequence[int]) -> Sequence[Row[int, str, str]]:
    """(id, external id, time zone) of some users, in the order of their ids."""
    query = select(User.id, User.external_id, User.timezone).where(User.id.in_(user_ids)).order_by(User.id)
    return session.execute(query).all()


def listing(session: Session, *which: ColumnElement[bool], limit: int | None) -> Sequence[tuple[User, int, int]]:
    """Users that meet the conditions, by their ids, each with the numbers of enabled devices and of subscriptions."""
    devices = (
        select(func.count())
        .where(Device.user_id == User.id, Device.disabled_at.is_(None))
        .correlate(User)
        .scalar_subquery()
    )
    subscriptions = select(func.count()).where(Subscription.user_id == User.id).correlate(User).scalar_subquery()
    query = select(User, devices, subscriptions).where(*which)
    return session.execute(query.order_by(User.id).limit(limit)).all()


def forget(session: Session, external_id: str) -> None:
    """Erase a person and all that is theirs."""
    user = by_external_id(session, external_id)
    session.execute(delete(User).where(User.id == user.id))


def forget_if_there(session: Session, external_id: str) -> None:
    """The same, for a caller who may ask twice."""
    session.execute(delete(User).where(User.external_id == external_id))


def set_paused(session: Session, external_id: str, *, paused: bool) -> None:
    """Stop or resume matching for a user; while they are paused, what was owed already is in their inbox only."""
    user = by_external_id(session, external_id)
    session.execute(update(User).where(User.id == user.id).values(paused=paused))


ALIVE: Mapping[str, None] = dict.fromkeys(("disabled_at", "disabled_reason", "refused_code", "refused_since"))
"""What a vendor said of a token, forgotten: the app says that it lives, and may have been mended."""


def register_device(
    session: Session,
    user_id: int,
    *,
    platform: str,
    token: str,
    environment: str | None,
    now: datetime,
) -> tuple[Device, int | None]:
    """Register a device, as an app does at each start, and return it with its former owner's id, if that changed.

    A token that is known under another user moves here, because the phone changed hands; a disabled one is enabled
    again, because the app says that it lives. Raises DeviceError.
    """
    token = in_one_form(platform, token)
    former = session.scalar(
        select(Device.user_id).where(Device.platform == platform, Device.token == token).with_for_update()
    )
    statement = insert(session, Device).values(
        user_id=user_id,
        platform=platform,
        token=token,
        environment=environment,
        created_at=now,
        last_seen_at=now,
    )
    device_id = session.scalar(or_renew(statement).returning(Device.id))
    session.expire_all()
    moved = former if former is not None and former != user_id else None
    return session.get_one(Device, device_id), moved


def or_renew(statement: Insert) -> Insert:
    """An INSERT of devices that moves those whose token is known to the new owner, and enables them."""
    return statement.on_conflict_do_update(
        index_elements=[Device.platform, Device.token],
        set_={
            "user_id": statement.excluded.user_id,
            "environment": func.coalesce(statement.excluded.environment, Device.environment),
            "last_seen_at": statement.excluded.last_seen_at,
            **ALIVE,
        },
    )


def register_installation(
    session: Session,
    user_id: int,
    installation: str,
    *,
    platform: str,
    token: str,
    environment: str | None,
    app: str | None,
    locale: str | None,
    now: datetime,
) -> Device:
    """Register the phone behind an installation of the app, as it does at each start; its new token replaces the old.

    The device stays the same row, so that what it was sent already is not sent again. Raises DeviceError.
    """
    token = in_one_form(platform, token)
    # One after the other: two starts of one app at once would both find the old token.
    session.execute(select(User.id).where(User.id == user_id).with_for_update())
    known = session.scalar(select(Device).where(Device.user_id == user_id, Device.installation == installation))
    if known is not None and (known.platform, known.token) != (platform, token):
        taken = session.scalar(select(Device.id).where(Device.platform == platform, Device.token == token))
        if taken is None:
            known.platform, known.token, known.environment = platform, token, environment
        else:
            session.delete(known)
        session.flush()
    device, _ = register_device(session, user_id, platform=platform, token=token, environment=environment, now=now)
    device.installation, device.app, device.locale = installation, app, locale
    session.flush()
    return device


def by_installation(session: Session, user_id: int, installation: str) -> Device:
    """A user's device by the app's name for it. Raises UnknownDeviceError."""
    device = session.scalar(select(Device).where(Device.user_id == user_id, Device.installation == installation))
    if device is None:
        raise UnknownDeviceError(f"there is no device {installation!r} of this user: register it first")
    return device


def remove_installation(session: Session, user_id: int, installation: str) -> None:
    """Delete a user's device by the app's name for it; one that is gone already is no error."""
    session.execute(delete(Device).where(Device.user_id == user_id, Device.installation == installation))


def replace_token(session: Session, platform: str, old: str, new: str, *, now: datetime) -> Device:
    """Give a device the token that the vendor refreshed.

    Raises UnknownDeviceError when the old one is unknown, DeviceError when the new one is none.
    """
    new = in_one_form(platform, new)
    with contextlib.suppress(DeviceError):
        old = in_one_form(platform, old)
    device = session.scalar(select(Device).where(Device.platform == platform, Device.token == old))
    if device is None:
        raise UnknownDeviceError(
            f"no {platform} device has the old token: register the new one with `crawlpush devices add`"
        )
    session.execute(delete(Device).where(Device.platform == platform, Device.token == new, Device.id != device.id))
    device.token, device.last_seen_at = new, now
    for name, value in ALIVE.items():
        setattr(device, name, value)
    session.flush()
    return device


def devices(
    session: Session, *which: ColumnElement[bool], user_id: int | None, limit: int | None
) -> Sequence[tuple[Device, str]]:
    """Devices that meet the conditions, with their users' external ids, oldest first."""
    query = select(Device, User.external_id).join(User).where(*which).order_by(Device.id).limit(limit)
    if user_id is not None:
        query = query.where(Device.user_id == user_id)
    return session.execute(query).all()


def expire_devices(session: Session, *, unseen_since: datetime, now: datetime, reason: str) -> int:
    """Disable the phones that were last seen before a moment; returns how many. The console is no phone."""
    expired = session.scalars(
        update(Device)
        .where(Device.disabled_at.is_(None), Device.last_seen_at < unseen_since, Device.platform != "console")
        .values(disabled_at=now, disabled_reason=reason)
        .returning(Device.id)
    )
    return len(expired.all())


def remove_device(session: Session, device_id: int) -> None:
    """Delete a device. Raises UnknownDeviceError."""
    if session.scalar(delete(Device).where(Device.id == device_id).returning(Device.id)) is None:
        raise UnknownDeviceError(f"there is no device {device_id}: `crawlpush devices list` shows the ids")
