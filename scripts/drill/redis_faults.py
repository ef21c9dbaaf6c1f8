"""What goes wrong with a drill's Redis: it goes away, forgets, answers errors, or swallows what comes."""

from collections.abc import Mapping
from contextlib import suppress

from redis import Redis
from redis.exceptions import RedisError

from scripts.local.embedded_redis import free_port
from scripts.testbed.servers import Servers

# Error -> what makes Redis answer it, and what ends that; a start of Redis ends it too.
ERRORS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "OOM": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    "READONLY": (("REPLICAOF", "127.0.0.1", "{nobody}"), ("REPLICAOF", "NO", "ONE")),
    "NOREPLICAS": (
        ("CONFIG", "SET", "min-replicas-to-write", "1"),
        ("CONFIG", "SET", "min-replicas-to-write", "0"),
    ),
    "NOPERM": (("ACL", "SETUSER", "default", "-@write"), ("ACL", "SETUSER", "default", "+@all")),
}
PATIENCE_S = 5.0


class RedisFaults:
    """Begins and ends them; asks Redis directly, past any proxy."""

    def __init__(self, on: Servers) -> None:
        self._on = on

    def lose(self, way: str) -> bool:
        """Take it away, or what it has."""
        redis = self._on.redis
        if not redis.is_running:
            return False
        if way == "flushed":
            self._tell(("FLUSHALL",))
        elif way == "restarted":
            redis.stop()
        else:
            redis.kill(lose_data="data" in way)
        return True

    def restore(self) -> None:
        """Start it again."""
        if not self._on.redis.is_running:
            self._on.redis.start()

    def answer_errors(self, error: str) -> bool:
        """Let it answer an error to whoever writes."""
        return self._on.redis.is_running and self._tell(
            tuple(word.format(nobody=free_port()) for word in ERRORS[error][0])
        )

    def answer_well(self) -> None:
        """End whatever makes it answer errors."""
        if self._on.redis.is_running:
            for _, end in ERRORS.values():
                self._tell(end)

    def _tell(self, command: tuple[str, ...]) -> bool:
        with Redis.from_url(self._on.redis_url, socket_timeout=PATIENCE_S) as client, suppress(RedisError):
            client.execute_command(*command)
            return True
        return False
