"""Crawl tasks: the tick that finds the sites that are due, and one task per crawl."""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from celery import Task, signals

from pipeline import resources
from pipeline.basics.text import last_line
from pipeline.broker.publish import publish_many
from pipeline.celery import CRAWL_QUEUE, app
from pipeline.crawling import crawler
from pipeline.crawling.child import CrawlProgress
from pipeline.metrics import recording
from pipeline.scheduling import due
from pipeline.settings import get_settings
from pipeline.tasks.arguments import require_ids
from pipeline.tasks.fanout import enqueue_fan_outs
from pipeline.tasks.retries import RETRIES, TRANSIENT_ERRORS

logger = logging.getLogger(__name__)

stopping = threading.Event()
"""Set when the worker shuts down: running crawls are closed and handed back."""


_asked_to_stop: list[bool] = []


@signals.worker_shutting_down.connect
def _stop_crawls(**_: object) -> None:
    # This runs inside a signal's handler, and a second signal may interrupt it: Event.set() would then wait for itself.
    if not _asked_to_stop:
        _asked_to_stop.append(True)
        stopping.set()


@signals.worker_ready.connect
def _warn_without_contact(sender: Any, **_: object) -> None:
    if CRAWL_QUEUE in sender.app.amqp.queues.consume_from and (sentence := crawler.missing_contact(get_settings())):
        logger.warning("no contact in the User-Agent", extra={"fields": {"error": sentence}})


@lru_cache(maxsize=1)
def _crawler() -> crawler.Crawler:
    return crawler.Crawler(get_settings(), resources.database(), resources.redis())


@app.task(name="crawl_sites", autoretry_for=TRANSIENT_ERRORS, max_retries=2, default_retry_delay=2)
def crawl_sites() -> None:
    """Enqueue one crawl for each site that is due."""
    with resources.database().writing() as session:
        runs = due.claim_due(session)
    enqueue_crawls(runs)


def enqueue_crawls(run_ids: Sequence[int]) -> None:
    """Enqueue the crawls of the given queued runs."""
    publish_many(app, "crawl_site", [(run_id,) for run_id in run_ids])


@app.task(name="crawl_site", bind=True, **RETRIES)
def crawl_site(task: Task[..., None], run_id: int) -> None:
    """Do one owed crawl in a child process, and enqueue the fan-outs of what it found."""
    require_ids(run_id=run_id)
    try:
        end = run_crawl(run_id, stop=stopping, hand_back=True)
    except crawler.HostBusyError:
        raise task.retry(countdown=3, max_retries=None) from None
    if end is not None and end.handed_back:
        # A message of its own, because this one is acknowledged: Celery logs a traceback for a message it puts back.
        enqueue_crawls([run_id])


def run_crawl(
    run_id: int,
    *,
    stop: threading.Event,
    hand_back: bool,
    on_progress: Callable[[CrawlProgress], None] | None = None,
) -> crawler.CrawlEnd | None:
    """Do one owed crawl and enqueue its fan-outs: the task above and `crawlpush crawl` share this."""
    end = _crawler().crawl(run_id, stop=stop, hand_back=hand_back, on_progress=on_progress)
    if end is None or end.handed_back:
        return end
    enqueue_fan_outs(end.ready)
    recording.crawl(end)
    report = end.report
    fields = {
        "site": end.site,
        "pages": report.pages,
        "seen": report.items_seen,
        "new": end.new_posts,
        **({"fate": end.fanout} if end.new_posts and end.fanout != "ready" else {}),
        **({} if report.finish_reason == "finished" else {"reason": report.finish_reason}),
    }
    if report.ok:
        logger.info("crawl finished", extra={"fields": fields})
    else:
        error = last_line(report.first_error or "")
        logger.warning("crawl failed", extra={"fields": {**fields, "error": error}})
    return end
