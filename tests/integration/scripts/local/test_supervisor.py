"""Processes side by side: their lines, one end for all, nothing left behind."""

import io
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from scripts.local import supervisor as module
from scripts.local.foreground import run_together
from scripts.local.process_output import LogFiles
from scripts.local.supervisor import Exit, Supervisor, procfile_commands, wait_until

WAIT = f'{shlex.quote(sys.executable)} -c "import time; print(1, flush=True); time.sleep(600)"'
STUBBORN = (
    f'{shlex.quote(sys.executable)} -c "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); '
    'print(1, flush=True); time.sleep(600)"'
)
POLITE = (
    f'{shlex.quote(sys.executable)} -c "import signal, time; '
    "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); print('ready', flush=True); "
    "signal.sigwait([signal.SIGTERM]); time.sleep(0.5); print('goodbye')\""
)
RUN_AND_BE_KILLED = """\
import os, sys
from scripts.local.foreground import run_together
run_together({"waiting": sys.argv[1]}, os.environ, stop_wanted=lambda: False, others={})
"""


def run(
    commands: Mapping[str, str],
    output: io.StringIO,
    stop_wanted: Callable[[], bool] = lambda: False,
    others: Mapping[str, Callable[[], bool]] | None = None,
) -> Exit | None:
    return run_together(commands, os.environ, stop_wanted=stop_wanted, others=others or {}, stream=output)


def children() -> set[psutil.Process]:
    """Ours; what those of other tests start, as a database does all the time, is nothing to these."""
    return set(psutil.Process().children())


def test_each_line_appears_under_its_process_name():
    output = io.StringIO()
    ending = run({"talker": "echo first; printf 'no line end'", "w": "sleep 600"}, output)
    assert output.getvalue().splitlines() == ["talker | first", "talker | no line end"]
    assert ending == Exit(name="talker", code=0)


@pytest.mark.parametrize(("command", "code"), [("sh -c 'exit 3'", 3), ("sh -c 'kill -9 $$'", 137)])
def test_when_one_ends_by_itself_all_end_and_it_is_named(command, code):
    before = children()
    ending = run({"waiting": WAIT, "failing": command}, io.StringIO())
    assert ending == Exit(name="failing", code=code)
    assert children() <= before


def test_a_server_outside_the_group_that_ends_is_named():
    assert run({"w": "sleep 600"}, io.StringIO(), others={"redis": lambda: False}) == Exit(name="redis", code=None)


def test_a_stop_ends_each_process_with_sigterm_and_shows_its_last_words():
    output = io.StringIO()
    ending = run({"polite": POLITE}, output, stop_wanted=lambda: "ready" in output.getvalue())
    assert ending is None
    assert output.getvalue().splitlines() == ["polite | ready", "polite | goodbye"]


def test_a_process_that_ends_just_before_the_signal_reaches_us_is_no_failure():
    output = io.StringIO()
    asked = time.monotonic()

    # It ends at once; the request to stop comes a little later, as it may when everything is signalled.
    ending = run({"quick": "exit 1"}, output, stop_wanted=lambda: time.monotonic() - asked > 0.3)
    assert ending is None


def test_a_process_that_ignores_the_stop_is_killed(monkeypatch):
    monkeypatch.setattr(module, "GRACE_S", 0.3)
    output = io.StringIO()
    before = children()
    run({"stubborn": STUBBORN}, output, stop_wanted=lambda: "1" in output.getvalue())
    assert output.getvalue().splitlines()[-1] == "stubborn did not stop in time and was killed."
    assert children() <= before


def test_what_a_process_has_started_and_left_ends_too(monkeypatch):
    monkeypatch.setattr(module, "GRACE_S", 0.3)
    output = io.StringIO()
    run({"parent": f"({STUBBORN}) & echo $!; exit 0"}, output)
    pid = int(output.getvalue().splitlines()[0].removeprefix("parent | "))
    assert wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, 60)


def test_a_stop_waits_for_the_command_that_a_shell_ran():
    output = io.StringIO()
    run({"shell": f"true && {POLITE}"}, output, stop_wanted=lambda: "ready" in output.getvalue())
    assert output.getvalue().splitlines() == ["shell | ready", "shell | goodbye"]


def test_a_reader_that_has_gone_ends_everything():
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    before = children()
    assert run({"talker": WAIT}, Gone()) is None
    assert children() <= before


