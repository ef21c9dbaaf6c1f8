"""What `status` and the metrics show: each one statement, whose cost does not grow with the tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, literal, or_, select, text
from sqlalchemy.orm import Session

from storage.models import (
    RUN_UNFINISHED,
    CrawlRun,
    Delivery,
    Device,
    Keyword,
    Notification,
    Post,
    Site,
    Subscription,
    User,
)
from storage.open_posts import fanout_is
from storage.types import Base

POSTS_COUNTED = 1_000
"""Up to so many posts of a site are counted."""
COUNTED = 100_000
"""Up to so many rows are counted one by one, which takes some hundredths of a second."""
PUSHES_COUNTED = 1_000_000
"""The same of the deliveries of a time, which only a look at each sorts by platform."""
FAILURES_COUNTED = 1_000
"""The reasons of so many failures, the latest, are counted."""


class Precision(StrEnum):
    """How well a number is known."""

    EXACT = "exact"
    # The count was given up there.
    AT_LEAST = "at least"
    # What PostgreSQL's planner believes, as of its last look at the table.
    ABOUT = "about"


@dataclass(frozen=True, kw_only=True)
class Amount:
    """How many there are, and how well that is known."""

    count: int
    precision: Precision = Precision.EXACT


@dataclass(frozen=True, kw_only=True)
class SiteState:
    """A site as `status` and `sites list` show it."""

    site: Site
    last_run: CrawlRun | None
    held_posts: int
    # At most POSTS_COUNTED, which then means "that many or more".
    posts: int


def site_states(
    session: Session,
    *which: ColumnElement[bool],
    name: str | None = None,
    with_posts: bool = True,
    limit: int | None = None,
) -> list[SiteState]:
    """Every site (or one) with its last run and the numbers of its posts, by name.

    which: conditions on the sites.
    with_posts: count them, which of all that is told here takes longest; else each site has 0.
    """
    last = select(func.max(CrawlRun.id)).where(CrawlRun.site_id == Site.id).correlate(Site).scalar_subquery()
    # Held posts are few, and one walk over their index serves all sites.
    held = select(Post.site_id, func.count().label("held")).where(fanout_is("held")).group_by(Post.site_id).subquery()
    # Of each site only so many: the answer to "how many are there" must not cost more with every year.
    some = select(Post.id).where(Post.site_id == Site.id).correlate(Site).limit(POSTS_COUNTED).subquery()
    posts = select(func.count()).select_from(some).scalar_subquery() if with_posts else literal(0)
    query = (
        select(Site, CrawlRun, func.coalesce(held.c.held, 0), posts)
        .outerjoin(CrawlRun, CrawlRun.id == last)
        .outerjoin(held, held.c.site_id == Site.id)
        .where(*which)
        .order_by(Site.name)
        .limit(limit)
    )
    if name is not None:
        query = query.where(Site.name == name)
    return [
        SiteState(site=site, last_run=run, held_posts=held_posts, posts=count)
        for site, run, held_posts, count in session.execute(query)
    ]


def held_posts(session: Session) -> Mapping[int, int]:
    """How many posts of each site are held, by the site's id; sites without any are left out."""
    rows = session.execute(select(Post.site_id, func.count()).where(fanout_is("held")).group_by(Post.site_id))
    return dict(rows.all())


def counts(session: Session) -> dict[str, Amount]:
    """How many users, enabled devices, subscriptions and distinct phrases there are."""
    return {
        "users": _rows(session, User),
        "devices": _counted(session, select(Device.id).where(Device.disabled_at.is_(None))),
        "subscriptions": _rows(session, Subscription),
        "phrases": _rows(session, Keyword),
    }


def how_many(session: Session, table: type[Base], *which: ColumnElement[bool], **columns: Any) -> Amount:
    """How many rows meet the conditions and have these values in these columns; None stands for any value."""
    return _counted(session, select(literal(1)).select_from(table).where(*which).filter_by(**_given(columns)))


def _given(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in columns.items() if value is not None}


def _counted(session: Session, query: Select[Any]) -> Amount:
    """How many rows a query finds, of which hardly more than COUNTED are looked at."""
    some = query.limit(COUNTED + 1).subquery()
    count = session.scalar(select(func.count()).select_from(some)) or 0
    return Amount(count=count) if count <= COUNTED else Amount(count=COUNTED, precision=Precision.AT_LEAST)


def _rows(session: Session, table: type[Base]) -> Amount:
    """How many rows a table has: counted when they are few, else what the planner believes where there is one."""
    amount = _counted(session, select(literal(1)).select_from(table))
    if amount.precision is Precision.EXACT or session.get_bind().dialect.name != "postgresql":
        return amount
    believed = session.scalar(
        text("SELECT reltuples::bigint FROM pg_class WHERE oid = CAST(:name AS regclass)"),
        {"name": table.__tablename__},
    )
    # A table that was never analysed has none, and one that grew since has too few.
    return Amount(count=believed, precision=Precision.ABOUT) if believed and believed > amount.count else amount


