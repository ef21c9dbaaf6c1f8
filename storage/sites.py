"""Sites: their definitions, what is due, and the state that a run leaves behind."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import case, delete, func, or_, select
from sqlalchemy.orm import Session

from storage import site_sessions, stories
from storage.dialect import insert, upsert
from storage.errors import StorageError
from storage.models import CrawlRun, PageValidator, Post, RobotsFile, Site
from storage.pauses import crawls_paused

HOST_LENGTH = 255
"""A name in the DNS has at most 253 characters."""


class UnknownSiteError(StorageError, LookupError):
    """There is no site of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no site named {name!r}: `crawlpush sites list` shows the names")


class DuplicateSiteError(StorageError, ValueError):
    """A site of that name exists already."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"a site named {name!r} exists already: choose another name, or `crawlpush sites remove {name}` first"
        )


def add(session: Session, *, name: str, spider: str, now: datetime, **columns: Any) -> Site:
    """Insert a site; `columns` are further columns of the table. Raises DuplicateSiteError."""
    row = {"name": name, "spider": spider, "params": {}, "created_at": now, **columns}
    site_id = session.scalar(
        insert(session, Site).values(row).on_conflict_do_nothing(index_elements=[Site.name]).returning(Site.id)
    )
    if site_id is None:
        raise DuplicateSiteError(name)
    return session.get_one(Site, site_id)


def by_name(session: Session, name: str) -> Site:
    """The site of that name. Raises UnknownSiteError."""
    site = session.scalar(select(Site).where(Site.name == name))
    if site is None:
        raise UnknownSiteError(name)
    return site


def all_sites(session: Session) -> Sequence[Site]:
    """Every site, by name."""
    return session.scalars(select(Site).order_by(Site.name)).all()


def of_ids(session: Session, ids: Collection[int]) -> Mapping[int, Site]:
    """Sites by their ids."""
    return {site.id: site for site in session.scalars(select(Site).where(Site.id.in_(ids)))}


def remove(session: Session, name: str, *, now: datetime) -> int:
    """Delete a site with its runs, posts and notifications; returns the number of posts that went with it."""
    site = by_name(session, name)
    stories.leave(session, site.id, now=now)
    posts = session.scalar(select(func.count()).select_from(Post).where(Post.site_id == site.id)) or 0
    session.execute(delete(Site).where(Site.id == site.id))
    return posts


def claim_due(session: Session, *, now: datetime, next_run: Callable[[Site], datetime]) -> list[int]:
    """Move each due site on to its next run and insert a queued run for it; returns the new runs' ids.

    A site whose crawls are paused stays due, so that it is crawled once when the pause ends.
    A site whose last run is unfinished gets none, which is counted on the site. Two callers at once claim a site
    once: on PostgreSQL by row locks, on SQLite because writers take turns.
    """
    due = session.scalars(
        select(Site)
        .where(
            Site.enabled,
            Site.next_crawl_at <= now,
            or_(Site.suspended_until.is_(None), Site.suspended_until <= now),
            ~crawls_paused(),
        )
        .order_by(Site.next_crawl_at)
        .with_for_update(skip_locked=True)
    ).all()
    runs = []
    for site in due:
        site.next_crawl_at = next_run(site)
        run_id = queue_run(session, site.id, trigger="beat", now=now)
        if run_id is None:
            site.skipped_runs += 1
        else:
            runs.append(run_id)
    return runs


def host_of(site: Site) -> str:
    """The host that a site's crawl goes to: only one crawl at a time may."""
    return (urlsplit(str(site.params.get("url", ""))).hostname or f"site-{site.id}")[:HOST_LENGTH]


def queue_run(session: Session, site_id: int, *, trigger: str, now: datetime) -> int | None:
    """Insert a queued run for a site and return its id; None when the site has an unfinished run."""
    site = session.get_one(Site, site_id)
    run_id: int | None = session.scalar(
        insert(session, CrawlRun)
        .values(
            site_id=site_id,
            host=host_of(site),
            trigger=trigger,
            status="queued",
            created_at=now,
            enqueued_at=now,
            status_counts={},
        )
        .on_conflict_do_nothing()
        .returning(CrawlRun.id)
    )
    return run_id


@dataclass(frozen=True, kw_only=True)
class Validator:
    """What a server gave for a conditional GET of one page."""

    etag: str | None
    last_modified: str | None