@pytest.mark.skipif(sys.platform != "linux", reason="Linux ends a process with its parent")
def test_processes_end_when_their_starter_is_killed():
    with subprocess.Popen(
        [sys.executable, "-c", RUN_AND_BE_KILLED, WAIT], stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout.readline() == "waiting | 1\n"
        (waiting,) = psutil.Process(starter.pid).children()
        starter.send_signal(signal.SIGKILL)
        waiting.wait(60)


def test_the_procfile_names_every_process_that_a_start_runs():
    commands = procfile_commands(("crawler", "dispatcher", "notifier", "beat"))
    assert all("pipeline.worker.launch" in command for command in commands.values())


def test_a_second_worker_of_a_kind_has_a_name_of_its_own():
    commands = procfile_commands(("notifier", "notifier-2"))
    assert commands["notifier-2"] == commands["notifier"].replace("notifier@", "notifier-2@") != commands["notifier"]


@pytest.fixture
def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    monkeypatch.setattr(module, "RESTART_AFTER_S", 0.0)
    made = Supervisor(LogFiles(tmp_path), os.environ)
    yield made
    made.close()


def unshelled(command: str, folder: Path) -> str:
    """The same program in a file, so that no shell stands between it and a signal."""
    program, _, code = shlex.split(command)
    (folder / "program.py").write_text(code.replace("; ", "\n"))
    return shlex.join([program, str(folder / "program.py")])


def starts(supervisor: Supervisor, name: str) -> int:
    """How often a process that is restarted has begun so far."""
    supervisor.look()
    assert isinstance(supervisor.output, LogFiles)
    return supervisor.output.text(name).count("ready")


@pytest.mark.parametrize("end", ["itself", "kill", "terminate"])
def test_a_process_that_has_ended_is_started_again(supervisor, end):
    supervisor.start_command("worker", "echo ready; exec sleep 600" if end != "itself" else "echo ready", restart=True)
    wait_until(lambda: starts(supervisor, "worker"), 60)
    first = supervisor.pids
    match end:
        case "kill":
            supervisor.kill("worker")
            assert supervisor.pid("worker") is None
        case "terminate":
            supervisor.terminate("worker")
            assert supervisor.pid("worker") is None
    assert wait_until(lambda: starts(supervisor, "worker") >= 2, 60)
    # Only what nobody asked for counts
    assert (supervisor.exits["worker"] > 0) is (end == "itself")
    assert not first or supervisor.pids != first


def test_a_process_that_does_not_end_when_told_is_killed_and_started_again(supervisor, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "GRACE_S", 0.1)
    supervisor.start_command("worker", unshelled(STUBBORN.replace("print(1", "print('ready'"), tmp_path), restart=True)
    assert wait_until(lambda: starts(supervisor, "worker") == 1, 60)
    supervisor.terminate("worker")
    assert wait_until(lambda: starts(supervisor, "worker") == 2, 60)
    assert supervisor.late == ["worker"]


def test_what_was_stopped_stays_so_and_tells_its_exit_code(supervisor, tmp_path):
    supervisor.start_command("worker", unshelled(POLITE, tmp_path), restart=True)
    supervisor.start_command("other", WAIT, restart=True)
    assert wait_until(lambda: starts(supervisor, "worker"), 60)
    assert supervisor.stop("worker") == {"worker": 0}
    assert supervisor.look() == []
    assert supervisor.pid("other") is not None
    assert supervisor.stop() == {"other": -signal.SIGTERM}
    assert supervisor.pids == []


@pytest.mark.parametrize(("early", "again_s"), [(0, 1), (1, 1), (2, 2), (5, 16), (6, None)])
def test_what_ends_early_again_and_again_waits_longer_each_time_and_is_given_up(early, again_s):
    assert module.ever_later(early) == again_s


def test_who_ends_early_too_often_is_told_of_and_not_started_again(tmp_path):
    supervisor = Supervisor(LogFiles(tmp_path), os.environ, again=[0.0, 0.0, 0.0, None].__getitem__)
    supervisor.start_command("worker", "sh -c 'exit 3'", restart=True)
    found: list[Exit] = []
    assert wait_until(lambda: found.extend(supervisor.look()) or any(each.again_s is None for each in found), 60)
    assert [(each.code, each.early, each.again_s) for each in found] == [(3, 1, 0.0), (3, 2, 0.0), (3, 3, None)]
    supervisor.close()


def test_a_stop_in_a_hurry_waits_for_nobody(supervisor, tmp_path, monkeypatch):
    # Time enough for a dump of its memory, where the machine keeps one.
    monkeypatch.setattr(module, "HURRY_S", 60.0)
    # A shell has what runs in its background ignore SIGQUIT, and with it all that is started from there.
    ends_by_it = STUBBORN.replace("print(1", "signal.signal(signal.SIGQUIT, signal.SIG_DFL); print('ready'")
    supervisor.start_command("worker", unshelled(ends_by_it, tmp_path))
    assert wait_until(lambda: starts(supervisor, "worker") == 1, 60)
    # SIGQUIT ends it, as it would make a worker drop what it does.
    assert supervisor.stop(hurry=lambda: True) == {"worker": -signal.SIGQUIT}


def test_nothing_happens_in_a_frozen_process(supervisor):
    supervisor.start_command("worker", WAIT)
    pid = supervisor.pid("worker")
    with supervisor.frozen(("worker",)):
        assert psutil.Process(pid).status() == psutil.STATUS_STOPPED
    assert wait_until(lambda: psutil.Process(pid).status() != psutil.STATUS_STOPPED, 60)
