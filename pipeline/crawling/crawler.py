"""One crawl from the parent's side: claim the run, lease the host, run the child, close the run with its verdict."""

import logging
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from pipeline import locks, logs
from pipeline.crawling import health, verdict
from pipeline.crawling.child import CrawlOrder, CrawlProgress, CrawlReport, PreloadError, run_child
from pipeline.errors import PipelineError
from pipeline.resources import now
from pipeline.scheduling import due
from pipeline.settings import Settings
from storage import crawl_runs, pauses, sites
from storage.models import CrawlRun, Site
from storage.run_figures import RunFigures
from storage.session import Database

logger = logging.getLogger(__name__)

RUN_LEASE_S = 60.0
"""A run whose worker died is closed, and its site free again, this long after the last sign of life (and a sweep)."""
HEARTBEAT_S = 10.0
ROBOTS_LIFETIME = timedelta(days=1)


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


@dataclass(frozen=True, kw_only=True)
class _Stop:
    """What ends one crawl early: the stop of its caller, which may be for all crawls, or one for this crawl alone."""

    everything: threading.Event
    this_crawl: threading.Event = field(default_factory=threading.Event)

    def is_set(self) -> bool:
        return self.everything.is_set() or self.this_crawl.is_set()


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
        on_progress: Callable[[CrawlProgress], None] | None = None,
    ) -> CrawlEnd | None:
        """Do an owed crawl; None when the run is over, in somebody else's hands, or paused.

        `stop` ends it early, and so does a pause of the site's crawls within HEARTBEAT_S: with `hand_back` the run
        returns to the queue, else it is closed with what it has.
        Raises HostBusyError, with the run back in the queue, when its host is being crawled.
        """
        owner = uuid4().hex
        with self._database.writing() as session:
            run = crawl_runs.claim(session, run_id, owner=owner, now=now(), lease_until=_lease_end())
            if run is None:
                return None
            site = session.get_one(Site, run.site_id)
            order = self._order(session, run, site)
        lease = locks.Lease(self._redis, f"host:{host_of(site)}", RUN_LEASE_S)
        try:
            is_free = lease.acquire()
        except RedisError:
            self._hand_back(run_id, owner)
            raise
        if not is_free:
            self._hand_back(run_id, owner)
            raise HostBusyError(f"another site of {host_of(site)} is being crawled")
        either = _Stop(everything=stop)
        try:
            with logs.bound(site=site.name), self._heartbeat(order, owner, lease, either.this_crawl):
                report = run_child(order, stop=either, on_progress=on_progress)
        except PreloadError as error:
            report = CrawlReport(finish_reason="start_error", ok=False, first_error=str(error))
        finally:
            lease.release()
        if report.finish_reason == "stopped" and hand_back:
            self._hand_back(run_id, owner)
            return CrawlEnd(
                run_id=run_id, site=site.name, report=report, new_posts=0, fanout="", ready=(), handed_back=True
            )
        return self._close(run_id, owner, site.name, report)

    def _order(self, session: Session, run: CrawlRun, site: Site) -> CrawlOrder:
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
                url: (found.etag, found.last_modified) for url, found in sites.validators(session, site.id).items()
            },
            robots={
                origin: body
                for origin, body in sites.fresh_robots(session, since=now() - ROBOTS_LIFETIME).items()
                if urlsplit(origin).hostname == host_of(site)
            },
        )

    def _hand_back(self, run_id: int, owner: str) -> None:
        with self._database.writing() as session:
            crawl_runs.hand_back(session, run_id, owner=owner, now=now())

    @contextmanager
    def _heartbeat(self, order: CrawlOrder, owner: str, lease: locks.Lease, stop: threading.Event) -> Iterator[None]:
        """Keep the run's and the host's leases alive; stop the crawl when it is not ours any more, or paused."""
        over = threading.Event()

        def beat() -> None:
            held_until = _lease_end()
            while not over.wait(HEARTBEAT_S):
                lease.renew()
                try:
                    with self._database.writing() as session:
                        until = _lease_end()
                        held = crawl_runs.extend(session, order.run_id, owner=owner, lease_until=until)
                        paused = pauses.is_crawl_paused(session, order.site_id)
                    held_until = until
                except OperationalError:
                    held, paused = now() < held_until, False
                if not held:
                    fields = {"run": order.run_id, "site": order.site_name}
                    logger.warning("crawl lost its lease", extra={"fields": fields})
                if paused:
                    logger.info("crawl paused", extra={"fields": {"site": order.site_name}})
                if paused or not held:
                    stop.set()
                    return

        thread = threading.Thread(target=beat, name=f"heartbeat-{order.run_id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _close(self, run_id: int, owner: str, site: str, report: CrawlReport) -> CrawlEnd | None:
        with self._database.writing() as session:
            run = crawl_runs.lock(session, run_id, owner=owner)
            if run is None:
                return None
            if report.ok:
                found = {url: sites.Validator(etag=e, last_modified=m) for url, (e, m) in report.validators.items()}
                sites.keep_validators(session, run.site_id, found)
            sites.keep_robots(session, report.robots, now=now())
            new, fanout, ready = close_run(session, run, report, retry_after_s=report.retry_after_s)
        return CrawlEnd(run_id=run_id, site=site, report=report, new_posts=new, fanout=fanout, ready=ready)


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
        **of_the_site,
    )


def close_run(
    session: Session, run: CrawlRun, figures: RunFigures, *, retry_after_s: float | None = None
) -> tuple[int, str, tuple[int, ...]]:
    """Close a locked run by the one rule: the number of its new posts, their fate, and those to fan out now."""
    at = now()
    new = crawl_runs.new_posts(session, run.id)
    history = crawl_runs.history(session, run)
    # S311: the jitter of a backoff is not a secret.
    judged = verdict.judge(
        figures,
        history,
        new=new,
        now=at,
        retry_after_s=retry_after_s,
        rand=random.random(),  # noqa: S311
    )
    ready = crawl_runs.close(session, run, figures, judged, new=new, now=at)
    site = session.get_one(Site, run.site_id)
    due.adapt(session, site, at)
    _announce(session, health.alert(history.trouble, judged.trouble), site, figures)
    return new, judged.fanout, tuple(ready)


def _announce(session: Session, words: str | None, site: Site, figures: RunFigures) -> None:
    """Log that a site turned bad or recovered, once, and only if the transaction that says so is committed."""
    if words is None:
        return
    fields = {"site": site.name, "reason": figures.finish_reason, "failures": site.failures}
    level = logging.INFO if site.trouble is None else logging.WARNING

    def log(_: Session) -> None:
        logger.log(level, words, extra={"fields": fields})

    event.listen(session, "after_commit", log, once=True)


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


def host_of(site: Site) -> str:
    """The host that a site's crawl goes to: only one crawl at a time may."""
    return urlsplit(str(site.params.get("url", ""))).hostname or f"site-{site.id}"


def _lease_end() -> datetime:
    return now() + timedelta(seconds=RUN_LEASE_S)
