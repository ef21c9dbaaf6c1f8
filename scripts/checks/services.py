"""Whether the database and Redis are as crawlpush needs them, and whether their clocks agree with ours."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from pipeline import startup
from pipeline.celery import on_redis
from pipeline.locks import open_redis
from pipeline.push.channels import Finding, Level
from pipeline.settings import Settings
from storage.session import Database

SKEW_WARN_S = 2.0
SKEW_FAIL_S = 30.0
"""Half of the shortest lease: whoever is off by more ends leases that others still hold."""
LOOKS = 3
"""How often a clock is asked for."""


def database(settings: Settings) -> Iterator[Finding]:
    """Reachable, and of this version's schema."""
    try:
        startup.check_database(settings)
    except startup.NotReadyError as error:
        yield Finding(level=Level.FAIL, sentence=str(error))
        return
    kind = "SQLite" if settings.database.startswith("sqlite") else "PostgreSQL"
    kind += ", which serves one machine" if kind == "SQLite" else ""
    yield Finding(level=Level.OK, sentence=f"the database ({kind}) answers and has this version's schema")


def redis(settings: Settings) -> Iterator[Finding]:
    """Reachable and new enough, refuses rather than forgets when it is full, and keeps what it has over a restart."""
    try:
        startup.check_redis(settings)
        with open_redis(settings) as client:
            yield version(client.info("server"))
            yield eviction(client.info("memory"))
            yield persistence(client.info("persistence"), _save(client), messages=on_redis(settings))
            yield from room_for_connections(client.info("clients"))
    except startup.NotReadyError as error:
        yield Finding(level=Level.FAIL, sentence=str(error))
    except (RedisError, OSError) as error:
        yield Finding(level=Level.FAIL, sentence=startup.redis_sentence(error))


CONNECTIONS = 18
"""What the four processes hold at rest, at most (tests/acceptance/test_connections.py)."""
SPARE = 0.2
"""The part of all connections that is wanted free: commands, a second notifier, and what many threads need at once."""


def room_for_connections(clients: dict[str, object]) -> Iterator[Finding]:
    """How near Redis is to refusing connections, where it tells. Pure. clients: its INFO clients."""
    used, most = (int(str(clients.get(name, 0))) for name in ("connected_clients", "maxclients"))
    if not most:
        return
    said = f"Redis has {used} of at most {most} connections"
    if most - used >= SPARE * most:
        yield Finding(level=Level.OK, sentence=said)
        return
    yield Finding(
        level=Level.WARN,
        sentence=f"{said}, and refuses any more: the four processes hold up to {CONNECTIONS} at rest, a command one or "
        "two. `redis-cli client list` names them (crawlpush:PROCESS:USE); raise maxclients, take a larger plan, or run "
        "fewer processes (docs/operations.md)",
    )


MENDED = {
    "Redis": ((6, 2, 20), (7, 2, 11), (7, 4, 6), (8, 0, 4), (8, 2, 2)),
    "Valkey": ((7, 2, 11), (8, 0, 6), (8, 1, 4)),
}
"""Of each line the first version without CVE-2025-49844, by which a Lua script runs code; 3 October 2025.

https://github.com/redis/redis/security/advisories/GHSA-4789-qfc9-5f9q, https://github.com/valkey-io/valkey/releases
"""


def version(server: dict[str, object]) -> Finding:
    """Whether the server has the fix of the worst known fault. Pure. server: its INFO server."""
    # Valkey calls itself Redis 7.2.4 for the clients' sake.
    kind = "Valkey" if server.get("server_name") == "valkey" else "Redis"
    said = str(server.get("valkey_version" if kind == "Valkey" else "redis_version", ""))
    numbers = tuple(int(part) for part in said.split(".") if part.isdecimal())
    mended = next((first for first in MENDED[kind] if first[:2] >= numbers[:2]), (0,))
    if numbers >= mended:
        return Finding(level=Level.OK, sentence=f"{kind} {said} answers")
    wanted = ".".join(map(str, mended))
    return Finding(
        level=Level.WARN,
        sentence=f"{kind} {said} has known faults, by which who may send it commands can run code on its machine "
        f"(CVE-2025-49844); update it to {wanted} or later, unless your distribution has mended its own",
    )


