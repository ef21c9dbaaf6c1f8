"""The quota of a vendor, shared by all processes: a token bucket in Redis, and an estimate when Redis is away."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

BURST_S = 6.0
"""A bucket holds what comes in within so many seconds, so that an idle minute does not double the next one."""
AWAY_S = 5.0
"""After a failure Redis is left alone for so many seconds: a batch must not wait for a time-out each time."""

_TAKE = """
local rate, size, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local kept = redis.call('HMGET', KEYS[1], 'level', 'at')
local level, at = tonumber(kept[1]) or size, tonumber(kept[2]) or now
level = math.min(size, level + math.max(0, now - at) * rate)
local granted = math.min(wanted, math.floor(level))
redis.call('HSET', KEYS[1], 'level', tostring(level - granted), 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], 3600)
return granted
"""


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A token bucket. Pure: each change is a new one."""

    per_minute: int
    level: float
    # Seconds of a monotonic clock.
    at: float

    def take(self, wanted: int, now: float) -> tuple[int, "Bucket"]:
        """How many of the wanted tokens there are, and the bucket without them."""
        level = min(bucket_size(self.per_minute), self.level + max(0.0, now - self.at) * self.per_minute / 60)
        granted = min(wanted, int(level))
        return granted, Bucket(per_minute=self.per_minute, level=level - granted, at=now)


def bucket_size(per_minute: int) -> float:
    """The most tokens that a bucket holds; at least one message always fits."""
    return max(1.0, per_minute * BURST_S / 60)


class Quota:
    """How many messages may go out now. Thread-safe, one call to Redis per batch."""

    def __init__(self, redis: Redis, name: str, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """name: whose quota it is, "fcm" say. per_minute: messages that the vendor takes in a minute."""
        self.per_minute = per_minute
        self._key = f"crawlpush:quota:{name}"
        self._take = redis.register_script(_TAKE)
        self._clock = clock
        self._lock = threading.Lock()
        self._local = Bucket(per_minute=per_minute, level=bucket_size(per_minute), at=clock())
        self._away_until = float("-inf")

    def take(self, wanted: int) -> int:
        """Take up to `wanted` messages from the quota and return how many were left of it.

        Without Redis each process counts for itself with the whole quota: the vendor's 429 is the limit then.
        """
        with self._lock:
            now = self._clock()
            estimate, self._local = self._local.take(wanted, now)
            away = now < self._away_until
        if away:
            return estimate
        try:
            return int(self._take(keys=[self._key], args=[self.per_minute / 60, bucket_size(self.per_minute), wanted]))
        except RedisError as error:
            logger.warning("quota without Redis", extra={"fields": {"error": type(error).__name__}})
            with self._lock:
                self._away_until = self._clock() + AWAY_S
            return estimate

    def delay_s(self, place: int) -> float:
        """Seconds after which the message at a place (0 is first) in the line of those left over may try again."""
        return max(1.0, 60 * (place + 1) / self.per_minute)
