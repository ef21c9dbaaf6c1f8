"""Crawl runs: claiming one, keeping its lease, and closing it together with the decision about its posts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, case, func, or_, select, update
from sqlalchemy.orm import Session

from storage.models import CrawlRun, Post, Site
from storage.pauses import crawls_paused
from storage.run_figures import RunFigures

HISTORY_RUNS = 20
"""How many finished runs make a site's history."""
CLOCK_TOLERANCE = timedelta(minutes=2)
"""A lease or message further in the future than this, which is twice the lease, was dated by a clock that ran ahead."""


@dataclass(frozen=True, kw_only=True)
class SiteHistory:
    """What the site's earlier runs say about what is usual."""

    baseline_done: bool
    # Mean number of pushed posts of the recent finished runs that pushed any; 0 where that is not known yet.
    usual_new: float
    # Whether any recent finished run saw items at all.
    saw_items: bool
    failures: int
    empty_runs: int
    max_age_s: int
    # The trouble the site is in ("broken", "suspect", "ids change"), and how many good runs in a row it has had since.
    trouble: str | None = None
    good_runs: int = 0
    # What the site's owner was told to set.
    advice: str | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The decision about a run, made once, by pipeline.crawling.verdict."""

    # What becomes of the run's posts: ready, held or silent; older ones than `silent_before` are silent anyway.
    fanout: str
    silent_before: datetime
    baseline_done: bool
    failures: int
    empty_runs: int
    suspended_until: datetime | None
    trouble: str | None = None
    good_runs: int = 0
    advice: str | None = None


def claim(session: Session, run_id: int, *, owner: str, now: datetime, lease_until: datetime) -> CrawlRun | None:
    """Take a queued run, or a running one whose lease ran out; None when it is over, somebody else's, or paused."""
    claimed = session.scalar(
        update(CrawlRun)
        .where(
            CrawlRun.id == run_id,
            or_(
                CrawlRun.status == "queued",
                and_(CrawlRun.status == "running", CrawlRun.lease_until < now),
            ),
            ~_is_paused(),
        )
        .values(
            status="running",
            owner=owner,
            lease_until=lease_until,
            started_at=func.coalesce(CrawlRun.started_at, now),
        )
        .returning(CrawlRun.id)
    )
    return None if claimed is None else session.get_one(CrawlRun, claimed)


def first_in_line(session: Session, host: str, *, now: datetime) -> int | None:
    """The owed run that has waited for a host for longest, and may be claimed; None when there is none."""
    return session.scalar(
        select(CrawlRun.id)
        .where(
            CrawlRun.host == host,
            or_(CrawlRun.status == "queued", and_(CrawlRun.status == "running", CrawlRun.lease_until < now)),
            ~_is_paused(),
        )
        .order_by(CrawlRun.id)
        .limit(1)
    )


def call_next(session: Session, host: str, *, now: datetime) -> int | None:
    """The first in a host's line, marked as enqueued now; the caller sends a message for it. None when nobody waits."""
    first = first_in_line(session, host, now=now)
    return session.scalar(
        update(CrawlRun)
        .where(CrawlRun.id == first, CrawlRun.status == "queued")
        .values(enqueued_at=now)
        .returning(CrawlRun.id)
    )


def _is_paused() -> ColumnElement[bool]:
    return CrawlRun.site_id.in_(select(Site.id).where(crawls_paused()))


def extend(session: Session, run_id: int, *, owner: str, lease_until: datetime) -> bool:
    """Keep a run's lease alive; False when it is not ours any more, so that the caller must stop."""
    extended = session.scalar(
        update(CrawlRun)
        .where(CrawlRun.id == run_id, CrawlRun.owner == owner, CrawlRun.status == "running")
        .values(lease_until=lease_until)
        .returning(CrawlRun.id)
    )
    return extended is not None


