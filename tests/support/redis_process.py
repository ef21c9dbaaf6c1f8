"""A redis-server on a port that stays its own, which can be killed and started again; or a Sentinel of one."""

import subprocess
from contextlib import suppress
from pathlib import Path

import redis

from scripts.local.embedded_redis import find_server, free_port
from scripts.local.startable import Startable
from tests.support.services import require
from tests.support.waiting import wait_until


class RedisProcess(Startable):
    """A server whose data outlive it."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        server = find_server()
        require(server is not None, "a redis-server")
        self.port = free_port()
        self._command = [str(server), *arguments, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.launch()
        wait_until(self._answers, "redis-server answers")

    def launch(self) -> None:
        """Start it."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, retry=None) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def vanish(self) -> None:
        """End it so that its clients find out first on the connections on which they wait for what is published."""
        with redis.Redis.from_url(self.url, retry=None) as client, client.pipeline(transaction=False) as pipe:
            pipe.execute_command("CLIENT", "KILL", "TYPE", "pubsub").execute_command("SHUTDOWN", "NOSAVE")
            with suppress(redis.ConnectionError):
                pipe.execute()
        self.kill()

    def stop(self) -> None:
        self.kill()
