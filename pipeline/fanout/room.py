"""What fan-outs are about to send, in Redis: it takes room in the notify queue before it stands there."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from redis import Redis
from redis.exceptions import RedisError

from storage.clock import elapsed

logger = logging.getLogger(__name__)

RESERVED_S = 10
"""So long room is kept for one fan-out, which may have died; a slice takes less than a second."""
AWAY_S = 5.0
"""After a failure Redis is left alone for so many seconds."""
_KEY = "crawlpush:notify-room"

_RESERVE = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local begun, all = 0, 0
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local size, kind, token = string.match(member, '^(%d+) (%w+) (.*)$')
  if token == ARGV[3] then
    redis.call('ZREM', KEYS[1], member)
  else
    all = all + size
    if kind == 'begun' then begun = begun + size end
  end
end
if tonumber(ARGV[1]) > 0 then
  redis.call('ZADD', KEYS[1], now + ARGV[4], table.concat({ARGV[1], ARGV[2], ARGV[3]}, ' '))
  redis.call('EXPIRE', KEYS[1], ARGV[4])
end
return {begun, all}
"""


class Reserved(NamedTuple):
    """Messages that other fan-outs are about to send: those that go on, and all."""

    begun: int = 0
    all: int = 0


class Reservations:
    """Room in the notify queue that the fan-outs of all processes keep for themselves. Thread-safe."""

    def __init__(self, redis: Redis | None) -> None:
        """None, and a Redis that is away: nothing is known of others, and the queue's length alone decides."""
        self._reserve = redis.register_script(_RESERVE) if redis is not None else None
        self._away_until = 0.0

    @contextmanager
    def hold(self, token: str, wanted: int, *, begun: bool, fits: Callable[[Reserved], int]) -> Iterator[int]:
        """Keep room for as many messages as fit, at most `wanted`, until the block ends; yields how many.

        fits: asked with what others keep, it looks at the queue: after the reservation, so that of two who look at once
        one sees the other's. What another sends meanwhile is counted twice, never not at all.
        """
        others, size = self._set(token, wanted, begun=begun), wanted
        try:
            size = fits(others)
            if size < wanted:
                self._set(token, size, begun=begun)
            yield size
        finally:
            if size:
                self._set(token, 0, begun=begun)

    def _set(self, token: str, size: int, *, begun: bool) -> Reserved:
        if self._reserve is None or elapsed() < self._away_until:
            return Reserved()
        try:
            answer = self._reserve(keys=[_KEY], args=[size, "begun" if begun else "new", token, RESERVED_S])
        except RedisError as error:
            logger.warning("room without Redis", extra={"fields": {"error": type(error).__name__}})
            self._away_until = elapsed() + AWAY_S
            return Reserved()
        return Reserved(*answer)
