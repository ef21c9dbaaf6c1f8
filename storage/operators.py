"""Who operates crawlpush by its pages: links that sign in once, sessions, and the record of every change."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from storage.models import Change, OperatorSecret

Kind = Literal["link", "session"]


def add_secret(
    session: Session,
    *,
    hashed: str,
    kind: Kind,
    operator: str,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Keep the hash of a link or a session; those that are over go."""
    session.execute(delete(OperatorSecret).where(OperatorSecret.expires_at <= now))
    session.add(OperatorSecret(hash=hashed, kind=kind, operator=operator, created_at=now, expires_at=expires_at))


def operator_of(session: Session, hashed: str, kind: Kind, *, now: datetime) -> str | None:
    """Whose link or session this is; None when there is none, or it is over."""
    return session.scalar(
        select(OperatorSecret.operator).where(
            OperatorSecret.hash == hashed, OperatorSecret.kind == kind, OperatorSecret.expires_at > now
        )
    )


def take_secret(session: Session, hashed: str, kind: Kind, *, now: datetime) -> str | None:
    """End a link or a session, and say whose it was; of two who use a link at once, one gets the answer."""
    return session.scalar(
        delete(OperatorSecret)
        .where(OperatorSecret.hash == hashed, OperatorSecret.kind == kind, OperatorSecret.expires_at > now)
        .returning(OperatorSecret.operator)
    )


def begin_change(session: Session, *, operator: str, what: str, command: str, now: datetime) -> int:
    """Record who is about to change what, as the command that does the same; returns the record's id."""
    change = Change(at=now, operator=operator, what=what, command=command)
    session.add(change)
    session.flush()
    return change.id


def end_change(session: Session, change_id: int, *, outcome: str) -> None:
    """Record what came of a change: what the command said, or why it was refused."""
    session.execute(update(Change).where(Change.id == change_id).values(outcome=outcome))


def changes(session: Session, *, limit: int, before: int | None = None) -> Sequence[Change]:
    """The latest changes, newest first; `before` is the id of the last one of the page before."""
    query = select(Change).order_by(Change.id.desc()).limit(limit)
    return session.scalars(query if before is None else query.where(Change.id < before)).all()
