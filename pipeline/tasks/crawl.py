"""Crawl tasks: the tick that finds the sites that are due, and one task per crawl."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from celery import signals

from pipeline import resources
from pipeline.basics.once import Once
from pipeline.basics.text import last_line
from pipeline.broker.publish import PublishError, publish_many
from pipeline.celery import CRAWL_QUEUE, app
from pipeline.crawling import crawler
from pipeline.crawling.order import CrawlProgress
from pipeline.metrics import recording
from pipeline.scheduling import due, heartbeat
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


@Once
def _crawler() -> crawler.Crawler:
    return crawler.Crawler(get_settings(), resources.database(), resources.redis())


@app.task(name="crawl_sites", autoretry_for=TRANSIENT_ERRORS, max_retries=2, default_retry_delay=2)
def crawl_sites() -> None:
    """Enqueue one crawl for each site that is due, and show that a dispatcher lives."""
    heartbeat.record_tick(resources.redis(), at=resources.now())
    with resources.database().writing() as session:
        runs = due.claim_due(session)
    enqueue_crawls(runs)


def enqueue_crawls(run_ids: Sequence[int]) -> None:
    """Enqueue the crawls of the given queued runs."""
    publish_many(app, "crawl_site", [(run_id,) for run_id in run_ids])


@app.task(name="crawl_site", **RETRIES)
def crawl_site(run_id: int) -> None:
    """Do one owed crawl in a child process, and enqueue the fan-outs of what it found.

    A message means "one more crawl of this host": the one that has waited for longest is done. When the host is being
    crawled nothing is: the run stays in the host's line, and the end of the crawl sends for the next.
    """
    require_ids(run_id=run_id)
    with suppress(crawler.HostBusyError):
        run_crawl(run_id, stop=stopping, hand_back=True)


def run_crawl(
    run_id: int,
    *,
    stop: threading.Event,
    hand_back: bool,
    out_of_turn: bool = False,
    on_progress: Callable[[CrawlProgress], None] | None = None,
) -> crawler.CrawlEnd | None:
    """Do one owed crawl, and enqueue its fan-outs and its host's next crawl; `crawlpush crawl` shares this."""
    end = _crawler().crawl(run_id, stop=stop, hand_back=hand_back, out_of_turn=out_of_turn, on_progress=on_progress)
    if end is None:
        return None
    try:
        # A run that was handed back is the first in its line again. Its message is a new one, because that of this task
        # is acknowledged: Celery logs a traceback for a message it puts back.
        following = _crawler().next_in_line(end.run_id)
        enqueue_crawls([] if following is None else [following])
        enqueue_fan_outs(end.ready)
    except PublishError as refused:
        # What is owed stands in the database: a sweep sends for it when the broker is back.
        logger.warning("crawl's messages not sent", extra={"fields": {"site": end.site, "error": str(refused)}})
        end = replace(end, unsent=True)
    if end.handed_back:
        return end
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