def posts_since(session: Session, since: datetime) -> Amount:
    """How many posts were first seen after a moment."""
    return _counted(session, select(Post.id).where(Post.first_seen_at > since))


def pushes_since(session: Session, since: datetime) -> Mapping[str, Amount]:
    """How many pushes were tried after a moment, by platform and outcome."""
    some = select(Delivery.platform, Delivery.status).where(Delivery.at > since).limit(PUSHES_COUNTED).subquery()
    rows = session.execute(
        select(some.c.platform, some.c.status, func.count())
        .group_by(some.c.platform, some.c.status)
        .order_by(some.c.platform, some.c.status)
    ).all()
    all_seen = sum(count for _, _, count in rows) < PUSHES_COUNTED
    precision = Precision.EXACT if all_seen else Precision.AT_LEAST
    return {f"{platform} {status}": Amount(count=count, precision=precision) for platform, status, count in rows}


def by_step(session: Session, edges: Sequence[datetime]) -> tuple[list[int], list[dict[str, int]]]:
    """What happened between each moment and the next: how many posts were first seen, and pushes by outcome."""

    def step(column: Any) -> Any:
        return case(*((column < edge, place) for place, edge in enumerate(edges[1:])), else_=len(edges) - 1)

    posts, pushes = [0] * (len(edges) - 1), [dict[str, int]() for _ in edges[1:]]
    seen = select(step(Post.first_seen_at).label("step")).where(
        Post.first_seen_at >= edges[0], Post.first_seen_at < edges[-1]
    )
    some = seen.limit(COUNTED).subquery()
    for place, count in session.execute(select(some.c.step, func.count()).group_by(some.c.step)):
        posts[place] = count
    sent = select(step(Delivery.at).label("step"), Delivery.status).where(
        Delivery.at >= edges[0], Delivery.at < edges[-1]
    )
    some = sent.limit(PUSHES_COUNTED).subquery()
    rows = session.execute(select(some.c.step, some.c.status, func.count()).group_by(some.c.step, some.c.status))
    for place, status, count in rows:
        pushes[place][status] = count
    return posts, pushes


@dataclass(frozen=True, kw_only=True)
class Owed:
    """What is owed and not done yet: the rows of an outbox, as this is usually called."""

    pending: Amount
    # Since when the pending notification that has been due for longest is due; it may lie ahead.
    due_since: datetime | None
    sending: Amount
    failed: Amount
    fan_outs: Amount
    runs: Amount
    # Of the pending ones those that wait for their users' time, by what for, such as "quiet hours".
    waiting: Mapping[str, Amount] = field(default_factory=dict)


def owed(session: Session) -> Owed:
    """What is owed at this moment."""

    def of_status(status: str) -> Select[Any]:
        return select(Notification.id).where(Notification.status == status)

    return Owed(
        pending=_counted(session, of_status("pending")),
        due_since=session.scalar(
            select(Notification.next_attempt_at)
            # Those of a digest go with the one in whose name it is sent, which may wait for another try.
            .where(
                Notification.status == "pending", or_(Notification.deferred.is_(None), Notification.digest_id.is_(None))
            )
            .order_by(Notification.next_attempt_at)
            .limit(1)
        ),
        sending=_counted(session, of_status("sending")),
        failed=_counted(session, of_status("failed")),
        fan_outs=_counted(session, select(Post.id).where(fanout_is("ready"))),
        runs=_counted(session, select(CrawlRun.id).where(CrawlRun.status.in_(RUN_UNFINISHED))),
        waiting=_waiting(session),
    )


def _waiting(session: Session) -> Mapping[str, Amount]:
    some = select(Notification.deferred).where(Notification.deferred.is_not(None)).limit(COUNTED + 1).subquery()
    rows = session.execute(
        select(some.c.deferred, func.count()).group_by(some.c.deferred).order_by(func.count().desc(), some.c.deferred)
    ).all()
    all_seen = sum(count for _, count in rows) <= COUNTED
    precision = Precision.EXACT if all_seen else Precision.AT_LEAST
    return {reason: Amount(count=count, precision=precision) for reason, count in rows}


def failure_reasons(session: Session, *, limit: int) -> Sequence[tuple[str | None, int]]:
    """Why the latest FAILURES_COUNTED notifications failed, the most frequent reason first."""
    latest = (
        select(Notification.reason)
        .where(Notification.status == "failed")
        .order_by(Notification.id.desc())
        .limit(FAILURES_COUNTED)
        .subquery()
    )
    return session.execute(
        select(latest.c.reason, func.count()).group_by(latest.c.reason).order_by(func.count().desc()).limit(limit)
    ).all()
