"""A fan-out to very many people, in ranges of users that several dispatchers serve side by side.

A post whose fan-out was split has a row for each range that is not served to its end yet, and SPLIT as its own cursor.
Whatever message for the post comes takes a range that nobody holds; so there is one kind of message, and one dispatcher
alone serves all of them. The post is locked before its ranges are changed, so that whoever ends the last one knows it.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

from storage.matching import EVERYBODY
from storage.models import FanOutRange, Post, User

SPLIT = -1
"""The cursor of a post that was split. A version that knows no ranges begins it anew, which repeats nothing."""


def last_user(session: Session) -> int:
    """The highest id of a user."""
    return session.scalar(select(func.max(User.id))) or 0


def split(session: Session, post_id: int, *, after: int, parts: int) -> None:
    """Divide the users behind an id into so many ranges, some of which may be empty; who comes later is in the last."""
    # Of a fan-out that was begun anew meanwhile.
    session.execute(delete(FanOutRange).where(FanOutRange.post_id == post_id))
    last = max(last_user(session), after)
    bounds = [after + (last - after) * number // parts for number in range(parts)]
    rows = zip(bounds, [*bounds[1:], EVERYBODY], strict=True)
    session.execute(
        insert(FanOutRange),
        [{"post_id": post_id, "cursor": begin, "upto": end} for begin, end in rows if begin < end],
    )


def take(session: Session, post_id: int, *, token: str, now: datetime, lease_until: datetime) -> FanOutRange | None:
    """Take a range of a split post that nobody holds; None when there is none."""
    free = (
        select(FanOutRange.upto)
        .where(FanOutRange.post_id == post_id, _is_free(now), _is_split(post_id))
        .order_by(FanOutRange.upto)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    upto = session.scalar(free)
    if upto is None:
        return None
    query = update(FanOutRange).where(FanOutRange.post_id == post_id, FanOutRange.upto == upto)
    return session.scalar(
        query.values(token=token, lease_until=lease_until)
        .returning(FanOutRange)
        .execution_options(populate_existing=True)
    )


def end_slice(session: Session, post_id: int, *, token: str, cursor: int | None) -> bool | None:
    """Give a range back: with its cursor moved, or (None) as one that is served to its end.

    Returns whether the post has ranges left; None when the range was not ours any more.
    """
    locked = select(Post.id).where(Post.id == post_id, _is_split(post_id)).with_for_update()
    if session.scalar(locked) is None:
        return None
    ours = (FanOutRange.post_id == post_id, FanOutRange.token == token)
    change: Any = delete(FanOutRange).where(*ours)
    if cursor is not None:
        change = update(FanOutRange).where(*ours).values(cursor=cursor, token=None, lease_until=None)
    if session.scalar(change.returning(FanOutRange.upto)) is None:
        return None
    return session.scalar(select(FanOutRange.upto).where(FanOutRange.post_id == post_id).limit(1)) is not None


def hand_back(session: Session, post_id: int, *, token: str) -> None:
    """Give a range back with nothing done."""
    ours = update(FanOutRange).where(FanOutRange.post_id == post_id, FanOutRange.token == token)
    session.execute(ours.values(token=None, lease_until=None))


def further(session: Session, post_ids: Sequence[int], *, now: datetime) -> list[int]:
    """Each of the posts once for every range that nobody holds, beyond the first."""
    free = select(FanOutRange.post_id).where(
        FanOutRange.post_id.in_(post_ids), _is_free(now), _is_split(FanOutRange.post_id)
    )
    counts = Counter(session.scalars(free))
    return [post_id for post_id, count in counts.items() for _ in range(count - 1)]


def _is_free(now: datetime) -> ColumnElement[bool]:
    return or_(FanOutRange.lease_until.is_(None), FanOutRange.lease_until < now)


def _is_split(post_id: Any) -> ColumnElement[bool]:
    return exists().where(Post.id == post_id, Post.fanout == "ready", Post.fanout_cursor == SPLIT)
