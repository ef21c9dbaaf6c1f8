"""Fan-outs that are split: the steps that change a post and its ranges (storage.fanout_ranges) together."""

from datetime import datetime

from sqlalchemy.orm import Session

from storage import fanout_ranges, posts


def split(session: Session, post_id: int, *, token: str, after: int, parts: int, users: int, now: datetime) -> bool:
    """Divide what is left after a slice into ranges, and give the post back; False when it was not ours."""
    cursor = fanout_ranges.SPLIT
    ours = posts.advance_fan_out(session, post_id, token=token, cursor=cursor, users=users, now=now)
    if ours:
        fanout_ranges.split(session, post_id, after=after, parts=parts)
    return ours


def advance(
    session: Session,
    post_id: int,
    *,
    token: str,
    cursor: int | None,
    users: int,
    now: datetime,
    again: bool,
) -> bool | None:
    """As posts.advance_fan_out, for a range; the last one that is served to its end (cursor None) closes the fan-out.

    Returns whether there are ranges left; None when this one was not ours.
    """
    is_left = fanout_ranges.end_slice(session, post_id, token=token, cursor=cursor)
    if is_left:
        posts.advance_fan_out(session, post_id, token=None, cursor=fanout_ranges.SPLIT, users=users, now=now)
    elif is_left is not None:
        posts.finish_fan_out(session, post_id, token=None, users=users, now=now, again=again)
    return is_left
