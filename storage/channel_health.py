"""How well a push channel is: when its vendor last took a message, whom it refuses, and since when it takes nothing."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Result, func, select, update
from sqlalchemy.orm import Session

from storage.dialect import insert, upsert
from storage.models import ChannelHealth, Device


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of a channel from before: when it last took a message, and the devices that it refuses."""

    accepted_at: datetime | None
    # Device id, its user's id, the vendor's code, and since when.
    refused: Sequence[Any]


MOST_EVIDENCE = 100


def evidence(session: Session, name: str) -> Evidence:
    """What speaks for a channel and against it; the newest refusals are enough."""
    accepted_at = session.scalar(select(ChannelHealth.accepted_at).where(ChannelHealth.name == name))
    rows: Result[Any] = session.execute(
        select(Device.id, Device.user_id, Device.refused_code, Device.refused_since)
        .where(Device.platform == name, Device.refused_code.is_not(None), Device.disabled_at.is_(None))
        .order_by(Device.refused_since.desc(), Device.id.desc())
        .limit(MOST_EVIDENCE)
    )
    return Evidence(accepted_at=accepted_at, refused=rows.all())


def refused_devices(session: Session) -> dict[tuple[str, str], int]:
    """How many devices that are not disabled each channel refuses, by channel and the vendor's code."""
    rows = session.execute(
        select(Device.platform, Device.refused_code, func.count())
        .where(Device.refused_code.is_not(None), Device.disabled_at.is_(None))
        .group_by(Device.platform, Device.refused_code)
        .order_by(Device.platform, Device.refused_code)
    )
    return {(name, str(code)): count for name, code, count in rows}


def accepted(session: Session, names: Collection[str], *, now: datetime) -> None:
    """Remember that channels took a message now."""
    upsert(session, ChannelHealth, [{"name": name, "accepted_at": now} for name in sorted(names)], key=["name"])


def begin_trouble(session: Session, name: str, *, code: str, detail: str, since: datetime) -> bool:
    """Note that a vendor has taken nothing since a moment, by a fault of its own; False when that is known."""
    statement = insert(session, ChannelHealth).values(
        name=name, trouble_since=since, trouble_code=code, trouble_detail=detail
    )
    new = statement.excluded
    began = session.scalar(
        statement.on_conflict_do_update(
            index_elements=[ChannelHealth.name],
            set_={
                "trouble_since": new.trouble_since,
                "trouble_code": new.trouble_code,
                "trouble_detail": new.trouble_detail,
            },
            where=ChannelHealth.trouble_since.is_(None),
        ).returning(ChannelHealth.name)
    )
    return began is not None


def end_trouble(session: Session, name: str) -> bool:
    """Note that a vendor answers again; False when it was in no trouble."""
    ended = session.scalar(
        update(ChannelHealth)
        .where(ChannelHealth.name == name, ChannelHealth.trouble_since.is_not(None))
        .values(trouble_since=None, trouble_code=None, trouble_detail=None)
        .returning(ChannelHealth.name)
    )
    return ended is not None


def troubled(session: Session) -> Sequence[ChannelHealth]:
    """The channels whose vendor takes nothing, by a fault of its own."""
    return session.scalars(
        select(ChannelHealth).where(ChannelHealth.trouble_since.is_not(None)).order_by(ChannelHealth.name)
    ).all()