def validators(session: Session, site_id: int, *, since: datetime) -> dict[str, Validator]:
    """The validators of a site's pages that came whole after a moment, by URL."""
    rows = session.scalars(
        select(PageValidator).where(PageValidator.site_id == site_id, PageValidator.fetched_at > since)
    )
    return {row.url: Validator(etag=row.etag, last_modified=row.last_modified) for row in rows}


def keep_validators(session: Session, site_id: int, found: Mapping[str, Validator], *, now: datetime) -> None:
    """Replace the validators of the given pages; only after a run whose posts are all stored."""
    if not found:
        return
    rows = [
        {"site_id": site_id, "url": url, "etag": v.etag, "last_modified": v.last_modified, "fetched_at": now}
        for url, v in sorted(found.items())
    ]
    upsert(session, PageValidator, rows, key=["site_id", "url"])


def forget_validators(session: Session, site_id: int) -> None:
    """Make the next crawl fetch everything again, because the site's parameters changed."""
    session.execute(delete(PageValidator).where(PageValidator.site_id == site_id))


def kept_robots(session: Session, host: str, *, since: datetime) -> dict[str, RobotsFile]:
    """A host's robots.txt files that were fetched after `since`, by origin: one for each scheme and port."""
    files = session.scalars(
        select(RobotsFile).where(
            RobotsFile.fetched_at > since,
            or_(*(RobotsFile.origin.startswith(f"{scheme}://{host}", autoescape=True) for scheme in ("http", "https"))),
        )
    )
    return {file.origin: file for file in files if urlsplit(file.origin).hostname == host}


def keep_robots(session: Session, found: Mapping[str, str], *, now: datetime) -> None:
    """Keep robots.txt files that a run fetched, by origin."""
    if not found:
        return
    rows = [{"origin": origin, "body": body, "fetched_at": now} for origin, body in sorted(found.items())]
    upsert(session, RobotsFile, rows, key=["origin"])


def set_enabled(session: Session, name: str, *, enabled: bool, now: datetime) -> None:
    """Switch a site on or off. One switched on is due at once, and what went wrong before is forgotten."""
    site = by_name(session, name)
    site.enabled = enabled
    site.next_crawl_at = now if enabled else None
    site.suspended_until, site.failures, site.empty_runs = None, 0, 0
    site_sessions.forget(session, site.id)
    forget_trouble(site)


def forget_trouble(site: Site) -> None:
    """Let a site whose definition was changed, or that was switched on, begin anew."""
    site.trouble, site.trouble_since, site.good_runs, site.advice = None, None, 0, None


def far_ahead(session: Session, *, since: datetime) -> Sequence[Site]:
    """Enabled sites whose next crawl is later than a moment, locked; those that somebody else holds are left out."""
    return session.scalars(
        select(Site).where(Site.enabled, Site.next_crawl_at > since).with_for_update(skip_locked=True)
    ).all()


def end_long_suspensions(
    session: Session, *, now: datetime, longest: Callable[[int], timedelta], asked_for: timedelta
) -> int:
    """End suspensions that last longer than they may: a clock that ran ahead began them. Returns how many.

    longest: after so many failures, of those that are ours; asked_for: of those that a site asked for.
    """
    last = select(func.max(CrawlRun.id)).where(CrawlRun.site_id == Site.id).correlate(Site).scalar_subquery()
    ended = 0
    for site, reason in session.execute(
        select(Site, CrawlRun.finish_reason)
        .outerjoin(CrawlRun, CrawlRun.id == last)
        .where(Site.suspended_until > now)
        .with_for_update(of=Site, skip_locked=True)
    ):
        bound = asked_for if reason == "retry_after" else longest(site.failures)
        if site.suspended_until is not None and site.suspended_until > now + bound:
            site.suspended_until = None
            ended += 1
    return ended


def upcoming(session: Session, *, limit: int | None) -> Sequence[Site]:
    """Enabled sites in the order in which they are crawled next."""
    due = case((Site.suspended_until > Site.next_crawl_at, Site.suspended_until), else_=Site.next_crawl_at)
    return session.scalars(
        select(Site).where(Site.enabled, Site.next_crawl_at.is_not(None)).order_by(due, Site.name).limit(limit)
    ).all()


def due_at(site: Site) -> datetime | None:
    """When a site is crawled next: when its schedule says, or when its suspension ends, if that is later."""
    if not site.enabled or site.next_crawl_at is None:
        return None
    return max(site.next_crawl_at, site.suspended_until or site.next_crawl_at)
