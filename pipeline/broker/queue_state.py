"""The queues at this moment, as `status`, the metrics and the alerts see them."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from celery import Celery
from redis import Redis
from sqlalchemy.exc import DBAPIError

from pipeline.broker import publish
from pipeline.broker.queue_ages import LOOKED_AT, QueueAges, oldest_sent_at
from pipeline.celery import CRAWL_QUEUE, FANOUT_QUEUE, NOTIFY_QUEUE
from storage.session import Database

TASKS: Final[Mapping[str, str]] = {
    "crawl_site": CRAWL_QUEUE,
    "fan_out_post": FANOUT_QUEUE,
    "notify_user": NOTIFY_QUEUE,
}
"""The tasks that carry what is owed, each with its queue."""


def queue_ages(app: Celery, redis: Redis) -> QueueAges:
    """Lengths of the queues, by the names of their tasks, and when each was seen empty."""
    return QueueAges(redis, lambda task: publish.queue_length(app, TASKS[task]))


@dataclass(frozen=True, kw_only=True)
class QueueState:
    """A queue, as it is now."""

    name: str
    # How many messages wait.
    length: int
    # When the oldest of those that carry what is owed was sent; where the broker shows no messages, not before this.
    # None: none waits, or nobody knows.
    oldest_sent_at: datetime | None

    def age_s(self, now: datetime) -> float:
        """How long its oldest message has waited, in seconds; 0 when that is not known."""
        return max((now - self.oldest_sent_at).total_seconds(), 0.0) if self.oldest_sent_at else 0.0


def queue_state(app: Celery, database: Database, redis: Redis, task: str) -> QueueState:
    """The queue of a task; without the database its age is not known. Raises BrokerError and redis-py's errors."""
    ages = queue_ages(app, redis)
    length = ages.length(task)
    oldest = None
    if length:
        if waiting := publish.oldest_ids(app, task, limit=LOOKED_AT):
            with suppress(DBAPIError), database.reading() as session:
                oldest = oldest_sent_at(session, task, waiting)
        else:
            # The broker shows no messages, or none of ours.
            oldest = ages.empty_at(task)
    return QueueState(name=TASKS[task], length=length, oldest_sent_at=oldest)
