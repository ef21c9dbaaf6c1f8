"""Redis: the connection, and named locks that end by themselves when their owner dies."""

import os
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from redis import ConnectionPool, Redis, utils
from redis.exceptions import LockError, RedisError

from pipeline.basics.place import place
from pipeline.errors import PipelineError
from pipeline.settings import Settings

# Each connection says its library's version, and would read it from the installed package's files each time.
vars(utils)["get_lib_version"] = cache(utils.get_lib_version)

PREFIX = "crawlpush:lock:"
SOCKET_OPTIONS: Mapping[str, Any] = MappingProxyType(
    {
        "socket_connect_timeout": 5,
        # For the answer to a command. A worker's wait for messages is none: it is looked after by the health checks.
        "socket_timeout": 10,
        "socket_keepalive": True,
        # A connection that lay idle for so long is asked whether it lives before it is used, or while it waits.
        "health_check_interval": 10,
        "socket_keepalive_options": {
            getattr(socket, name): value
            for name, value in {
                "TCP_KEEPIDLE": 10,
                "TCP_KEEPINTVL": 5,
                "TCP_KEEPCNT": 3,
                # Milliseconds until what was sent and never confirmed breaks the connection.
                "TCP_USER_TIMEOUT": 20_000,
            }.items()
            if hasattr(socket, name)
        },
    }
)
"""How any connection to Redis finds out, in seconds, that nobody is at its other end any more.

Failovers and address translation leave such connections: they swallow what is sent, and break never."""


IDLE_S = 3.0
"""A connection that nobody used for so long is closed when another one of its pool is given back."""
_process = "command"


def name_process(kind: str) -> None:
    """Say what this process is; until then it is a command."""
    global _process
    _process = kind


def client_name(use: str) -> str:
    """How a connection of this process is called in Redis' CLIENT LIST: whose it is, and for what."""
    return f"crawlpush:{_process}:{use}"


class QuietPool(ConnectionPool):
    """A pool that does not keep as many connections as were ever needed at once."""

    def release(self, connection: Any) -> None:
        """See redis-py: the connection is free; one that has been so for long is closed, and opened at its next use."""
        now = time.monotonic()
        vars(connection)["free_since"] = now
        super().release(connection)
        with self._lock:
            # The one that was used last is taken first.
            for each in self._available_connections:
                if each.is_connected and now - vars(each).get("free_since", now) > IDLE_S:
                    each.disconnect()


def open_redis(settings: Settings) -> Redis:
    """A client for REDIS_URL; it connects at its first command."""
    options: dict[str, Any] = {**SOCKET_OPTIONS, "client_name": client_name("state")}
    if settings.redis_url.startswith("rediss://") and settings.redis_tls_insecure:
        options |= {"ssl_cert_reqs": ssl.CERT_NONE, "ssl_check_hostname": False}
    return Redis.from_pool(QuietPool.from_url(settings.redis_url, **options))


class HeldElsewhereError(PipelineError, RuntimeError):
    """Somebody else holds the lock."""


class UnknownLockError(PipelineError, LookupError):
    """There is no lock of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no lock {name!r}: `crawlpush locks list` shows the names")


class Lease:
    """A named lock that we hold for some seconds and may extend."""

    def __init__(self, redis: Redis, name: str, seconds: float) -> None:
        self.name = name
        self.seconds = seconds
        # thread_local=False: the thread that renews a lease is not the one that took it.
        self._lock = redis.lock(PREFIX + name, timeout=seconds, thread_local=False)

    def acquire(self) -> bool:
        """Take the lock if it is free, without waiting."""
        return bool(self._lock.acquire(blocking=False, token=Owner.this_process().token()))

    def renew(self) -> bool:
        """Hold it for its full time again from now; False when it was lost, or nobody can tell.

        One that Redis forgot is taken again, if nobody else has it by then.
        """
        try:
            try:
                # Not extend(), which adds to what is left and so lets a dead owner's lock live ever longer.
                return bool(self._lock.reacquire())
            except LockError:
                return self.acquire()
        except RedisError:
            return False

    def release(self) -> None:
        """Give it back. One that was lost before is left alone: it ends by itself, or belongs to somebody else."""
        try:
            self._lock.release()
        except RedisError:
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


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The process that holds a lock."""

    host: str
    # The boot of the machine and the container's own numbering of processes: only there the pid means anything.
    place: str
    pid: int
    # When the process started, as the kernel counts it: a pid is given out again. Empty where nobody tells.
    started: str

    @classmethod
    def this_process(cls) -> "Owner":
        """We ourselves."""
        pid = os.getpid()
        return cls(host=socket.gethostname(), place=place(), pid=pid, started=_process_start(pid))

    def token(self) -> str:
        """The lock's value in Redis, each time another one."""
        return " ".join((self.host or "-", self.place, str(self.pid), self.started or "-", uuid4().hex))

    @classmethod
    def of_token(cls, token: str) -> "Owner | None":
        """Whose token this is; None when it says nothing of its owner."""
        try:
            host, place, pid, started, _ = token.split(" ")
            return cls(host=host, place=place, pid=int(pid), started="" if started == "-" else started)
        except ValueError:
            return None

    def is_alive(self) -> bool | None:
        """Whether the process still runs; None when that cannot be seen from here, in another machine or container."""
        if (self.host, self.place) != (socket.gethostname(), place()):
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return not self.started or _process_start(self.pid) == self.started


def _process_start(pid: int) -> str:
    """Clock ticks from boot to the start of a process: the 22nd field of proc(5)'s stat. Empty without /proc."""
    try:
        # The second field is the program's name in brackets, which may hold blanks and brackets itself.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


@dataclass(frozen=True, kw_only=True)
class LockState:
    """A lock that somebody holds."""

    name: str
    owner: Owner | None
    # Until it ends by itself; None for one that never does.
    seconds_left: float | None

    @property
    def state(self) -> str:
        """Whether its owner is alive, dead, or cannot be seen from here."""
        alive = self.owner.is_alive() if self.owner else None
        return "unknown" if alive is None else "alive" if alive else "dead"


def all_locks(redis: Redis) -> list[LockState]:
    """Every lock that is held, by name."""
    found = []
    for key in sorted(redis.scan_iter(f"{PREFIX}*", count=1000)):
        token, left = redis.get(key), redis.pttl(key)
        # It may have ended since it was listed.
        if isinstance(token, bytes) and isinstance(left, int) and left != _GONE:
            owner = Owner.of_token(token.decode(errors="replace"))
            seconds = left / 1000 if left >= 0 else None
            found.append(LockState(name=key.decode().removeprefix(PREFIX), owner=owner, seconds_left=seconds))
    return found


_GONE = -2
"""PTTL's answer for a key that is not there."""


def force_release(redis: Redis, name: str) -> None:
    """Take a lock away from whoever holds it. Raises UnknownLockError."""
    if not redis.delete(PREFIX + name):
        raise UnknownLockError(name)


def release(redis: Redis, names: Sequence[str]) -> None:
    """Take locks away from whoever holds them; one that has ended meanwhile is no error."""
    if names:
        redis.delete(*(PREFIX + name for name in names))
