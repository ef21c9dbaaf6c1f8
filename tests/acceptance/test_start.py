"""`scripts/start`: one command runs everything, says what happens, and takes everything down again."""

import ipaddress
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from pipeline.setting_layers import PROJECT_ROOT
from scripts.demo import USERS
from scripts.local.embedded_redis import find_server, free_port
from tests.support.services import require
from tests.support.waiting import wait_until

LINE_TIMEOUT_S = 300
STOP_TIMEOUT_S = 120

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="Linux ends a process with its parent")


class Start:
    """A running `scripts/start`, past the setup of .venv: its lines, its processes, its end."""

    def __init__(
        self, data_dir: Path, *arguments: str, python: Path = Path(sys.executable), **environment: str
    ) -> None:
        self.process = subprocess.Popen(
            [python, "-m", "scripts.commands.start", *arguments],
            cwd=PROJECT_ROOT,
            # A port of its own: two starts at one moment, of two tests, would both find the usual one free.
            env={**os.environ, "PORT": str(free_port()), "DATA_DIR": str(data_dir), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._arriving: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self._arriving.put(line.rstrip("\n"))
        self._arriving.put(None)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first line that holds the pattern, among those that were printed and those to come."""
        deadline = time.monotonic() + LINE_TIMEOUT_S
        seen = 0
        while True:
            for line in self.lines[seen:]:
                if found := re.search(pattern, line):
                    return found
            seen = len(self.lines)
            try:
                arrived = self._arriving.get(timeout=deadline - time.monotonic())
            except (queue.Empty, ValueError):
                arrived = None
            assert arrived is not None, f"no line with {pattern!r} in:\n{self.text}"
            self.lines.append(arrived)

    def everything(self) -> list[psutil.Process]:
        """The launcher and all that it has started; some may have ended by now, as a crawl's."""
        launcher = psutil.Process(self.process.pid)
        return [launcher, *launcher.children(recursive=True)]

    def look(self, what: Callable[[psutil.Process], Any]) -> Iterator[Any]:
        """Something of each process that is still there."""
        for process in self.everything():
            with suppress(psutil.NoSuchProcess):
                yield what(process)

    def terminate_everything(self) -> list[psutil.Process]:
        """As systemd, honcho and Heroku stop it: every process is signalled twice, which is one wish."""
        processes = self.everything()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
                process.terminate()
        return processes

    def end(self) -> int:
        """Wait for the end, and give the exit code."""
        code = self.process.wait(STOP_TIMEOUT_S)
        while (line := self._arriving.get(timeout=STOP_TIMEOUT_S)) is not None:
            self.lines.append(line)
        return code

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@contextmanager
def started(
    data_dir: Path, *arguments: str, python: Path = Path(sys.executable), **environment: str
) -> Iterator[Start]:
    start = Start(data_dir, *arguments, python=python, **environment)
    try:
        yield start
    finally:
        if start.process.poll() is None:
            for _ in start.look(psutil.Process.kill):
                pass
            start.process.wait(STOP_TIMEOUT_S)


def crawlpush(data_dir: Path, *arguments: str) -> str:
    """What a command in a second terminal prints."""
    return subprocess.run(
        [Path(sys.executable).with_name("crawlpush"), *arguments],
        cwd=PROJECT_ROOT,
        env={**os.environ, "DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    ).stdout


def assert_all_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=STOP_TIMEOUT_S)
    assert not [process for process in alive if not is_over(process)]


def is_over(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture(autouse=True)
def _a_redis_server_is_installed() -> None:
    require(find_server() is not None, "a redis-server")


def test_the_demo_crawls_fans_out_and_pushes_until_every_process_is_signalled_twice(tmp_path):
    data_dir = tmp_path / "a folder with spaces"
    with started(data_dir) as start:
        # Each in words, and never a token
        start.wait_for(r"crawl finished: site=demo pages=1 seen=\d+ new=\d+")
        start.wait_for(r"post fanned out: post=\d+ .*users=[1-9]")
        start.wait_for(r"push delivered: post=\d+ platform=\w+ user=\w+")
        assert not [user for user in USERS if user.token in start.text]

        # A second terminal finds the same database and Redis
        notifications = json.loads(crawlpush(data_dir, "notifications", "list", "--json"))
        assert notifications
        posts_and_users = [(row["post"], row["user"]) for row in notifications]
        assert len(posts_and_users) == len(set(posts_and_users))

        # Nobody but this machine can reach any of its servers
        addresses = [ip for listening in start.look(listening_on) for ip in listening]
        assert addresses
        assert {ipaddress.ip_address(address).is_loopback for address in addresses} == {True}

        # A second start in the same folder is refused in one sentence
        with started(data_dir) as second:
            assert second.end() == 1
            assert second.text.startswith("Error: crawlpush is already running:")
            assert len(second.lines) == 1

        processes = start.terminate_everything()
        assert start.end() == 0

        assert_all_gone(processes)
        assert start.lines[-1] == "Stopped."
        assert "did not stop in time" not in start.text
        assert "Traceback" not in start.text
        assert not (data_dir / "embedded.env").exists()


def listening_on(process: psutil.Process) -> list[str]:
    return [c.laddr.ip for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN]


@pytest.mark.full
def test_a_second_start_goes_on_where_the_first_one_stopped(tmp_path):
    for expected in ("fate=silent", r"new=\d+$"):
        with started(tmp_path) as start:
            first_crawl = start.wait_for(r"crawl finished: (.*)")
            assert re.search(expected, first_crawl[1])
            start.process.send_signal(signal.SIGINT)
            assert start.end() == 0


@pytest.mark.parametrize(
    "said",
    [
        pytest.param("Starting the embedded Redis", marks=pytest.mark.full),
        pytest.param("Bringing the database", marks=pytest.mark.full),
        "The demo board",
    ],
)
def test_ctrl_c_during_the_setup_leaves_nothing(tmp_path, said):
    with started(tmp_path) as start:
        start.wait_for(said)
        processes = start.everything()
        start.process.send_signal(signal.SIGINT)
        assert start.end() == 0
        assert_all_gone(processes)
        assert "Traceback" not in start.text


def test_a_process_that_dies_ends_the_start_which_names_it(tmp_path):
    with started(tmp_path, "--no-demo") as start:
        start.wait_for("Bringing the database")
        (notifier,) = wait_until(lambda: list(notifiers(start)), "a notifier", seconds=LINE_TIMEOUT_S)
        processes = start.everything()
        notifier.kill()
        assert start.end() == 137
        assert_all_gone(processes)
        assert start.lines[-1] == "notifier ended by itself (exit code 137), so everything was stopped."


def notifiers(start: Start) -> Iterator[psutil.Process]:
    for process, words, name in start.look(lambda it: (it, " ".join(it.cmdline()), it.name())):
        if "notifier@" in words and "sh" not in name:
            yield process


@linux_only
@pytest.mark.full
def test_nothing_is_left_when_the_start_itself_is_killed(tmp_path):
    with started(tmp_path) as start:
        start.wait_for("crawl finished")
        processes = start.everything()
        start.process.kill()
        assert_all_gone(processes)

    # The next start is not misled by what the killed one left.
    with started(tmp_path) as start:
        start.wait_for("crawl finished")
        start.process.terminate()
        assert start.end() == 0


def test_with_redis_and_database_configured_nothing_is_embedded(tmp_path, redis_url, postgres_url):
    with started(tmp_path, "--no-demo", REDIS_URL=redis_url, DATABASE_URL=postgres_url) as start:
        with redis.Redis.from_url(redis_url) as client:
            # The queue on which a worker listens for `celery inspect`.
            pidbox = "_kombu.binding.celery.pidbox"
            wait_until(lambda: client.exists(pidbox), "a worker listens", seconds=LINE_TIMEOUT_S)
        start.process.terminate()
        assert start.end() == 0
        assert "embedded" not in start.text
        assert not (tmp_path / "redis").exists()
        assert not (tmp_path / "crawlpush.db").exists()


def test_a_database_that_is_not_there_gives_one_sentence(tmp_path):
    url = "postgresql://crawlpush:secret@127.0.0.1:1/nowhere"
    with started(tmp_path, DATABASE_URL=url) as start:
        assert start.end() == 1
        assert start.lines[-1].startswith("Error: The database cannot be used: ")
        assert "Traceback" not in start.text
        assert "secret" not in start.text
