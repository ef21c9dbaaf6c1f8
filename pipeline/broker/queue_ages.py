"""How old the messages of a queue are, as far as the broker and the database tell."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from redis import Redis
from sqlalchemy.orm import Session

from pipeline.resources import now
from storage import notifications
from storage.models import CrawlRun, Digest, Post

KEY = "crawlpush:queue_empty"
"""A hash: task name -> seconds since 1970 at which none of its messages waited."""
LOOKED_AT = 20
"""The oldest messages that are looked at: one of them may be a repeat, whose row was marked as enqueued since."""


class QueueAges:
    """Lengths of queues, with a memory in Redis of when each was empty."""

    def __init__(self, redis: Redis, length: Callable[[str], int]) -> None:
        self._redis = redis
        self._length = length

    def length(self, task: str) -> int:
        """How many messages wait for a task. Raises BrokerError."""
        # The clock is read first: a message that arrives during the question is younger than the answer.
        at = now()
        length = self._length(task)
        if not length:
            self._redis.hset(KEY, task, str(at.timestamp()))
        return length

    def empty_at(self, task: str) -> datetime | None:
        """The last moment at which no message waited for a task; None when nobody saw that."""
        self.length(task)
        stored = self._redis.hget(KEY, task)
        try:
            return datetime.fromtimestamp(float(stored), UTC) if stored else None
        except (ValueError, OverflowError, OSError):
            # Not written by us.
            return None


def oldest_sent_at(session: Session, task: str, waiting: Iterable[Sequence[int]]) -> datetime | None:
    """When the oldest of some messages of a task was sent, by their ids; None when no row knows any of them."""
    return min(filter(None, (_sent_at(session, task, ids) for ids in waiting)), default=None)


def _sent_at(session: Session, task: str, ids: Sequence[int]) -> datetime | None:
    match task:
        case "crawl_site":
            run = session.get(CrawlRun, ids[0])
            return run.enqueued_at if run else None
        case "fan_out_post":
            post = session.get(Post, ids[0])
            return post.fanout_enqueued_at if post else None
        case _ if len(ids) == 1:
            digest = session.get(Digest, ids[0])
            return digest.created_at if digest else None
        case _:
            return notifications.enqueued_at(session, (ids[0], ids[1]))
