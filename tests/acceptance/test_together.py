"""`crawlpush start --together`: one process imports once, forks the others, and looks after them as a service does."""

import os
import shlex
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from scripts.local.embedded_redis import find_server
from scripts.local.supervisor import ROOT, wait_until
from tests.acceptance.test_start import Start, assert_all_gone, started
from tests.support.services import require

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the names of processes are looked up as Linux has them"
)
PATIENCE_S = 180.0
PROCESSES = ("crawler", "dispatcher", "notifier")


@pytest.fixture(autouse=True)
def _a_redis_server_is_installed() -> None:
    require(find_server() is not None, "a redis-server")


@pytest.fixture
def notified() -> Iterator[socket.socket]:
    """The socket on which systemd hears of a service's state, in its abstract namespace."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0crawlpush-test-{os.getpid()}")
        listening.settimeout(PATIENCE_S)
        yield listening


@contextmanager
def together(data_dir: Path, *arguments: str, **environment: str) -> Iterator[Start]:
    with started(data_dir, "--together", *arguments, **environment) as start:
        start.wait_for(r"Ready after [\d.]+ s: crawler, dispatcher, notifier")
        yield start


def forked(start: Start) -> dict[str, psutil.Process]:
    """The processes by their names; of those that ended nothing."""
    found = start.look(lambda it: (it.name(), it.status(), it))
    return {name: process for name, status, process in found if status != psutil.STATUS_ZOMBIE}


def comes_again(start: Start, name: str, before: psutil.Process) -> psutil.Process:
    assert wait_until(lambda: forked(start).get(name, before) != before, PATIENCE_S), start.text
    return forked(start)[name]


def test_what_dies_is_started_again_and_pushes_go_on(tmp_path: Path, notified: socket.socket) -> None:
    address = notified.getsockname().decode().replace("\0", "@")
    with together(tmp_path, NOTIFY_SOCKET=address) as start:
        assert notified.recv(100) == b"READY=1"
        start.wait_for("push delivered")

        # The parent of all is no more than that: one thread, no connection, nothing to copy for each of the others
        parent = psutil.Process(start.process.pid)
        assert parent.num_threads() == 1
        assert not parent.net_connections("inet")
        family = forked(start)
        assert {*PROCESSES, "forkserver"} <= set(family)
        assert {family[name].ppid() for name in (*PROCESSES, "forkserver")} == {parent.pid}
        # And nobody has what is the parent's
        assert not [
            file for name in PROCESSES for file in family[name].open_files() if file.path.endswith("start.lock")
        ]

        # What is killed comes again, the crawls' parent for the crawler that has it, and work goes on
        for name in ("notifier", "forkserver", "dispatcher"):
            start.lines.clear()
            family[name].kill()
            family[name] = comes_again(start, name, family[name])
        # With the dispatcher what says when it is time
        start.wait_for("beat runs")
        start.wait_for(r"dispatcher ended by itself \(exit code 137\); it is started again in 1 s")
        start.lines.clear()
        start.wait_for("crawl finished")
        start.wait_for("push delivered")
        # A crawler too, with a parent of crawls of its own; what it was at has a lease, which nobody waits for here
        family["crawler"].kill()
        comes_again(start, "forkserver", family["forkserver"])
        start.wait_for("worker ready: node=crawler")

        # Everybody is signalled twice, as Heroku and honcho do, and all of it is one warm stop
        processes = start.terminate_everything()
        assert start.end() == 0
        assert notified.recv(100) == b"STOPPING=1"
        assert_all_gone(processes)
        assert start.lines[-1] == "Stopped."
        assert "did not stop in time" not in start.text
        assert "Traceback" not in start.text


def test_the_procfile_of_one_dyno_runs_in_production(tmp_path: Path, redis_url: str, empty_postgres_url: str) -> None:
    (line,) = (ROOT / "deploy" / "one-dyno" / "Procfile").read_text().splitlines()
    _, _, module, command, *arguments = shlex.split(line.partition(": ")[2])
    assert (module, command) == ("scripts.cli", "start")
    assert "--together" in arguments
    settings = {"REDIS_URL": redis_url, "DATABASE_URL": empty_postgres_url, "LOG_FORMAT": "json"}
    with started(tmp_path, *arguments, "--web", PORT="0", **settings) as start:
        start.wait_for("Ready after .*, web")
        # A line of JSON stays one
        assert start.wait_for(r'^\{.*"event": "worker ready"')
        processes = start.everything()
        assert "redis-server" not in set(start.look(psutil.Process.name))
        start.process.terminate()
        assert start.end() == 0
        assert_all_gone(processes)


@pytest.mark.full
def test_a_process_that_never_lives_long_ends_all_with_its_exit_code(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        started(tmp_path, "--together", "--no-demo", "--web", PORT=str(taken.getsockname()[1])) as start,
    ):
        start.wait_for(r"web ended by itself \(exit code 1\); it is started again in 16 s")
        processes = start.everything()
        start.process.wait(PATIENCE_S)
        assert start.end() == 1
        assert start.lines[-1] == "web ended by itself 6 times in a row (exit code 1), so everything was stopped."
        assert_all_gone(processes)


def test_what_cannot_be_loaded_is_said_in_a_sentence(tmp_path: Path) -> None:
    with started(tmp_path, "--together", "--no-demo", CRAWL_SPIDER_MODULES="nothing_of_that_name") as start:
        assert start.end() == 1
        assert "what crawls need could not be loaded: ModuleNotFoundError" in start.lines[-1]
        assert "Traceback" not in start.text


def test_nothing_is_left_when_the_parent_is_killed(tmp_path: Path) -> None:
    with together(tmp_path, "--no-demo") as start:
        processes = start.everything()
        start.process.send_signal(signal.SIGKILL)
        assert_all_gone(processes)
