"""What `status` shows: counts over the tables, each one statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from storage.models import CrawlRun, Delivery, Device, Keyword, Notification, Post, Site, Subscription, User

POSTS_COUNTED = 1_000
"""Up to so many posts of a site are counted."""


@dataclass(frozen=True, kw_only=True)
class SiteState:
    """A site as `status` and `sites list` show it."""

    site: Site
    last_run: CrawlRun | None
    held_posts: int
    # At most POSTS_COUNTED, which then means "that many or more".
    posts: int


def site_states(session: Session, *, name: str | None = None) -> list[SiteState]:
    """Every site (or one) with its last run and the numbers of its posts, by name."""
    last = select(func.max(CrawlRun.id)).where(CrawlRun.site_id == Site.id).correlate(Site).scalar_subquery()
    # Held posts are few, and one walk over their index serves all sites.
    held = (
        select(Post.site_id, func.count().label("held")).where(Post.fanout == "held").group_by(Post.site_id).subquery()
    )
    # Of each site only so many: the answer to "how many are there" must not cost more with every year.
    some = select(Post.id).where(Post.site_id == Site.id).correlate(Site).limit(POSTS_COUNTED).subquery()
    posts = select(func.count()).select_from(some).scalar_subquery()
    query = (
        select(Site, CrawlRun, func.coalesce(held.c.held, 0), posts)
        .outerjoin(CrawlRun, CrawlRun.id == last)
        .outerjoin(held, held.c.site_id == Site.id)
        .order_by(Site.name)
    )
    if name is not None:
        query = query.where(Site.name == name)
    return [
        SiteState(site=site, last_run=run, held_posts=held_posts, posts=count)
        for site, run, held_posts, count in session.execute(query)
    ]


def counts(session: Session) -> dict[str, int]:
    """How many users, enabled devices, subscriptions and distinct phrases there are."""
    return {
        "users": session.scalar(select(func.count()).select_from(User)) or 0,
        "devices": session.scalar(select(func.count()).select_from(Device).where(Device.disabled_at.is_(None))) or 0,
        "subscriptions": session.scalar(select(func.count()).select_from(Subscription)) or 0,
        "phrases": session.scalar(select(func.count()).select_from(Keyword)) or 0,
    }


def posts_since(session: Session, since: datetime) -> int:
    """How many posts were first seen after a moment."""
    return session.scalar(select(func.count()).select_from(Post).where(Post.first_seen_at > since)) or 0


def pushes_since(session: Session, since: datetime) -> Mapping[str, int]:
    """How many pushes were tried after a moment, by platform and outcome."""
    rows = session.execute(
        select(Delivery.platform, Delivery.status, func.count())
        .where(Delivery.at > since)
        .group_by(Delivery.platform, Delivery.status)
        .order_by(Delivery.platform, Delivery.status)
    )
    return {f"{platform} {status}": count for platform, status, count in rows}


@dataclass(frozen=True, kw_only=True)
class Owed:
    """What is owed and not done yet."""

    pending: int
    oldest_pending: datetime | None
    sending: int
    failed: int
    fan_outs: int
    runs: int


def owed(session: Session) -> Owed:
    """What is owed at this moment."""
    pending, oldest = session.execute(
        select(func.count(), func.min(Notification.created_at)).where(Notification.status == "pending")
    ).one()
    return Owed(
        pending=pending,
        oldest_pending=oldest,
        sending=session.scalar(select(func.count()).where(Notification.status == "sending")) or 0,
        failed=session.scalar(select(func.count()).where(Notification.status == "failed")) or 0,
        fan_outs=session.scalar(select(func.count()).where(Post.fanout == "ready")) or 0,
        runs=session.scalar(select(func.count()).where(or_(CrawlRun.status == "queued", CrawlRun.status == "running")))
        or 0,
    )


def failure_reasons(session: Session, *, limit: int) -> Sequence[tuple[str | None, int]]:
    """Why notifications failed, the most frequent reason first."""
    return session.execute(
        select(Notification.reason, func.count())
        .where(Notification.status == "failed")
        .group_by(Notification.reason)
        .order_by(func.count().desc())
        .limit(limit)
    ).all()
