"""Rows for a benchmark: readers and posts, inserted in bulk and not by the product's import; and how many there are."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, func, insert, select
from sqlalchemy.orm import Session

from pipeline.resources import now
from storage.models import Device, Post, Subscription, User
from storage.session import Database

INSERTED = 5000


def add_readers(
    session: Session, prefix: str, count: int, *, device: str = "", wish: Mapping[str, Any] | None = None
) -> list[int]:
    """Add so many users, and return their ids.

    device: what the token of each one's FCM device ends with; without it they have none. wish: what each one's
    subscription says, as columns.
    """
    at, ids = now(), []
    for start in range(0, count, INSERTED):
        names = [f"{prefix}-{number}" for number in range(start, min(start + INSERTED, count))]
        rows = [{"external_id": name, "created_at": at} for name in names]
        new = list(session.scalars(insert(User).returning(User.id), rows))
        ids += new
        if device:
            columns = {"platform": "fcm", "created_at": at, "last_seen_at": at}
            session.execute(insert(Device), [{**columns, "user_id": n, "token": f"{n:08d}{device}"} for n in new])
        if wish is not None:
            session.execute(insert(Subscription), [{"user_id": n, "created_at": at, **wish} for n in new])
    return ids


def add_post(session: Session, site_id: int, title: str, *, body: str = "", fanout: str = "ready") -> int:
    """Add a post of a site; by default it waits to be fanned out. Returns its id."""
    post = Post(
        site_id=site_id,
        external_id=title,
        url="https://board.example/post",
        title=title,
        body=body,
        first_seen_at=now(),
        content_hash="",
        fanout=fanout,
        fanout_enqueued_at=now(),
    )
    session.add(post)
    session.flush()
    return post.id


def how_many(database: Database, *conditions: ColumnElement[bool]) -> int:
    """How many rows of a table meet these conditions on it."""
    with database.reading() as session:
        return session.scalar(select(func.count()).where(*conditions)) or 0
