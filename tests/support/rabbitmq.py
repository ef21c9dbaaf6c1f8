"""A throw-away RabbitMQ on free loopback ports, as a process of the tests and never as a system service."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from scripts.local.embedded_redis import free_port
from scripts.local.startable import Startable
from scripts.local.supervisor import wait_or_kill

START_SECONDS = 180
STOP_SECONDS = 15
CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
loopback_users = none
default_user = crawlpush
default_pass = {password}
disk_free_limit.absolute = 1MB
log.console = true
log.console.level = info
log.file = false
"""


def find_rabbitmq() -> Path | None:
    """The server's own start script: the one on PATH may be a wrapper that wants to be root or the service's user."""
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("*/sbin/rabbitmq-server"))
    on_path = shutil.which("rabbitmq-server")
    return found[-1] if found else Path(on_path) if on_path else None


class RabbitMQServer(Startable):
    """A RabbitMQ node with a name, a cookie, a folder and an Erlang port mapper of its own."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._folder = Path(tempfile.mkdtemp(prefix="crawlpush-rabbitmq-"))
        self._port = 0
        self._password = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address, as BROKER_URL takes it."""
        return f"amqp://crawlpush:{self._password}@127.0.0.1:{self._port}//"

    def start(self) -> None:
        """Start the node and wait until it takes connections; raise RuntimeError with its own words if not."""
        self._port, mapper, distribution = free_port(), free_port(), free_port()
        (self._folder / "rabbitmq.conf").write_text(CONFIGURATION.format(port=self._port, password=self._password))
        (self._folder / "enabled_plugins").write_text("[].\n")
        cookie = self._folder / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)
        environment = {
            **os.environ,
            "HOME": str(self._folder),
            "ERL_EPMD_PORT": str(mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"crawlpush-{self._port}@localhost",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self._folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self._folder),
            "RABBITMQ_PID_FILE": str(self._folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
        }
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [self._program],
                cwd=self._folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._environment = environment
        self._wait_until_ready(self._process)

    def stop(self) -> None:
        """End the node and its port mapper, and remove the folder."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)
            wait_or_kill(self._process, STOP_SECONDS)
            self._process = None
            self._stop_mapper()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _stop_mapper(self) -> None:
        # Erlang starts it as a daemon of its own session. It is ours: it listens on the port that we chose.
        programs = [shutil.which("epmd"), *map(str, Path("/usr/lib/erlang").glob("erts-*/bin/epmd"))]
        if program := next(filter(None, programs), None):
            subprocess.run(
                [program, "-kill"], env=self._environment, capture_output=True, timeout=STOP_SECONDS, check=False
            )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        log = self._folder / "log"
        while time.monotonic() < deadline and process.poll() is None:
            if b"Server startup complete" in log.read_bytes():
                with socket.create_connection(("127.0.0.1", self._port), timeout=5):
                    return
            time.sleep(0.1)
        raise RuntimeError(f"RabbitMQ did not start: {log.read_text(errors='replace')[-2000:]}")
