"""Retention: what is old goes, in batches that are each a transaction of the caller's.

A post's row stays for ever, because it is what says that the post is not new. Nothing that is owed is removed,
however old it is. Each function returns how many rows it took; fewer than `limit` means that nothing is left.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, delete, exists, false, func, or_, select, update
from sqlalchemy.orm import Session

from storage.crawl_runs import HISTORY_RUNS
from storage.models import (
    CrawlRun,
    Delivery,
    Digest,
    Keyword,
    Notification,
    Post,
    Site,
    Subscription,
    SubscriptionExclusion,
)

# What tells nobody anything any more: of a notification that failed, the rows keep the phones that have it from ringing
# once more when an operator sends it again.
_DELIVERY_OVER = and_(Delivery.status == "delivered", Notification.status == "sent", Notification.to_show.is_(None))
NOTIFICATIONS_OVER = ("sent", "failed", "skipped", "merged")
_FANOUT_OVER = ("done", "silent", "dropped")


def site_ids(session: Session) -> list[int]:
    """The ids of all sites."""
    return list(session.scalars(select(Site.id).order_by(Site.id)))


def remove_runs(session: Session, site_id: int, *, before: datetime, limit: int) -> int:
    """Remove a site's runs that were over before a moment, but for those that say what is usual there."""
    recent = (
        select(CrawlRun.id)
        .where(CrawlRun.site_id == site_id)
        .order_by(CrawlRun.id.desc())
        .offset(HISTORY_RUNS)
        .limit(1)
    )
    newest = session.scalar(recent)
    if newest is None:
        return 0
    old = (
        select(CrawlRun.id)
        .where(CrawlRun.site_id == site_id, CrawlRun.id <= newest, CrawlRun.finished_at < before)
        .order_by(CrawlRun.id)
        .limit(limit)
    )
    return len(session.scalars(delete(CrawlRun).where(CrawlRun.id.in_(old)).returning(CrawlRun.id)).all())


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """A batch of notifications that was looked at."""

    notifications: int
    deliveries: int
    # Where to go on; None when what comes next is not old enough.
    cursor: int | None


def remove_notifications(session: Session, *, after: int, before: datetime, limit: int) -> Pruned:
    """Remove those of the next `limit` notifications that are over and were made before a moment.

    Ids grow with time, so the walk ends at the first one that is too young.
    """
    rows = session.execute(
        select(Notification.id, Notification.created_at, Notification.status)
        .where(Notification.id > after)
        .order_by(Notification.id)
        .limit(limit)
    ).all()
    old = [row for row in rows if row.created_at < before]
    over = [row.id for row in old if row.status in NOTIFICATIONS_OVER]
    # Those of a fan-out that is not over, or begins when it is approved, stay however old: it would make them anew.
    under_way = select(Post.id).where(Post.fanout.in_(("ready", "held")))
    # Locked, because an operator may be sending failed ones once more at this moment.
    rows_gone = session.execute(
        select(Notification.id, Notification.digest_id)
        .where(
            Notification.id.in_(over),
            Notification.status.in_(NOTIFICATIONS_OVER),
            Notification.post_id.not_in(under_way),
        )
        .order_by(Notification.id)
        .with_for_update(skip_locked=True)
    ).all()
    gone = [row.id for row in rows_gone]
    # The deliveries first: the cascade would look them up one notification at a time.
    deliveries = session.scalars(
        delete(Delivery).where(Delivery.notification_id.in_(gone)).returning(Delivery.id)
    ).all()
    session.execute(delete(Notification).where(Notification.id.in_(gone)))
    told = {row.digest_id for row in rows_gone if row.digest_id is not None}
    if told:
        session.execute(delete(Digest).where(Digest.id.in_(told), ~exists().where(Notification.digest_id == Digest.id)))
    more = len(rows) == limit and len(old) == len(rows)
    return Pruned(notifications=len(gone), deliveries=len(deliveries), cursor=rows[-1].id if more else None)


