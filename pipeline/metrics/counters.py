"""What a process counts: in memory at once, and in Redis a moment later, for the exporter to read.

Whoever counts pays for a dictionary, never for a round trip: a thread writes what has gathered every few seconds, in
one pipeline. While Redis is away the counts wait here. A process that is killed loses its last seconds, and a Redis
that forgets begins at zero, which Prometheus takes for a restart.
"""

import atexit
import json
import logging
import threading
from collections import Counter as Tally
from collections.abc import Callable, Mapping
from contextlib import suppress

from redis import Redis
from redis.exceptions import RedisError

from pipeline import resources
from pipeline.basics.once import Once
from pipeline.metrics.catalogue import Counter, Histogram

logger = logging.getLogger(__name__)

KEY = "crawlpush:metrics"
"""A hash: JSON of [name, label values ...] -> a whole number."""
FLUSH_S = 2.0
SUM = "ms"
"""Where the sum of a histogram stands, in milliseconds, beside the places of its buckets."""


class Counters:
    """Counts of one process, gathered for one Redis. Threads share it."""

    def __init__(self, redis: Callable[[], Redis]) -> None:
        self._redis = redis
        self._lock = threading.Lock()
        self._gathered: Tally[str] = Tally()
        # One flush at a time: what is on its way must not be sent by the end of the process too.
        self._flushing = threading.Lock()

    def add(self, counter: Counter, *labels: str, by: int = 1) -> None:
        """Count something; `labels` are the values in the order of the counter's labels."""
        if by:
            self._gather({_field(counter.name, *labels): by})

    def observe(self, histogram: Histogram, seconds: float, *, times: int = 1) -> None:
        """Note that something took so long, several times."""
        bucket = _field(histogram.name, str(histogram.bucket(seconds)))
        self._gather({bucket: times, _field(histogram.name, SUM): round(seconds * 1000) * times})

    def _gather(self, more: Mapping[str, int]) -> None:
        with self._lock:
            self._gathered.update(more)

    def flush(self) -> bool:
        """Write what has gathered; False, with nothing lost, when Redis does not take it."""
        with self._flushing:
            with self._lock:
                gathered, self._gathered = self._gathered, Tally()
            if not gathered:
                return True
            try:
                # Not a transaction: each number stands for itself.
                with self._redis().pipeline(transaction=False) as pipeline:
                    for field, by in gathered.items():
                        pipeline.hincrby(KEY, field, by)
                    pipeline.execute()
            except (RedisError, OSError):
                # Should only the answer be lost, these count twice: better than not at all.
                self._gather(gathered)
                return False
            return True


def read(redis: Redis) -> dict[tuple[str, ...], int]:
    """All counts of all processes: (name, label values ...) -> how many. Raises redis-py's errors."""
    stored: dict[bytes, bytes] = redis.hgetall(KEY)  # type: ignore[assignment]
    counts = {}
    for field, count in stored.items():
        # Whoever can write to Redis can write anything.
        with suppress(ValueError, TypeError, RecursionError):
            counts[tuple(map(str, json.loads(field)))] = int(count)
    return counts


def _field(*parts: str) -> str:
    return json.dumps(parts)


@Once
def counters() -> Counters:
    """The counters of this process, with the thread that writes them."""
    made = Counters(resources.redis)
    threading.Thread(target=_flush_for_ever, args=(made,), name="metrics", daemon=True).start()
    atexit.register(made.flush)
    return made


def _flush_for_ever(of: Counters) -> None:
    pause = threading.Event()
    while True:
        pause.wait(FLUSH_S)
        of.flush()
