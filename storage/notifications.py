"""Notifications: creating them slice by slice, and finding those that are owed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.orm import Session

from storage.deferring import FORM_AGAIN
from storage.matching import EVERYBODY, Hit, matching_users, window_end
from storage.models import Delivery, Notification, Post
from storage.serving import Ask, Served, serve, serve_story
from storage.stories import DROPPED
from storage.waiting import is_held

Key = tuple[int, int]
"""What a notify_user message carries: (post id, user id)."""


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A slice of a fan-out: the users whose message is to be sent now, and where the next slice begins."""

    users: Sequence[int]
    cursor: int
    # How many users the slice matched, and whether there may be more after it.
    matched: int
    more: bool


def create_slice(
    session: Session,
    post_id: int,
    hit: Hit,
    *,
    after: int,
    size: int,
    now: datetime,
    upto: int | None = None,
    ask: Ask = lambda _session, _paces: {},
    everybody: bool = False,
    unless: Hit | None = None,
    in_story: bool = False,
) -> Slice:
    """Insert the notification rows of the next `size` matching users after user id `after`.

    upto: the last user id of the range to which they belong; None: all who come after.
    ask: about the users who said when and how often they want to hear; with `everybody`, about all. Those who have to
    wait get a row that says until when and why, and are sent for when that is over.
    Without those among them whom `unless` matches, which is what was found in the post before it was edited. Of a post
    that is a part of a story (`in_story`), those who have the story already get a row that is merged.

    Repeating a slice, because its fan-out died before the messages were out, inserts nothing and returns the users
    whose notification is still waiting, so that nobody is left out and nobody who was served is sent for again.
    """
    end, asks = window_end(session, hit, after=after, size=size)
    behind = EVERYBODY if upto is None else upto
    seen = behind if end is None else min(end, behind)
    asks = asks or everybody
    matched = matching_users(session, hit, after=after, upto=seen, limit=size, timed=asks)
    count = len(matched)
    # A full slice ends with its last user. One that is not full has seen all users up to the end of its window.
    last = matched[-1].user_id if matched else after
    more = count == size or seen < behind
    cursor = last if count == size or not more else seen
    if unless is not None:
        before = {row.user_id for row in matching_users(session, unless, after=after, upto=last)}
        matched = [row for row in matched if row.user_id not in before]
    if not matched:
        return Slice(users=(), cursor=cursor, matched=0, more=more)
    slice_ = Served(post_id=post_id, now=now, ask=ask if asks else None, everybody=everybody)
    waiting = serve_story(session, matched, slice_) if in_story else serve(session, matched, slice_)
    return Slice(users=sorted(waiting), cursor=cursor, matched=len(matched), more=more)


def due(session: Session, *, now: datetime, lost_before: datetime, limit: int, replacing: bool = False) -> list[Key]:
    """Notifications that are owed and that no message is under way for, marked as enqueued now.

    These are: waiting ones whose time has come and that have no message, or whose message was sent before
    `lost_before`; and ones whose sender died with its lease. Or else those that are to replace what is shown.
    """
    waits = and_(
        Notification.next_attempt_at <= now,
        or_(Notification.enqueued_at.is_(None), Notification.enqueued_at < lost_before),
    )
    pending = and_(waits, Notification.status == "pending", Notification.deferred.is_(None))
    died = and_(
        Notification.status == "sending", Notification.lease_until < now, Notification.enqueued_at < lost_before
    )
    stale = and_(
        waits,
        Notification.status == "sent",
        Notification.to_show.is_not(None),
        or_(Notification.lease_until.is_(None), Notification.lease_until < now),
    )
    owed = (
        select(Notification.id)
        .where(stale if replacing else or_(pending, died))
        .order_by(Notification.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    keys = session.execute(
        update(Notification)
        .where(Notification.id.in_(owed))
        .values(enqueued_at=now)
        .returning(Notification.post_id, Notification.user_id)
        .execution_options(synchronize_session=False)
    )
    return sorted(keys)


FARTHEST_WAIT = timedelta(hours=2)
"""No attempt lies further ahead: a vendor is given an hour at most, and a tenth more (pipeline.push.outcome)."""


def bring_back(session: Session, *, now: datetime, lease: timedelta) -> int:
    """Mend the times that a clock wrote which was ahead and is right again; returns how many notifications had one.

    An attempt further ahead than any wait is due now, a claim that would last longer than a lease lasts one lease from
    now, and a message from the future is lost. What an operator holds, or what waits for its user's time, may lie as
    far ahead as it lives.
    """
    status, due, sent = Notification.status, Notification.next_attempt_at, Notification.enqueued_at
    mends: Sequence[tuple[ColumnElement[bool], dict[str, Any]]] = (
        (
            and_(
                status == "pending",
                due > now + FARTHEST_WAIT,
                ~is_held(),
                Notification.deferred.is_(None),
                Notification.digest_id.is_(None),
            ),
            {"next_attempt_at": now, "enqueued_at": None},
        ),
        (
            and_(status == "sent", Notification.to_show.is_not(None), due > now + FARTHEST_WAIT, ~is_held()),
            {"next_attempt_at": now, "enqueued_at": None},
        ),
        (
            and_(status == "sent", Notification.to_show.is_not(None), Notification.lease_until > now + 2 * lease),
            {"lease_until": now + lease},
        ),
        (and_(status == "sending", Notification.lease_until > now + 2 * lease), {"lease_until": now + lease}),
        # One for each status: an index holds the rows of one.
        (and_(status == "pending", sent > now + lease), {"enqueued_at": now}),
        (and_(status == "sending", sent > now + lease), {"enqueued_at": now}),
    )
    moved = 0
    for is_wrong, right in mends:
        rows = update(Notification).where(is_wrong).values(right).returning(Notification.id)
        moved += len(session.scalars(rows.execution_options(synchronize_session=False)).all())
    return moved


def enqueued_at(session: Session, key: Key) -> datetime | None:
    """When the message of a notification was last sent."""
    return session.scalar(
        select(Notification.enqueued_at).where(Notification.post_id == key[0], Notification.user_id == key[1])
    )


def of_site(site_id: int) -> ColumnElement[bool]:
    """Whether a notification is of a post of this site."""
    return Notification.post_id.in_(select(Post.id).where(Post.site_id == site_id))


def redrive(session: Session, *which: ColumnElement[bool], now: datetime) -> int:
    """Make failed notifications (those that meet the conditions) pending again; the next tick sends for them.

    Returns how many.
    """
    again = session.scalars(
        update(Notification)
        .where(Notification.status == "failed", *which)
        .values(
            status="pending",
            attempts=0,
            next_attempt_at=now,
            enqueued_at=None,
            reason=None,
            waits_for=None,
            **FORM_AGAIN,
        )
        .returning(Notification.id)
        .execution_options(synchronize_session=False)
    ).all()
    session.execute(delete(Delivery).where(Delivery.notification_id.in_(again), Delivery.status == "failed"))
    return len(again)


def drop_pending(session: Session, *which: ColumnElement[bool]) -> int:
    """Skip the pending notifications that meet the conditions, without any all, and return how many."""
    dropped = session.scalars(
        update(Notification)
        .where(Notification.status == "pending", *which)
        .values(status="skipped", reason=DROPPED, waits_for=None, deferred=None)
        .returning(Notification.id)
        .execution_options(synchronize_session=False)
    )
    return len(dropped.all())