def remove_deliveries(session: Session, *, after: int, before: datetime, limit: int) -> tuple[int, int | None]:
    """Remove those of the next `limit` deliveries that arrived before a moment, where their notification is over too.

    Returns how many, and where to go on; the walk ends where none of them is old. One that was tried again is younger
    than its id, so a young one alone does not end it.
    """
    over = _DELIVERY_OVER.label("is_over")
    rows = session.execute(
        select(Delivery.id, Delivery.at, over)
        .join(Notification, Notification.id == Delivery.notification_id)
        .where(Delivery.id > after)
        .order_by(Delivery.id)
        .limit(limit)
    ).all()
    old = [row for row in rows if row.at < before]
    going = (
        select(Delivery.id)
        .where(Delivery.id.in_([row.id for row in old if row.is_over]))
        .order_by(Delivery.id)
        .with_for_update(skip_locked=True)
    )
    gone = session.scalars(delete(Delivery).where(Delivery.id.in_(going)).returning(Delivery.id)).all()
    return len(gone), rows[-1].id if old and len(rows) == limit else None


def empty_posts(session: Session, *, before: datetime, limit: int) -> int:
    """Empty the body, author and files of posts that were first seen before a moment, and owe nothing any more."""
    old = (
        select(Post.id)
        .where(Post.body != "", Post.first_seen_at < before, Post.fanout.in_(_FANOUT_OVER))
        .order_by(Post.first_seen_at)
        .limit(limit)
    )
    emptied = update(Post).where(Post.id.in_(old)).values(body="", author="", attachments=None).returning(Post.id)
    return len(session.scalars(emptied.execution_options(synchronize_session=False)).all())


def remove_keywords(session: Session, *, after: int, limit: int) -> tuple[int, int | None]:
    """Remove those of the next `limit` keywords that nobody uses; returns how many, and where to go on.

    Raises IntegrityError when somebody begins to use one at this moment: the foreign key decides, and the caller
    goes on with the next batch. One that is locked, because somebody is about to use it, is passed over.
    """
    ids = list(session.scalars(select(Keyword.id).where(Keyword.id > after).order_by(Keyword.id).limit(limit)))
    if not ids:
        return 0, None
    unused = (
        select(Keyword.id)
        .where(
            Keyword.id.in_(ids),
            ~exists().where(Subscription.keyword_id == Keyword.id),
            ~exists().where(SubscriptionExclusion.keyword_id == Keyword.id),
        )
        .order_by(Keyword.id)
        .with_for_update(skip_locked=True)
    )
    gone = session.scalars(delete(Keyword).where(Keyword.id.in_(unused)).returning(Keyword.id)).all()
    return len(gone), ids[-1] if len(ids) == limit else None


@dataclass(frozen=True, kw_only=True)
class Moments:
    """The moments before which rows are old."""

    runs: datetime
    notifications: datetime
    deliveries: datetime
    # None: texts are kept.
    texts: datetime | None


@dataclass(frozen=True, kw_only=True)
class Prunable:
    """How much retention would remove at this moment."""

    runs: int
    notifications: int
    deliveries: int
    post_texts: int
    keywords: int


def prunable(session: Session, old: Moments) -> Prunable:
    """Count what retention would remove, without removing it."""
    place = func.row_number().over(partition_by=CrawlRun.site_id, order_by=CrawlRun.id.desc()).label("place")
    runs = select(CrawlRun.finished_at, place).subquery()
    over = (Notification.created_at < old.notifications, Notification.status.in_(NOTIFICATIONS_OVER))
    texts = (
        (Post.body != "", Post.first_seen_at < old.texts, Post.fanout.in_(_FANOUT_OVER)) if old.texts else (false(),)
    )
    unused = (
        ~exists().where(Subscription.keyword_id == Keyword.id),
        ~exists().where(SubscriptionExclusion.keyword_id == Keyword.id),
    )
    return Prunable(
        runs=session.scalar(select(func.count()).where(runs.c.finished_at < old.runs, runs.c.place > HISTORY_RUNS))
        or 0,
        notifications=session.scalar(select(func.count(Notification.id)).where(*over)) or 0,
        deliveries=session.scalar(
            select(func.count(Delivery.id))
            .join(Notification)
            .where(or_(and_(*over), and_(_DELIVERY_OVER, Delivery.at < old.deliveries)))
        )
        or 0,
        post_texts=session.scalar(select(func.count(Post.id)).where(*texts)) or 0,
        keywords=session.scalar(select(func.count(Keyword.id)).where(*unused)) or 0,
    )
