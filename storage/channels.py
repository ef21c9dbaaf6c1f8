"""Push channels that are paused: shared by all senders, and kept over restarts."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from storage.dialect import insert
from storage.models import ChannelState


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


def take_probe(session: Session, name: str, *, now: datetime, until: datetime) -> bool:
    """Whether the caller may try a paused channel whose time is over with one message; meanwhile the pause goes on."""
    taken = session.scalar(
        update(ChannelState)
        .where(ChannelState.name == name, ChannelState.paused_until <= now)
        .values(paused_until=until)
        .returning(ChannelState.name)
    )
    return taken is not None


def resume(session: Session, name: str) -> bool:
    """Open a channel; False when it was not paused."""
    gone = session.scalar(delete(ChannelState).where(ChannelState.name == name).returning(ChannelState.name))
    return gone is not None


def paused(session: Session) -> Sequence[ChannelState]:
    """The channels that are paused, also those whose time is over and that nobody has tried again yet."""
    return session.scalars(select(ChannelState).order_by(ChannelState.name)).all()