def hand_back(session: Session, run_id: int, *, owner: str, now: datetime) -> None:
    """Put a run that we hold back into the queue, with the posts that it stored so far still undecided."""
    session.execute(
        update(CrawlRun)
        .where(CrawlRun.id == run_id, CrawlRun.owner == owner, CrawlRun.status == "running")
        .values(status="queued", owner=None, lease_until=None, enqueued_at=now)
    )


def history(session: Session, run: CrawlRun, *, with_usual: bool = True) -> SiteHistory:
    """What the site's runs before this one say; those answered with 304 say nothing of what is usual.

    How many posts are usual costs a look at the posts of these runs; without it that is 0.
    """
    site = session.get_one(Site, run.site_id)
    recent = session.execute(
        select(CrawlRun.id, CrawlRun.new_posts, CrawlRun.items_seen)
        .where(
            CrawlRun.site_id == run.site_id,
            CrawlRun.id < run.id,
            CrawlRun.status == "finished",
            CrawlRun.not_modified.is_(False),
        )
        .order_by(CrawlRun.id.desc())
        .limit(HISTORY_RUNS)
    ).all()
    pushed = _pushed(session, [row.id for row in recent if row.new_posts and with_usual])
    return SiteHistory(
        baseline_done=site.baseline_done,
        usual_new=sum(pushed) / len(pushed) if pushed else 0.0,
        saw_items=any(row.items_seen for row in recent),
        failures=site.failures,
        empty_runs=site.empty_runs,
        max_age_s=site.max_age_s,
        trouble=site.trouble,
        good_runs=site.good_runs,
        advice=site.advice,
    )


def _pushed(session: Session, run_ids: Sequence[int]) -> list[int]:
    """How many posts of each run were pushed, without the runs of which none was: held, dropped and silent ones say
    nothing of how many a site usually posts. Those that were released do.
    """
    if not run_ids:
        return []
    counts = select(func.count()).where(Post.run_id.in_(run_ids), Post.fanout.in_(("ready", "done")))
    return list(session.scalars(counts.group_by(Post.run_id)))


def post_count(session: Session, site_id: int, *, since: datetime) -> int:
    """How many posts of a site appeared after a moment; those of the silent baseline stood there before."""
    return (
        session.scalar(
            select(func.count()).where(Post.site_id == site_id, Post.first_seen_at > since, Post.fanout != "silent")
        )
        or 0
    )


def new_posts(session: Session, run_id: int) -> int:
    """How many posts this run was the first to store."""
    return session.scalar(select(func.count()).select_from(Post).where(Post.run_id == run_id)) or 0


def lock(session: Session, run_id: int, *, owner: str | None) -> CrawlRun | None:
    """The run, locked for closing, if it is still running under this owner; None when the right to close it is gone."""
    return session.scalar(
        select(CrawlRun)
        .where(CrawlRun.id == run_id, CrawlRun.owner == owner, CrawlRun.status == "running")
        .with_for_update()
    )


def close(
    session: Session,
    run: CrawlRun,
    figures: RunFigures,
    verdict: Verdict,
    *,
    new: int,
    now: datetime,
    carried: int = 0,
) -> list[int]:
    """Write a locked run's end and decide about all its posts at once; returns the ids of those to fan out."""
    run.status = "finished" if figures.ok else "failed"
    run.finished_at = now
    run.finish_reason = figures.finish_reason
    run.pages, run.bytes, run.errors = figures.pages, figures.bytes, figures.errors
    run.items_seen, run.new_posts, run.carried_posts = figures.items_seen, new, carried
    run.first_error, run.cpu_s = figures.first_error, figures.cpu_s
    run.status_counts = dict(figures.status_counts)
    run.not_modified = figures.not_modified
    run.post_pages, run.page_problem = figures.post_pages, figures.page_problem
    run.owner = run.lease_until = None
    site = session.get_one(Site, run.site_id)
    site.baseline_done = verdict.baseline_done
    site.failures, site.empty_runs = verdict.failures, verdict.empty_runs
    site.suspended_until = verdict.suspended_until
    if site.trouble != verdict.trouble:
        site.trouble, site.trouble_since = verdict.trouble, now if verdict.trouble else None
    site.good_runs, site.advice = verdict.good_runs, verdict.advice
    session.flush()
    return _decide(session, run.id, fanout=verdict.fanout, silent_before=verdict.silent_before, now=now)


