"""What goes wrong with a drill's Redis: it goes away, forgets, or answers errors."""

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress

from redis import Redis
from redis.exceptions import RedisError

from scripts.drill.refusing_redis import RefusingRedis
from scripts.local.embedded_redis import free_port
from scripts.local.proxy import Proxy
from scripts.local.supervisor import wait_until
from scripts.testbed.crawls import children
from scripts.testbed.servers import Servers

Commands = tuple[tuple[str, ...], ...]

ERRORS: Mapping[str, tuple[Commands, Commands]] = {
    "OOM": ((("CONFIG", "SET", "maxmemory", "1"),), (("CONFIG", "SET", "maxmemory", "0"),)),
    "READONLY": ((("REPLICAOF", "127.0.0.1", "{nobody}"),), (("REPLICAOF", "NO", "ONE"),)),
    "NOREPLICAS": (
        (("CONFIG", "SET", "min-replicas-to-write", "1"),),
        (("CONFIG", "SET", "min-replicas-to-write", "0"),),
    ),
    "NOPERM": ((("ACL", "SETUSER", "default", "-@write"),), (("ACL", "SETUSER", "default", "+@all"),)),
    # It refuses to write what it may not be able to save, once the process that saved was killed.
    "MISCONF": (
        (("CONFIG", "SET", "save", "3600 1"), ("CONFIG", "SET", "rdb-key-save-delay", "100000"), ("BGSAVE",)),
        (("CONFIG", "SET", "rdb-key-save-delay", "0"), ("CONFIG", "SET", "save", "")),
    ),
    "LOADING": ((), ()),
    "UNBLOCKED": ((), ()),
}
"""Error -> what makes Redis answer it, and what ends that; a start of Redis ends it too."""
LOADING = "LOADING Redis is loading the dataset in memory"
PATIENCE_S = 5.0
FORK_S = 2.0


class RedisFaults:
    """Begins and ends them; asks Redis directly, past the proxy."""

    def __init__(self, on: Servers, proxy: Proxy) -> None:
        """proxy: what all others reach it through."""
        self._on, self._proxy = on, proxy
        self._refusing = ExitStack()
        self._more: Mapping[str, Callable[[], bool]] = {
            "MISCONF": self._kill_saving,
            "LOADING": self._load,
            "UNBLOCKED": self._unblock,
        }

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
        """Let it answer an error to whoever writes, or waits."""
        begin, _ = ERRORS[error]
        told = self._on.redis.is_running and self._tell(
            *(tuple(word.format(nobody=free_port()) for word in command) for command in begin)
        )
        return told and self._more.get(error, lambda: True)()

    def answer_well(self) -> None:
        """End whatever makes it answer errors."""
        self._refusing.close()
        if self._on.redis.is_running:
            for _, end in ERRORS.values():
                self._tell(*end)

    def _load(self) -> bool:
        loading = self._refusing.enter_context(RefusingRedis(LOADING))
        self._refusing.callback(self._proxy.lead_to, self._proxy.target)
        self._proxy.lead_to(loading.port)
        return True

    def _kill_saving(self) -> bool:
        redis = self._on.redis.pid or 0
        wait_until(lambda: children(redis), FORK_S)
        for pid in children(redis):
            os.kill(pid, signal.SIGKILL)
        return True

    def _unblock(self) -> bool:
        with Redis.from_url(self._on.redis_url, socket_timeout=PATIENCE_S) as client, suppress(RedisError):
            waiting = [str(each["id"]) for each in client.client_list()]
            return self._tell(*(("CLIENT", "UNBLOCK", number, "ERROR") for number in waiting))
        return False

    def _tell(self, *commands: tuple[str, ...]) -> bool:
        with Redis.from_url(self._on.redis_url, socket_timeout=PATIENCE_S) as client, suppress(RedisError):
            for command in commands:
                client.execute_command(*command)
            return True
        return False
