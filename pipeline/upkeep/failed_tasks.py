"""Tasks that failed for good, with their reasons, for `crawlpush status`.

The database still owes what they were to do, and the sweep asks for it again; this record says why it does not succeed.
It is kept in Redis, since the database may be the very thing that was away, and may be lost without harm.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from pipeline.basics.text import first_line
from pipeline.resources import now

logger = logging.getLogger(__name__)

KEY = "crawlpush:failed_tasks"
"""A hash: one field per task and reason, so that a reason that a million tasks share takes one line."""
MOST = 100
"""Reasons that are kept; a further one takes the place of the one that was seen last longest ago."""
KEPT = timedelta(days=1)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
REASON_LENGTH = 200


@dataclass(frozen=True, kw_only=True)
class FailedTask:
    """A reason why tasks of one name failed for good."""

    task: str
    reason: str
    times: int
    # The arguments of the latest that did, which are ids, and when that was.
    ids: tuple[int | str, ...]
    at: datetime


def reason_of(error: BaseException) -> str:
    """An error in one short line."""
    said = first_line(error)
    return f"{type(error).__name__}: {said}"[:REASON_LENGTH] if said else type(error).__name__


def record(redis: Redis, task: str, ids: Sequence[Any], error: BaseException) -> None:
    """Note that a task failed for good. Never raises: a record is not worth a second failure."""
    reason = reason_of(error)
    field = f"{task} {reason}"
    try:
        raw: Any = redis.hget(KEY, field)
        if raw is None and int(redis.hlen(KEY)) >= MOST:
            _forget_oldest(redis)
        before = _entry(raw) if raw else None
        times = 1 + (before.times if before else 0)
        entry = FailedTask(task=task, reason=reason, times=times, ids=tuple(ids), at=now())
        redis.hset(KEY, field, json.dumps(asdict(entry), default=_text))
        redis.expire(KEY, KEPT)
    except RedisError as trouble:
        logger.warning("failed task not recorded", extra={"fields": {"task": task, "error": reason_of(trouble)}})


def recent(redis: Redis) -> list[FailedTask]:
    """What failed during the last day, the latest first. Raises redis-py's errors."""
    raw: Any = redis.hvals(KEY)
    found = [failed for failed in map(_entry, raw) if failed is not None]
    found.sort(key=lambda failed: failed.at, reverse=True)
    return [failed for failed in found if failed.at > now() - KEPT]


def _forget_oldest(redis: Redis) -> None:
    """Make room: what is new is worth more than what is old, and what nobody can read is worth least."""
    kept: Any = redis.hgetall(KEY)
    entries = {field: _entry(raw) for field, raw in kept.items()}
    by_age = sorted(entries, key=lambda field: entry.at if (entry := entries[field]) else LONG_AGO)
    redis.hdel(KEY, *by_age[: len(by_age) - MOST + 1])


def _entry(raw: bytes) -> FailedTask | None:
    """A record; None for what is none, since whoever can write to Redis can write anything."""
    try:
        plain = json.loads(raw)
        return FailedTask(
            task=str(plain["task"]),
            reason=str(plain["reason"]),
            times=int(plain["times"]),
            ids=tuple(plain["ids"]),
            at=datetime.fromisoformat(plain["at"]).astimezone(UTC),
        )
    except (ValueError, TypeError, LookupError, RecursionError, OverflowError):
        return None


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
