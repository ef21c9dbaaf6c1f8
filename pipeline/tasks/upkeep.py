"""Upkeep: what beat does besides crawling."""

import logging
from functools import partial

from celery import Task, signals

from pipeline import resources
from pipeline.alerts import watching
from pipeline.broker import publish, queue_state
from pipeline.broker.notify_room import NotifyRoom
from pipeline.broker.queue_ages import LOOKED_AT
from pipeline.celery import app
from pipeline.metrics import recording
from pipeline.resources import now
from pipeline.scheduling import due
from pipeline.settings import get_settings
from pipeline.tasks.retries import TRANSIENT_ERRORS
from pipeline.upkeep import brought_back, housekeeping, retention, sweeping

logger = logging.getLogger(__name__)


def broker() -> sweeping.Broker:
    """The broker as the sweep sees it."""
    ages = queue_state.queue_ages(app, resources.redis())
    return sweeping.Broker(
        publish=partial(publish.publish_many, app),
        oldest=lambda task: publish.oldest_ids(app, task, limit=LOOKED_AT),
        empty_at=ages.empty_at,
        room=NotifyRoom(get_settings().notify_queue_max, lambda: ages.length("notify_user"), resources.redis()),
    )


@app.task(name="sweep", autoretry_for=TRANSIENT_ERRORS, max_retries=1, default_retry_delay=5)
def sweep() -> None:
    """Enqueue again what is owed and nobody works on."""
    swept = sweeping.sweep(resources.database(), broker())
    recording.swept(swept)
    brought_back.record(resources.redis(), swept.brought_back)


# The next tick comes in five seconds, so a retry would be a repeat.
@app.task(name="send_due", throws=TRANSIENT_ERRORS)
def send_due() -> None:
    """Enqueue the notifications whose next attempt is due, digests of what has waited, and what is to be replaced."""
    sweeping.tick(resources.database(), broker())


@app.task(name="correct_schedules", throws=TRANSIENT_ERRORS)
def correct_schedules() -> None:
    """Bring back the sites that are due later than their schedules say."""
    with resources.database().writing() as session:
        corrected = due.correct_schedules(session)
    brought_back.record(resources.redis(), corrected)


@app.task(name="upkeep", throws=TRANSIENT_ERRORS)
def upkeep() -> None:
    """Disable devices that nobody uses any more, and say once a day how the day was."""
    settings = get_settings()
    housekeeping.expire_devices(resources.database(), days=settings.device_expiry_days)
    housekeeping.sum_up_day(resources.database(), resources.redis(), zone=settings.display_zone)


@app.task(name="prune", throws=TRANSIENT_ERRORS)
def prune() -> None:
    """Remove what is old. Should it take so long that its message comes twice, both remove, and nothing twice."""
    retention.prune(resources.database(), retention.moments(get_settings(), now()))


# The next look makes good what this one could not.
@app.task(name="alert", throws=TRANSIENT_ERRORS)
def alert() -> None:
    """Tell the operators what changed."""
    watching.look(resources.database(), resources.redis(), get_settings(), beat_ticks=True)


@signals.worker_ready.connect
def _watch_for_alerts(**_: object) -> None:
    watching.start_thread(resources.database(), resources.redis(), get_settings())


@app.task(name="debug_task", bind=True)
def debug_task(task: Task[..., None], reply_to: str = "") -> None:
    """Log the request, and answer on a Redis key that the caller chose, to show that a queue is being read."""
    logger.info("debug", extra={"fields": {"request": repr(task.request)}})
    if reply_to:
        resources.redis().set(f"crawlpush:debug:{reply_to}", str(task.request.hostname), ex=60)
