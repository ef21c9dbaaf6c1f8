"""One crawl from the parent's side: claim the run, lease the host, run the child, close the run with its verdict."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

from redis import Redis
from sqlalchemy.orm import Session

from pipeline import locks, logs
from pipeline.crawling.child import run_child
from pipeline.crawling.closing import close_run
from pipeline.crawling.forkserver import PreloadError
from pipeline.crawling.order import CrawlOrder, CrawlProgress, CrawlReport
from pipeline.crawling.run_lease import RUN_LEASE_S, Stop, kept, lease_end
from pipeline.errors import PipelineError
from pipeline.resources import now
from pipeline.settings import Settings
from storage import crawl_runs, site_sessions, sites
from storage.models import CrawlRun, Site
from storage.run_figures import NO_PROCESS, UNSTORABLE
from storage.session import PASSING_ERRORS, Database
from storage.sites import host_of

logger = logging.getLogger(__name__)

WRITE_S = 120.0
"""For so long is tried to write how a crawl ended."""
WRITE_AGAIN_S = 2.0
ROBOTS_LIFETIME = timedelta(days=1)
"""RFC 9309, section 2.4: a copy should not be used for more than 24 hours, unless robots.txt is unreachable."""
ROBOTS_USABLE = timedelta(days=30)
"""How long a copy serves then: what section 2.3.1.4 calls "a reasonably long period of time (for example, 30 days)"."""
VALIDATORS_LIFETIME = timedelta(days=1)
"""A page is fetched without a condition when it last came so long ago: some servers answer 304 for ever."""


T = TypeVar("T")


class HostBusyError(PipelineError, RuntimeError):
    """Another site of the same host is being crawled; the run waits in the queue."""


@dataclass(frozen=True, kw_only=True)
class CrawlEnd:
    """How a crawl ended."""

    run_id: int
    site: str
    report: CrawlReport
    new_posts: int
    # What the verdict made of the new posts: ready, held or silent.
    fanout: str
    # Posts whose fan-out is owed now.
    ready: tuple[int, ...]
    # The crawl was broken off and will be done again; nothing was decided.
    handed_back: bool = False
    # The broker was away: what is owed now is sent for by a sweep.
    unsent: bool = False


class Crawler:
    """Runs crawls in this process. Each call of `crawl` may come from a thread of its own."""

    def __init__(self, settings: Settings, database: Database, redis: Redis) -> None:
        self._settings = settings
        self._database = database
        self._redis = redis

    def crawl(
        self,
        run_id: int,
        *,
        stop: threading.Event,
        hand_back: bool,
        out_of_turn: bool = False,
        on_progress: Callable[[CrawlProgress], None] | None = None,
    ) -> CrawlEnd | None:
        """Do an owed crawl; None when there is none to be done: it is over, in somebody else's hands, or paused.

        The crawls of one host form a line: of those that are owed the first is done, whichever was asked for, unless
        `out_of_turn` says that it is to be this one. `stop` ends it early, and so does a pause of the site's crawls
        within RENEW_EVERY_S: with `hand_back` the run returns to the line, else it is closed with what it has.
        Raises HostBusyError when its host is being crawled; the end of that crawl sends for the next in line.
        """
        with self._database.reading() as session:
            asked = session.get(CrawlRun, run_id)
            if asked is None:
                return None
            host = host_of(session.get_one(Site, asked.site_id))
        lease = locks.Lease(self._redis, f"host:{host}", RUN_LEASE_S)
        if not lease.acquire():
            raise HostBusyError(f"another site of {host} is being crawled")
        try:
            order = self._claim(host, run_id, owner := uuid4().hex, out_of_turn=out_of_turn)
            if order is None:
                return None
            either = Stop(everything=stop)
            with (
                logs.bound(site=order.site_name),
                kept(
                    self._database, lease, either,
                    run_id=order.run_id, site_id=order.site_id, site=order.site_name, owner=owner,
                ),
            ):  # fmt: skip
                report = _report(order, either, on_progress)
                if report.finish_reason == "stopped" and hand_back:
                    _until_written(lambda: self._hand_back(order.run_id, owner), either)
                    return CrawlEnd(
                        run_id=order.run_id, site=order.site_name, report=report, new_posts=0, fanout="", ready=(),
                        handed_back=True,
                    )  # fmt: skip
                return self._written(order, owner, report, either)
        finally:
            lease.release()

    def next_in_line(self, run_id: int) -> int | None:
        """The run to send for now that this one has left its host free, marked as enqueued; None when none waits."""
        with self._database.writing() as session:
            done = session.get(CrawlRun, run_id)
            return None if done is None or done.host is None else crawl_runs.call_next(session, done.host, now=now())

    def _claim(self, host: str, run_id: int, owner: str, *, out_of_turn: bool) -> CrawlOrder | None:
        with self._database.writing() as session:
            at = now()
            first = None if out_of_turn else crawl_runs.first_in_line(session, host, now=at)
            run = crawl_runs.claim(session, first or run_id, owner=owner, now=at, lease_until=lease_end())
            return None if run is None else self._order(session, run, session.get_one(Site, run.site_id))

    def _written(self, order: CrawlOrder, owner: str, report: CrawlReport, stop: Stop) -> CrawlEnd | None:
        try:
            return _until_written(lambda: self._close(order.run_id, owner, order.site_name, report), stop)
        except PASSING_ERRORS:
            raise
        except Exception:
            # Whatever the database takes offence at, the run must not stay open: its site would never be crawled again.
            logger.exception("the crawl's report could not be stored", extra={"fields": {"site": order.site_name}})
            words = "what the crawl reported could not be stored: the log of the crawler has the reason"
            unstorable = CrawlReport(finish_reason=UNSTORABLE, ok=False, errors=1, first_error=words)
            return _until_written(lambda: self._close(order.run_id, owner, order.site_name, unstorable), stop)

    def _order(self, session: Session, run: CrawlRun, site: Site) -> CrawlOrder:
        robots = sites.kept_robots(session, host_of(site), since=now() - ROBOTS_USABLE)
        fresh_since = now() - ROBOTS_LIFETIME
        kept = site_sessions.kept(session, site.id)
        return order_for(
            self._settings,
            run_id=run.id,
            site_id=site.id,
            site_name=site.name,
            spider=site.spider,
            params=site.params,
            timezone=site.timezone,
            database_url=self._settings.database,
            obey_robots=site.robots_exempt_reason is None,
            allow_private=site.allow_private,
            validators={
                url: (found.etag, found.last_modified)
                for url, found in sites.validators(session, site.id, since=now() - VALIDATORS_LIFETIME).items()
            },
            robots={origin: kept.body for origin, kept in robots.items() if kept.fetched_at > fresh_since},
            session=kept.cookies,
            logins_refused=kept.refused,
            old_robots={origin: kept.body for origin, kept in robots.items() if kept.fetched_at <= fresh_since},
        )

    def _hand_back(self, run_id: int, owner: str) -> None:
        with self._database.writing() as session:
            crawl_runs.hand_back(session, run_id, owner=owner, now=now())

    def _close(self, run_id: int, owner: str, site: str, report: CrawlReport) -> CrawlEnd | None:
        with self._database.writing() as session:
            run = crawl_runs.lock(session, run_id, owner=owner)
            if run is None:
                return None
            if report.ok:
                found = {url: sites.Validator(etag=e, last_modified=m) for url, (e, m) in report.validators.items()}
                sites.keep_validators(session, run.site_id, found, now=now())
            sites.keep_robots(session, report.robots, now=now())
            site_sessions.note(session, run.site_id, cookies=report.session, refused=report.login_refused, now=now())
            closed = close_run(session, run, report, retry_after_s=report.retry_after_s)
        return CrawlEnd(
            run_id=run_id, site=site, report=report, new_posts=closed.new, fanout=closed.fanout, ready=closed.ready
        )


def order_for(settings: Settings, **of_the_site: Any) -> CrawlOrder:
    """The order to crawl a site, given by CrawlOrder's fields, within the limits that are configured."""
    return CrawlOrder(
        user_agent=settings.user_agent,
        soft_limit_s=settings.crawl_soft_limit_s,
        hard_limit_s=settings.crawl_hard_limit_s,
        memory_mb=settings.crawl_memory_mb,
        download_max_bytes=settings.crawl_max_bytes,
        max_pages=settings.crawl_max_pages,
        download_delay_s=settings.crawl_delay_s,
        session_key=settings.session_key,
        **of_the_site,
    )


