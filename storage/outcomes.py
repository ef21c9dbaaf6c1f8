"""The record of what became of a claimed batch: notifications, deliveries, and what the answers say of devices."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, bindparam, case, func, or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import FromClause

from storage import stories
from storage.dialect import connection_of, is_sqlite, only_by_index
from storage.json_table import as_rows, as_values, insert_rows, is_among, looked_up, table_of, values_of
from storage.models import Delivery, Device, Notification


# Not frozen, as one is made for each message: to set the fields of frozen ones takes three times as long.
@dataclass(kw_only=True)
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
    # Status retry: not before this.
    next_attempt_at: datetime | None = None
    # The version of the post's text that the device shows.
    version: int | None = None


# Not frozen, as one is made for each message: to set the fields of frozen ones takes three times as long.
@dataclass(kw_only=True)
class NotificationRecord:
    """What becomes of a claimed notification."""

    id: int
    # "sent", "failed", "skipped", or "pending" again with a time.
    status: str
    next_attempt_at: datetime | None = None
    reason: str | None = None
    # Status pending: what it waits for besides its time (storage.waiting).
    waits_for: str | None = None
    # Status pending: why it waits for its user's time, until a digest is made of it.
    deferred: str | None = None
    # A wait for a paused channel is not counted as an attempt.
    counts: bool = True
    # It was sent already, and is to replace what is shown: its status and reason stay.
    is_replacement: bool = False
    # Of a replacement: the version that is not to be shown any more, because it is, or nobody can be shown it.
    shown: int | None = None


_DELIVERY_TYPES = {f.name: Delivery.__table__.c[f.name].type for f in fields(DeliveryRecord)}


_AT = Notification.created_at.type


@lru_cache
def _ours(*, sqlite: bool) -> Any:
    return (
        select(Notification.id)
        .where(
            is_among(Notification.id, values_of("ids", BigInteger(), sqlite=sqlite), sqlite=sqlite),
            Notification.lease_token == bindparam("by"),
        )
        .order_by(Notification.id)
        .with_for_update()
    )


def _ended(which: Any, *, sqlite: bool) -> Any:
    return (
        update(Notification)
        .where(is_among(Notification.id, which, sqlite=sqlite))
        .values(
            status=bindparam("ends_as"),
            reason=bindparam("why"),
            waits_for=None,
            deferred=None,
            sent_at=bindparam("went_at", type_=_AT),
            # What was edited meanwhile is to be sent for again.
            enqueued_at=case((Notification.to_show.is_not(None), None), else_=bindparam("at", type_=_AT)),
            lease_token=None,
            lease_until=None,
        )
    )


@lru_cache
def _final(*, sqlite: bool) -> Any:
    return _ended(values_of("ids", BigInteger(), sqlite=sqlite), sqlite=sqlite)


@lru_cache
def _all_at_once() -> Any:
    """PostgreSQL: the end of notifications, all alike, and their deliveries; what is not ours any more is left out."""
    ours = _ended(_ours(sqlite=False), sqlite=False).returning(Notification.id).cte("ours")
    rows = table_of("outcomes", _DELIVERY_TYPES, sqlite=False)
    theirs = select(*rows.c).where(rows.c.notification_id.in_(select(ours.c.id))).subquery()
    return select(ours.c.id).add_cte(_upsert(theirs, sqlite=False).cte("recorded"))


@lru_cache
def _deliveries(*, sqlite: bool) -> Any:
    return _upsert(table_of("outcomes", _DELIVERY_TYPES, sqlite=sqlite), sqlite=sqlite)


def _upsert(rows: FromClause, *, sqlite: bool) -> Any:
    statement = insert_rows(Delivery, rows, sqlite=sqlite, at=bindparam("recorded_at", type_=_AT))
    new = statement.excluded
    was_delivered = Delivery.status == "delivered"
    # What became of the first text stays, whatever becomes of one that replaces it.
    kept = {
        name: case((was_delivered, getattr(Delivery, name)), else_=getattr(new, name))
        for name in ("status", "provider_id", "code", "detail", "at")
    }
    changed = {name: getattr(new, name) for name in ("attempts", "next_attempt_at", "version")}
    return statement.on_conflict_do_update(
        index_elements=[Delivery.notification_id, Delivery.device_id], set_={**kept, **changed}
    )


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
    only_by_index(session)
    sqlite, connection = is_sqlite(session), connection_of(session)
    wanted = {"ids": as_values(n.id for n in notifications), "by": token}
    ends = {(n.status, n.reason, n.is_replacement) for n in notifications}
    if not sqlite and ends == {("sent", None, False)}:
        # Nearly every batch. Its rows are read and locked once then.
        told = {"outcomes": _json_of(deliveries, sqlite=sqlite), "recorded_at": now}
        return set(connection.scalars(_all_at_once(), {**wanted, **told, **_end("sent", None, now)}).all())
    ours = set(connection.scalars(_ours(sqlite=sqlite), wanted).all())
    rows = [d for d in deliveries if d.notification_id in ours]
    if rows:
        told = {"outcomes": _json_of(rows, sqlite=sqlite), "recorded_at": now}
        connection.execute(_deliveries(sqlite=sqlite), told)
    held = [n for n in notifications if n.id in ours]
    _record_final(session, [n for n in held if n.status != "pending" and not n.is_replacement], now)
    _record_pending(session, [n for n in held if n.status == "pending" or n.is_replacement])
    if over := [n.id for n in held if n.status in {"failed", "skipped"}]:
        stories.hand_on(session, looked_up(session, Notification.id, "ids", over, BigInteger()), now=now)
    return ours


def _record_final(session: Session, ours: Sequence[NotificationRecord], now: datetime) -> None:
    """One statement for each distinct result: nearly all of a batch were sent, and so one for nearly all."""
    groups: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    for notification in ours:
        groups[notification.status, notification.reason].append(notification.id)
    for (status, reason), ids in groups.items():
        connection_of(session).execute(
            _final(sqlite=is_sqlite(session)), {"ids": as_values(ids), **_end(status, reason, now)}
        )


def _end(status: str, reason: str | None, now: datetime) -> dict[str, Any]:
    return {"ends_as": status, "why": reason, "went_at": now if status == "sent" else None, "at": now}


def _json_of(deliveries: Sequence[DeliveryRecord], *, sqlite: bool) -> str:
    return as_rows([row.__dict__ for row in deliveries], sqlite=sqlite)


def _record_pending(session: Session, ours: Sequence[NotificationRecord]) -> None:
    if not ours:
        return
    connection_of(session).execute(
        update(Notification)
        .where(Notification.id == bindparam("key"))
        .values(
            status=bindparam("goes_on_as"),
            # Not when it was edited again meanwhile.
            to_show=case((Notification.to_show == bindparam("shown"), None), else_=Notification.to_show),
            next_attempt_at=func.coalesce(bindparam("due", type_=_AT), Notification.next_attempt_at),
            # NULL: no message is under way for it; a short tick enqueues it when its time has come.
            enqueued_at=None,
            reason=bindparam("why"),
            waits_for=bindparam("what"),
            deferred=bindparam("its_time"),
            attempts=Notification.attempts - bindparam("uncounted"),
            lease_token=None,
            lease_until=None,
        ),
        [
            {
                "key": n.id,
                "goes_on_as": n.status,
                "shown": n.shown,
                "due": n.next_attempt_at,
                "why": n.reason,
                "what": n.waits_for,
                "its_time": n.deferred,
                "uncounted": 0 if n.counts else 1,
            }
            for n in sorted(ours, key=lambda n: n.id)
        ],
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


def slow_devices(session: Session, busy: Mapping[int, datetime]) -> None:
    """Remember until when the vendor wants nothing more for a device; the longer of two pauses holds."""
    for device_id, until in sorted(busy.items()):
        session.execute(
            update(Device)
            .where(Device.id == device_id, or_(Device.busy_until.is_(None), Device.busy_until < until))
            .values(busy_until=until)
        )


def mark_refused(session: Session, refused: Mapping[int, str], *, now: datetime) -> None:
    """Remember for what reason the vendor refuses devices, and since when it does for this reason."""
    for code in sorted(set(refused.values())):
        session.execute(
            update(Device)
            .where(
                Device.id.in_([device_id for device_id, why in refused.items() if why == code]),
                or_(Device.refused_code.is_(None), Device.refused_code != code),
            )
            .values(refused_code=code, refused_since=now)
        )


def clear_refused(session: Session, served: Collection[int]) -> None:
    """Forget that devices were refused: they were served."""
    if served:
        session.execute(
            update(Device).where(Device.id.in_(sorted(served))).values(refused_code=None, refused_since=None)
        )


def devices_there(session: Session, device_ids: Collection[int]) -> set[int]:
    """Those of the devices that were not removed."""
    there = looked_up(session, Device.id, "ids", sorted(device_ids), BigInteger())
    return set(session.scalars(select(Device.id).where(there)))
