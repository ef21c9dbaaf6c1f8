"""Processes side by side: their lines, one end for all, nothing left behind."""

import io
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pytest

from scripts.local import procfile
from scripts.local.procfile import Ending, ProcessGroup, procfile_commands

WAIT = f'{shlex.quote(sys.executable)} -c "import time; print(1, flush=True); time.sleep(60)"'
STUBBORN = (
    f'{shlex.quote(sys.executable)} -c "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); '
    'print(1, flush=True); time.sleep(60)"'
)
POLITE = (
    f'{shlex.quote(sys.executable)} -c "import signal, time; '
    "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); print('ready', flush=True); "
    "signal.sigwait([signal.SIGTERM]); time.sleep(0.5); print('goodbye')\""
)
RUN_AND_BE_KILLED = """\
import os, sys
from pathlib import Path
from scripts.local.procfile import ProcessGroup
ProcessGroup({"waiting": sys.argv[1]}, environment=os.environ, folder=Path.cwd(), stop_wanted=lambda: False,
             others={}).run()
"""


def group(
    commands: Mapping[str, str],
    output: io.StringIO,
    stop_wanted: Callable[[], bool] = lambda: False,
    others: Mapping[str, Callable[[], bool]] | None = None,
) -> ProcessGroup:
    return ProcessGroup(
        commands,
        environment=os.environ,
        folder=Path.cwd(),
        stop_wanted=stop_wanted,
        others=others or {},
        output=output,
    )


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def test_each_line_appears_under_its_process_name() -> None:
    output = io.StringIO()

    ending = group({"talker": "echo first; printf 'no line end'", "w": "sleep 60"}, output).run()

    assert output.getvalue().splitlines() == ["talker | first", "talker | no line end"]
    assert ending == Ending(culprit="talker", exit_code=0)


@pytest.mark.parametrize(("command", "code"), [("sh -c 'exit 3'", 3), ("sh -c 'kill -9 $$'", 137)])
def test_when_one_ends_by_itself_all_end_and_it_is_named(command: str, code: int) -> None:
    before = set(children())

    ending = group({"waiting": WAIT, "failing": command}, io.StringIO()).run()

    assert ending == Ending(culprit="failing", exit_code=code)
    assert set(children()) == before


def test_a_server_outside_the_group_that_ends_is_named() -> None:
    assert group({"w": "sleep 60"}, io.StringIO(), others={"redis": lambda: False}).run() == Ending(culprit="redis")


def test_a_stop_ends_each_process_with_sigterm_and_shows_its_last_words() -> None:
    output = io.StringIO()

    ending = group({"polite": POLITE}, output, stop_wanted=lambda: "ready" in output.getvalue()).run()

    assert ending == Ending()
    assert output.getvalue().splitlines() == ["polite | ready", "polite | goodbye"]


def test_a_process_that_ends_just_before_the_signal_reaches_us_is_no_failure() -> None:
    output = io.StringIO()
    asked = time.monotonic()

    # It ends at once; the request to stop comes a little later, as it may when everything is signalled.
    ending = group({"quick": "exit 1"}, output, stop_wanted=lambda: time.monotonic() - asked > 0.3).run()

    assert ending == Ending()


def test_a_process_that_ignores_the_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procfile, "KILL_AFTER_S", 0.3)
    output = io.StringIO()
    before = set(children())

    group({"stubborn": STUBBORN}, output, stop_wanted=lambda: "1" in output.getvalue()).run()

    assert output.getvalue().splitlines()[-1] == "stubborn did not stop within 0 s and is killed."
    assert set(children()) == before


def test_what_a_process_has_started_and_left_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procfile, "KILL_AFTER_S", 0.3)
    output = io.StringIO()

    group({"parent": f"({STUBBORN}) & echo $!; exit 0"}, output).run()

    pid = int(output.getvalue().splitlines()[0].removeprefix("parent | "))
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_stop_waits_for_the_command_that_a_shell_ran() -> None:
    output = io.StringIO()

    group({"shell": f"true && {POLITE}"}, output, stop_wanted=lambda: "ready" in output.getvalue()).run()

    assert output.getvalue().splitlines() == ["shell | ready", "shell | goodbye"]


def test_a_reader_that_has_gone_ends_everything() -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    before = set(children())

    assert group({"talker": WAIT}, Gone()).run() == Ending()
    assert set(children()) == before


@pytest.mark.skipif(sys.platform != "linux", reason="Linux ends a process with its parent")
def test_processes_end_when_their_starter_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN_AND_BE_KILLED, WAIT], stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "waiting | 1\n"
        (waiting,) = psutil.Process(starter.pid).children()

        starter.send_signal(signal.SIGKILL)

        waiting.wait(10)


def test_the_procfile_names_every_process_that_a_start_runs() -> None:
    root = Path(procfile.__file__).parents[2]

    commands = procfile_commands(root / "Procfile", ("crawler", "dispatcher", "notifier", "beat"))

    assert all("celery" in command for command in commands.values())
