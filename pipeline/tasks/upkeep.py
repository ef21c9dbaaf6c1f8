"""Upkeep: what beat does besides crawling."""

from functools import partial

from celery import Task
from sqlalchemy.exc import OperationalError

from pipeline import publish, resources, sweeping
from pipeline.celery import CRAWL_QUEUE, NOTIFY_QUEUE, app
from pipeline.settings import get_settings

_QUEUES = {"crawl_site": CRAWL_QUEUE, "notify_user": NOTIFY_QUEUE}


def broker() -> sweeping.Broker:
    """The broker as the sweep sees it."""
    return sweeping.Broker(
        publish=partial(publish.publish_many, app),
        oldest=lambda task: publish.oldest_ids(app, _QUEUES[task]),
        length=lambda task: publish.queue_length(app, _QUEUES[task]),
        notify_queue_max=get_settings().notify_queue_max,
    )


@app.task(name="sweep", autoretry_for=(OperationalError, publish.PublishError), max_retries=1, default_retry_delay=5)
def sweep() -> None:
    """Enqueue again what is owed and nobody works on."""
    sweeping.sweep(resources.database(), broker())


@app.task(name="send_due")
def send_due() -> None:
    """Enqueue the notifications whose next attempt is due."""
    sweeping.send_due(resources.database(), broker())


@app.task(name="debug_task", bind=True)
def debug_task(task: Task[..., None], reply_to: str = "") -> None:
    """Answer on a Redis key that the caller chose, to show that a queue is being read."""
    if reply_to:
        resources.redis().set(f"crawlpush:debug:{reply_to}", str(task.request.hostname), ex=60)
