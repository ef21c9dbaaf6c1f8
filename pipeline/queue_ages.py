"""When a queue was last seen empty: what a broker that shows no messages still tells about their age."""

from collections.abc import Callable
from datetime import UTC, datetime

from redis import Redis

from pipeline.resources import now

KEY = "crawlpush:queue_empty"
"""A hash: task name -> seconds since 1970 at which none of its messages waited."""


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
        return datetime.fromtimestamp(float(stored), UTC) if stored else None
