"""What a wrong clock left behind and was mended lately, for `crawlpush status`; Redis may lose it without harm."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from pipeline.resources import now

logger = logging.getLogger(__name__)

KEY = "crawlpush:brought_back"
KEPT = timedelta(days=1)
"""Since the last time."""


@dataclass(frozen=True, kw_only=True)
class BroughtBack:
    """Times that lay too far ahead."""

    count: int
    # Of the latest.
    at: datetime


def record(redis: Redis, count: int) -> None:
    """Note that so many times were brought back. Never raises: the mend itself is done."""
    if not count:
        return
    try:
        redis.hincrby(KEY, "count", count)
        redis.hset(KEY, "at", now().isoformat())
        redis.expire(KEY, KEPT)
    except RedisError as error:
        logger.warning("not recorded what was brought back", extra={"fields": {"error": type(error).__name__}})


def lately(redis: Redis) -> BroughtBack | None:
    """What was brought back until a day ago. Raises redis-py's errors."""
    kept: Any = redis.hgetall(KEY)
    try:
        return BroughtBack(count=int(kept[b"count"]), at=datetime.fromisoformat(kept[b"at"].decode()))
    except (KeyError, ValueError):
        return None
