"""Room in the notify queue: one rule for all who fill it, whatever they are and in whatever process.

Who is about to send notes it in Redis first, as it takes room before it stands in the queue.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from math import ceil
from types import MappingProxyType
from typing import Final
from uuid import uuid4

from redis import Redis
from redis.exceptions import RedisError

from storage.clock import elapsed

logger = logging.getLogger(__name__)

RESERVED_S = 10
"""So long room is kept for one who sends, and may have died; it takes less than a second."""
AWAY_S = 5.0
"""After a failure Redis is left alone for so many seconds."""
_KEY = "crawlpush:notify-room"


class Filler(StrEnum):
    """Who fills the queue."""

    # What makes no sound: digests, and replacements of what phones show.
    BESIDE = "beside"
    # Fan-outs that go on.
    BEGUN = "begun"
    # What was to be sent before: retries, and what was lost.
    OWED = "owed"
    # Fan-outs that begin, and what tries a paused channel.
    NEW = "new"


SHARES: Final[Mapping[Filler, float]] = MappingProxyType(
    {Filler.BESIDE: 1 / 4, Filler.BEGUN: 1, Filler.OWED: 1, Filler.NEW: 2}
)
"""How much of NOTIFY_QUEUE_MAX may be taken once each has sent. Those that make no sound leave most of it empty, so
what is new to others stands behind few of them. Those that begin have room of their own: the fan-out with ten readers
does not wait for that which the one with 500,000 takes whenever there is some."""

_RESERVE = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local kept = {}
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local size, filler, token = string.match(member, '^(%d+) (%w+) (.*)$')
  if token == ARGV[3] then
    redis.call('ZREM', KEYS[1], member)
  else
    kept[filler] = (kept[filler] or 0) + size
  end
end
if tonumber(ARGV[1]) > 0 then
  redis.call('ZADD', KEYS[1], now + ARGV[4], table.concat({ARGV[1], ARGV[2], ARGV[3]}, ' '))
  redis.call('EXPIRE', KEYS[1], ARGV[4])
end
local sizes = {}
for at = 5, #ARGV do sizes[at - 4] = kept[ARGV[at]] or 0 end
return sizes
"""


def share_of(filler: Filler, bound: int) -> int:
    """How many messages may stand in the queue once such a one has sent; bound: NOTIFY_QUEUE_MAX."""
    return ceil(SHARES[filler] * bound)


def room_for(filler: Filler, *, bound: int, length: int, reserved: Mapping[Filler, int]) -> int:
    """How many messages one may send while so many wait; zero or less: none.

    reserved: what others are about to send. What each of them sends stays within its own share, and so within all
    larger ones; those with a smaller share than one's own are counted, those with a larger have theirs beyond it.
    """
    return min(
        share_of(each, bound) - length - sum(size for other, size in reserved.items() if SHARES[other] <= share)
        for each, share in SHARES.items()
        if share >= SHARES[filler]
    )


class NotifyRoom:
    """The room in the notify queue, as one process sees it. Thread-safe."""

    def __init__(self, bound: int, length: Callable[[], int], redis: Redis | None = None) -> None:
        """bound: NOTIFY_QUEUE_MAX. length: how many messages wait now.

        redis: where all note what they are about to send. None, and while it is away: the queue's length alone decides.
        """
        self.bound = bound
        self._length = length
        self._reserve = redis.register_script(_RESERVE) if redis is not None else None
        self._away_until = 0.0

    @contextmanager
    def hold(self, filler: Filler, fits: Callable[[int], int]) -> Iterator[int]:
        """Keep room for as many messages as fit, until the block ends; yields how many.

        fits: how many to send where there is room for so many. The queue is looked at after the reservation, so that
        of two who look at once one sees the other's. What another sends meanwhile is counted twice, never not at all.
        """
        token, kept = uuid4().hex, max(fits(room_for(filler, bound=self.bound, length=0, reserved={})), 0)
        others = self._set(token, kept, filler)
        try:
            room = room_for(filler, bound=self.bound, length=self._length(), reserved=others)
            size = min(max(fits(room), 0), kept)
            if size < kept:
                self._set(token, size, filler)
                kept = size
            yield size
        finally:
            if kept:
                self._set(token, 0, filler)

    def _set(self, token: str, size: int, filler: Filler) -> Mapping[Filler, int]:
        if self._reserve is None or elapsed() < self._away_until:
            return {}
        try:
            sizes = self._reserve(keys=[_KEY], args=[size, filler, token, RESERVED_S, *SHARES])
        except RedisError as error:
            logger.warning("room without Redis", extra={"fields": {"error": type(error).__name__}})
            self._away_until = elapsed() + AWAY_S
            return {}
        return dict(zip(SHARES, sizes, strict=True))