def _decide(session: Session, run_id: int, *, fanout: str, silent_before: datetime, now: datetime) -> list[int]:
    decided = session.execute(
        update(Post)
        .where(Post.run_id == run_id, Post.fanout == "undecided")
        .values(fanout=case((Post.published_at < silent_before, "silent"), else_=fanout), fanout_enqueued_at=now)
        .returning(Post.id, Post.fanout)
    )
    return sorted(post_id for post_id, fate in decided if fate == "ready")


def decide_late_posts(session: Session, run_id: int, *, now: datetime) -> list[int]:
    """Decide about posts that a child stored after its run was closed as dead; returns the ids of those to fan out.

    They share the fate of the run's other posts: held or silent where those are, else ready once the baseline is done.
    """
    run = session.get_one(CrawlRun, run_id)
    site = session.get_one(Site, run.site_id)
    fates = set(session.scalars(select(Post.fanout).where(Post.run_id == run_id, Post.fanout.in_(("held", "dropped")))))
    fate = "silent" if not site.baseline_done else "held" if fates else "ready"
    silent_before = now - timedelta(seconds=site.max_age_s)
    return _decide(session, run_id, fanout=fate, silent_before=silent_before, now=now)


def dead(session: Session, *, now: datetime) -> Sequence[CrawlRun]:
    """Running runs whose lease ran out, or was taken by a clock that was wrong: their worker is gone."""
    return session.scalars(
        select(CrawlRun)
        .where(
            CrawlRun.status == "running",
            or_(CrawlRun.lease_until < now, CrawlRun.lease_until > now + CLOCK_TOLERANCE),
        )
        .with_for_update(skip_locked=True)
    ).all()


def stranded(session: Session, *, enqueued_before: datetime, now: datetime) -> list[int]:
    """Queued runs whose message is long overdue, marked as enqueued now; the caller sends a message for each.

    Not those that are paused: the end of the pause sends for them; nor those that wait in line while their host is
    crawled: the end of that crawl does.
    A message from the future is overdue too: it was sent by a clock that has been set right since.
    """
    busy = select(CrawlRun.host).where(
        CrawlRun.status == "running", CrawlRun.lease_until >= now, CrawlRun.host.is_not(None)
    )
    return list(
        session.scalars(
            update(CrawlRun)
            .where(
                CrawlRun.status == "queued",
                or_(CrawlRun.enqueued_at < enqueued_before, CrawlRun.enqueued_at > now + CLOCK_TOLERANCE),
                ~_is_paused(),
                or_(CrawlRun.host.is_(None), CrawlRun.host.not_in(busy)),
            )
            .values(enqueued_at=now)
            .returning(CrawlRun.id)
            .execution_options(synchronize_session=False)
        )
    )


def recent(session: Session, site_id: int, *, limit: int) -> Sequence[CrawlRun]:
    """A site's latest runs, newest first."""
    return session.scalars(
        select(CrawlRun).where(CrawlRun.site_id == site_id).order_by(CrawlRun.id.desc()).limit(limit)
    ).all()


def listing(session: Session, *which: ColumnElement[bool], limit: int | None) -> Sequence[tuple[CrawlRun, str]]:
    """The latest runs that meet the conditions, with their sites' names, the newest first."""
    query = select(CrawlRun, Site.name).join(Site, Site.id == CrawlRun.site_id).where(*which)
    return session.execute(query.order_by(CrawlRun.id.desc()).limit(limit)).all()
