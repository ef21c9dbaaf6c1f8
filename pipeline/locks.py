"""Redis: the connection, and named locks that end by themselves when their owner dies."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis import Redis
from redis.exceptions import LockError

from pipeline.settings import Settings

PREFIX = "crawlpush:lock:"


def open_redis(settings: Settings) -> Redis:
    """A client for REDIS_URL; it connects at its first command."""
    options: dict[str, Any] = {"socket_connect_timeout": 5, "socket_timeout": 10, "health_check_interval": 30}
    if settings.redis_url.startswith("rediss://") and settings.redis_tls_insecure:
        options |= {"ssl_cert_reqs": ssl.CERT_NONE, "ssl_check_hostname": False}
    return Redis.from_url(settings.redis_url, **options)


class HeldElsewhereError(RuntimeError):
    """Somebody else holds the lock."""


class Lease:
    """A named lock that we hold for some seconds and may extend."""

    def __init__(self, redis: Redis, name: str, seconds: float) -> None:
        self.name = name
        self.seconds = seconds
        # thread_local=False: the thread that renews a lease is not the one that took it.
        self._lock = redis.lock(PREFIX + name, timeout=seconds, thread_local=False)

    def acquire(self) -> bool:
        """Take the lock if it is free, without waiting."""
        return bool(self._lock.acquire(blocking=False))

    def renew(self) -> bool:
        """Hold it for its full time again from now; False when it was lost."""
        try:
            # Not extend(), which adds to what is left and so lets a dead owner's lock live ever longer.
            return bool(self._lock.reacquire())
        except LockError:
            return False

    def release(self) -> None:
        """Give it back; one that was lost already is nobody's business any more."""
        try:
            self._lock.release()
        except LockError:
            return


@contextmanager
def held(redis: Redis, name: str, *, seconds: float) -> Iterator[Lease]:
    """Hold a lock for the time of the block. Raises HeldElsewhereError at once when somebody else has it."""
    lease = Lease(redis, name, seconds)
    if not lease.acquire():
        raise HeldElsewhereError(f"the lock {name} is held by somebody else")
    try:
        yield lease
    finally:
        lease.release()
