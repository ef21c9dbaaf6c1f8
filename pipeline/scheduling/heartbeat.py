"""Beat's heartbeat in Redis: which beats run, when each last ticked, and what each will do next.

Written by beat itself and not by the tasks that it sends: those run in a dispatcher, whose death is another matter.
"""

import json
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from redis import Redis

KEY = "crawlpush:beats"
STALE_AFTER = timedelta(seconds=30)
"""Beat wakes up every five seconds at the latest; one that was silent for this long is gone or hangs."""
FORGOTTEN_AFTER = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Beat:
    """A beat process, as it was at its last tick."""

    host: str
    pid: int
    at: datetime
    # Entry of the beat schedule -> when it is sent next.
    upcoming: Mapping[str, datetime]

    def is_stale(self, now: datetime) -> bool:
        """Whether it has been silent for too long; also one whose clock was ahead and was set right since."""
        return not timedelta(0) <= now - self.at + STALE_AFTER <= 2 * STALE_AFTER


def record(redis: Redis, *, at: datetime, upcoming: Mapping[str, datetime]) -> None:
    """Note that this process' beat lives."""
    value = {"at": at.timestamp(), "upcoming": {name: when.timestamp() for name, when in upcoming.items()}}
    redis.hset(KEY, f"{socket.gethostname()}:{os.getpid()}", json.dumps(value))
    redis.expire(KEY, FORGOTTEN_AFTER)


def forget_old(redis: Redis, *, now: datetime) -> None:
    """Forget the beats that have been silent for an hour."""
    for beat in beats(redis):
        if now - beat.at > FORGOTTEN_AFTER:
            redis.hdel(KEY, f"{beat.host}:{beat.pid}")


def beats(redis: Redis) -> list[Beat]:
    """The beats of the last hour, the latest heartbeat first."""
    found = []
    kept: dict[bytes, bytes] = redis.hgetall(KEY)  # type: ignore[assignment]
    for field, raw in kept.items():
        # Whoever can write to Redis can write anything: what is no heartbeat hides none.
        with suppress(ValueError, TypeError, LookupError, AttributeError, OverflowError, OSError, RecursionError):
            host, _, pid = field.decode().rpartition(":")
            value = json.loads(raw)
            upcoming = {name: _moment(when) for name, when in value["upcoming"].items()}
            found.append(Beat(host=host, pid=int(pid), at=_moment(value["at"]), upcoming=upcoming))
    return sorted(found, key=lambda beat: beat.at, reverse=True)


def _moment(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)


def problem(found: Sequence[Beat], now: datetime) -> str | None:
    """What is wrong with beat, in a sentence with the way out; None when one is alive."""
    if any(not beat.is_stale(now) for beat in found):
        return None
    if not found:
        return "beat is not running: without it nothing is crawled by schedule. Start the Procfile's beat process"
    last = found[0]
    ago = int((now - last.at).total_seconds())
    return (
        f"beat's last heartbeat is {ago} s old (host {last.host}, pid {last.pid}): it has stopped or hangs. "
        "Restart the Procfile's beat process"
    )


TICKED_KEY = "crawlpush:ticked"
"""When a dispatcher last did one of beat's ticks."""
SLOWEST_TICK = timedelta(minutes=2)
"""A dispatcher that lives does one of the ticks that come every few seconds within this time, however busy it is."""


def record_tick(redis: Redis, *, at: datetime) -> None:
    """Note that a dispatcher has done a tick."""
    redis.set(TICKED_KEY, at.timestamp())


def begin_to_wait(redis: Redis, *, at: datetime) -> None:
    """Count from now on how long no tick was done, where nobody knows of any."""
    redis.set(TICKED_KEY, at.timestamp(), nx=True)


def last_tick(redis: Redis) -> datetime | None:
    """When a tick was last done; None when nobody knows."""
    stored: bytes | None = redis.get(TICKED_KEY)  # type: ignore[assignment]
    try:
        return _moment(float(stored)) if stored else None
    except (ValueError, OverflowError, OSError):
        return None


def dispatcher_problem(found: Sequence[Beat], ticked: datetime | None, now: datetime) -> str | None:
    """What is wrong with the dispatchers, in a sentence with the way out; None while beat does not run either."""
    if ticked is None or problem(found, now) or now - ticked < SLOWEST_TICK:
        return None
    minutes = int((now - ticked).total_seconds() // 60)
    return (
        f"no dispatcher has done beat's ticks for {minutes} min: without one nothing is crawled or fanned out. "
        "Start the Procfile's dispatcher process"
    )