def _report(order: CrawlOrder, stop: Stop, on_progress: Callable[[CrawlProgress], None] | None) -> CrawlReport:
    try:
        return run_child(order, stop=stop, lease=lambda: stop.lease_until, on_progress=on_progress)
    except PreloadError as error:
        return CrawlReport(finish_reason=NO_PROCESS, ok=False, first_error=str(error))


def _until_written(write: Callable[[], T], stop: Stop) -> T:
    """Write how a crawl ended, also when the database is away just now: else it would count as one that was lost.

    Its lease is kept alive meanwhile. Raises what the database raises when that lasts for too long, or at a stop.
    """
    end = time.monotonic() + WRITE_S
    while True:
        try:
            with stop.writing:
                written = write()
                stop.is_written = True
                return written
        except PASSING_ERRORS:
            if time.monotonic() > end or stop.everything.wait(WRITE_AGAIN_S):
                raise


def missing_contact(settings: Settings) -> str | None:
    """What is wrong with our User-Agent, in a sentence with the way out; None when nothing is.

    A deployment, which is what uses PostgreSQL, must tell the sites whom to write to.
    """
    if settings.crawl_contact or not settings.database.startswith("postgres"):
        return None
    return (
        "CRAWL_CONTACT is not set: the sites that are crawled cannot reach you. "
        "Set it to a mail or web address; it becomes part of the User-Agent"
    )