def eviction(memory: dict[str, object]) -> Finding:
    """What Redis does when it is full. Pure. memory: its INFO memory."""
    policy, limit = str(memory.get("maxmemory_policy", "unknown")), int(str(memory.get("maxmemory", 0)))
    if policy == "noeviction":
        return Finding(level=Level.OK, sentence="a full Redis refuses (maxmemory-policy noeviction)")
    level = Level.FAIL if limit else Level.WARN
    when = "when it is full" if limit else "should it ever get a maxmemory"
    return Finding(
        level=level,
        sentence=f"Redis throws queues and locks away {when} (maxmemory-policy {policy}); "
        "run: redis-cli config set maxmemory-policy noeviction, and put it into redis.conf",
    )


def persistence(info: dict[str, object], save: str | None, *, messages: bool) -> Finding:
    """What a restart of Redis leaves. Pure. info: its INFO persistence; save: its snapshot rules, if it tells them."""
    if str(info.get("aof_enabled", 0)) == "1":
        return Finding(level=Level.OK, sentence="Redis keeps what it has over a restart (appendonly yes)")
    if not messages:
        return Finding(level=Level.OK, sentence="Redis has locks alone, which a restart may forget")
    kept = "keeps only its last snapshot" if save else "forgets every message"
    if save is None:
        kept = "may forget messages"
    return Finding(
        level=Level.WARN,
        sentence=f"a Redis that restarts {kept}; the sweep then sends again, which takes a minute or two. "
        "Set appendonly yes in redis.conf",
    )


def _save(client: Redis) -> str | None:
    try:
        return str(client.config_get("save").get("save", ""))
    except RedisError:
        # Redis as a service often refuses CONFIG.
        return None


def clocks(settings: Settings) -> Iterator[Finding]:
    """Our clock against the database's and Redis'; those that are away are said by their own checks."""
    with open_redis(settings) as client:

        def redis_time() -> datetime:
            seconds, micros = client.time()
            return datetime.fromtimestamp(seconds + micros / 1e6, UTC)

        try:
            yield skew("Redis", _skew_s(redis_time))
        except (RedisError, OSError):
            yield Finding(level=Level.WARN, sentence="Redis' clock cannot be compared: Redis does not answer")
    if settings.database.startswith("sqlite"):
        return
    database = Database(settings.database)
    try:
        with database.engine.connect() as connection:
            yield skew(
                "the database", _skew_s(lambda: connection.execute(text("SELECT clock_timestamp()")).scalar_one())
            )
    except OperationalError:
        yield Finding(level=Level.WARN, sentence="the database's clock cannot be compared: it does not answer")
    finally:
        database.close()


def _skew_s(ask: Callable[[], datetime]) -> float:
    """How far our clock is ahead, by the quickest of a few answers: half of its time is what is not known."""
    looks = []
    for _ in range(LOOKS):
        began, theirs, ours, ended = time.monotonic(), ask(), datetime.now(UTC), time.monotonic()
        took = ended - began
        looks.append((took, (ours - theirs).total_seconds() - took / 2))
    return min(looks)[1]


def skew(whose: str, seconds: float) -> Finding:
    """What a difference of two clocks means; positive when ours is ahead. Pure."""
    size = abs(seconds)
    if size < SKEW_WARN_S:
        return Finding(level=Level.OK, sentence=f"our clock agrees with that of {whose}")
    level = Level.FAIL if size >= SKEW_FAIL_S else Level.WARN
    direction = "ahead of" if seconds > 0 else "behind"
    return Finding(
        level=level,
        sentence=f"our clock is {size:.0f} s {direction} that of {whose}: leases and schedules compare them. "
        "Run NTP on both machines",
    )
