"""An operator's pauses: of the crawls or the pushes of everything or of one site, or of one push channel.

They are kept over restarts, and only the operator ends them. Pauses overlap: what two of them hold waits for both.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, delete, exists, literal, null, or_, select, union_all, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from storage.dialect import connection_of, insert
from storage.models import ChannelHealth, ChannelState, CrawlRun, Pause, Site
from storage.waiting import pause_of, wake

Activity = Literal["crawl", "push"]

_SITE = "site "


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What a pause is about: everything of an activity, one site's part of it, or one push channel."""

    activity: Activity
    site: str | None = None
    channel: str | None = None

    @property
    def hold(self) -> str:
        """The name under which it holds notifications back."""
        return site_hold(self.site) if self.site else self.channel or self.activity


def site_hold(site: str) -> str:
    """The name under which the pause of a site's pushes holds notifications back."""
    return f"{_SITE}{site}"


@dataclass(frozen=True, kw_only=True)
class Resumed:
    """What the end of a pause set free."""

    # Owed crawls: the caller sends a message for each.
    runs: Sequence[int] = ()
    # Notifications that waited and are due now.
    notifications: int = 0


def begin(session: Session, scope: Scope, *, now: datetime) -> bool:
    """Pause; False when that was paused already. A site must exist."""
    if scope.site is None:
        statement = insert(session, Pause).values(name=scope.hold, paused_at=now).on_conflict_do_nothing()
        return session.scalar(statement.returning(Pause.name)) is not None
    column = _column(scope.activity)
    began = session.scalar(
        update(Site).where(Site.name == scope.site, column.is_(None)).values({column: now}).returning(Site.id)
    )
    return began is not None


def end(session: Session, scope: Scope, *, now: datetime) -> Resumed | None:
    """End a pause, and make due at once what it held; None when there was none.

    Sites that became due meanwhile need nothing: the next tick finds them.
    """
    if scope.site is None:
        ended: object = session.scalar(delete(Pause).where(Pause.name == scope.hold).returning(Pause.name))
    else:
        column = _column(scope.activity)
        ended = session.scalar(
            update(Site).where(Site.name == scope.site, column.is_not(None)).values({column: None}).returning(Site.id)
        )
    if ended is None:
        return None
    if scope.activity == "crawl":
        return Resumed(runs=_owed_runs(session, scope.site, now))
    return Resumed(notifications=wake(session, pause_of(scope.hold), now=now))


def _column(activity: Activity) -> InstrumentedAttribute[datetime | None]:
    return Site.crawl_paused_at if activity == "crawl" else Site.push_paused_at


def _owed_runs(session: Session, site: str | None, now: datetime) -> list[int]:
    """Queued runs that nothing holds any more, marked as enqueued now: their messages came while nobody took them."""
    free = select(Site.id).where(~crawls_paused())
    if site is not None:
        free = free.where(Site.name == site)
    return list(
        session.scalars(
            update(CrawlRun)
            .where(CrawlRun.status == "queued", CrawlRun.site_id.in_(free))
            .values(enqueued_at=now)
            .returning(CrawlRun.id)
            .execution_options(synchronize_session=False)
        )
    )


def crawls_paused() -> ColumnElement[bool]:
    """The condition that the crawls of a row of Site are paused, by its own pause or by that of all crawls."""
    return or_(Site.crawl_paused_at.is_not(None), exists().where(Pause.name == "crawl"))


def is_crawl_paused(session: Session, site_id: int) -> bool:
    """Whether the crawls of a site are paused."""
    return session.scalar(select(Site.id).where(Site.id == site_id, crawls_paused())) is not None


@dataclass(frozen=True, kw_only=True)
class Closed:
    """What a sender must know before it sends."""

    # Channels that their own faults have paused, by name.
    faulty: Mapping[str, ChannelState]
    # What an operator paused: "push", or channels.
    held: frozenset[str]
    # Channels whose vendor takes nothing, by a fault of its own.
    troubled: frozenset[str]


_NO_FAULT = (null(), null(), null(), null())
_CLOSED: Any = union_all(
    select(
        literal("fault").label("kind"),
        ChannelState.name,
        *(ChannelState.paused_at, ChannelState.paused_until, ChannelState.code, ChannelState.reason),
    ),
    select(literal("pause"), Pause.name, *_NO_FAULT).where(Pause.name != "crawl"),
    select(literal("trouble"), ChannelHealth.name, *_NO_FAULT).where(ChannelHealth.trouble_since.is_not(None)),
)


def closed(session: Session) -> Closed:
    """Which channels nothing, or only a probe, may be sent over; one statement, because each batch asks."""
    rows: Sequence[Any] = connection_of(session).execute(_CLOSED).all()
    faulty = {
        name: ChannelState(name=name, paused_at=at, paused_until=until, code=code, reason=reason)
        for kind, name, at, until, code, reason in rows
        if kind == "fault"
    }
    names = {kind: frozenset(row.name for row in rows if row.kind == kind) for kind in ("pause", "trouble")}
    return Closed(faulty=faulty, held=names["pause"], troubled=names["trouble"])


def lifted(session: Session, holds: Collection[str]) -> set[str]:
    """Those of the named holds that are over; the others cannot end before the caller's transaction does.

    Whoever puts a notification back to wait asks this first, or it would be missed by an end that came in between and
    wait until its ttl is over.
    """
    names = sorted(hold for hold in holds if not hold.startswith(_SITE))
    site_names = sorted(hold.removeprefix(_SITE) for hold in holds if hold.startswith(_SITE))
    kept = set(session.scalars(select(Pause.name).where(Pause.name.in_(names)).with_for_update(read=True)))
    if site_names:
        paused = select(Site.name).where(Site.name.in_(site_names), Site.push_paused_at.is_not(None))
        kept |= {site_hold(name) for name in session.scalars(paused.with_for_update(read=True))}
    return set(holds) - kept


@dataclass(frozen=True, kw_only=True)
class Paused:
    """A pause that is in force."""

    scope: Scope
    since: datetime


def in_force(session: Session) -> list[Paused]:
    """Every pause, those of everything first."""
    found = [
        Paused(scope=_scope_of(row.name), since=row.paused_at)
        for row in session.scalars(select(Pause).order_by(Pause.name))
    ]
    sites = session.scalars(
        select(Site).where(or_(Site.crawl_paused_at.is_not(None), Site.push_paused_at.is_not(None))).order_by(Site.name)
    )
    for site in sites:
        if site.crawl_paused_at is not None:
            found.append(Paused(scope=Scope(activity="crawl", site=site.name), since=site.crawl_paused_at))
        if site.push_paused_at is not None:
            found.append(Paused(scope=Scope(activity="push", site=site.name), since=site.push_paused_at))
    return found


def _scope_of(name: str) -> Scope:
    if name == "crawl":
        return Scope(activity="crawl")
    return Scope(activity="push", channel=None if name == "push" else name)
