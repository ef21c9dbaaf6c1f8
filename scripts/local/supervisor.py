"""Starts, watches and stops processes: those of the Procfile, and others that are run beside them.

`start`, the benchmarks, the drill and the tests use it. It differs from honcho's Manager where that leaves processes
behind: when a signal comes before all have started, when the terminal it prints to goes away, and when it is killed.
"""

import math
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Protocol

from honcho.environ import parse_procfile

from scripts.local.process_output import ProcessOutput
from scripts.local.shielded import end_with_parent

ROOT = Path(__file__).resolve().parents[2]
PROCFILE = Path(__file__).with_name("Procfile")
"""A link to that of the project, so that an installed package has it too."""
GRACE_S = 30.0
"""From SIGTERM to SIGKILL, as Heroku has it."""
RESTART_AFTER_S = 1.0
"""What ended by itself is started again after so long."""
EARLY_S = 60.0
"""What lived for less than this since its start ended early."""
MOST_EARLY = 6
HURRY_S = 5.0
"""From SIGQUIT, at which a worker drops what it does, to SIGKILL."""
LOOK_S = 0.05
FREEZE_S, FREEZE_MOST_S = 0.02, 10.0
"""When to look whether a SIGSTOP has reached every thread, and how long to wait for it."""
COMPOUND = re.compile(r"[;&|()\n]|^\w+=")
"""A command that the shell must stay for. Else the process replaces the shell, and gets our signals itself."""


def procfile_commands(names: Collection[str]) -> dict[str, str]:
    """The commands of process types; of "notifier-2" and the like, with that as the worker's name.

    Raises KeyError for one that the Procfile does not have.
    """
    commands = parse_procfile(PROCFILE.read_text()).processes
    kinds = {name: name.partition("-")[0] for name in names}
    return {name: str(commands[kind]).replace(f"{kind}@", f"{name}@") for name, kind in kinds.items()}


def program_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment in which the Procfile's commands find the programs of this Python, and print without delay."""
    programs = str(Path(sys.executable).parent)
    path = os.pathsep.join([programs, environment.get("PATH", os.defpath)])
    return {**environment, "PATH": path, "PYTHONUNBUFFERED": "1"}


class Process(Protocol):
    """What a supervisor looks after, as subprocess.Popen has it."""

    pid: int

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code; raises subprocess.TimeoutExpired."""

    def kill(self) -> None:
        """SIGKILL."""


class Starter:
    """How a supervisor's processes begin: each by a shell, as the Procfile has its command."""

    def start(
        self,
        name: str,  # noqa: ARG002
        command: str,
        *,
        output: IO[bytes],
        environment: Mapping[str, str],
    ) -> Process:
        """Start a command under a name, in the project's folder; `output` gets what it prints.

        It has a session of its own: Ctrl-C reaches us alone, a signal of ours all that it started. Start it from the
        main thread: on Linux it gets SIGTERM when that thread ends, however that happens.
        """
        return subprocess.Popen(
            ["/bin/sh", "-c", command if COMPOUND.search(command) else f"exec {command}"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(end_with_parent, os.getpid(), signal.SIGTERM),
        )

    def look(self) -> None:
        """Do what is asked of it by those that it has started; called often."""

    def close(self) -> None:
        """End what was started for them."""


def soon(_early: int) -> float | None:
    """When to start again what ended by itself, for the how many-th time early in a row: after a second, always."""
    return RESTART_AFTER_S


def ever_later(early: int) -> float | None:
    """After 1, 2, 4, 8 and 16 seconds; whoever ends early for the sixth time in a row does so always: None."""
    return min(2.0 ** max(early - 1, 0), 16.0) if early < MOST_EARLY else None


def signal_group(process: Process, number: signal.Signals) -> None:
    """Send a signal to a process of `Starter.start` and to all that it started in its session."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def wait_or_kill(process: Process, seconds: float) -> bool:
    """Wait so long for a process of `Starter.start` to end, then kill its group; returns whether it ended by itself."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        signal_group(process, signal.SIGKILL)
        process.wait()
        return False
    return True


def wait_until(done: Callable[[], object], seconds: float, *, every_s: float = LOOK_S) -> bool:
    """Wait until something is so; False when it is not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True


def _stands_still(pid: int) -> bool:
    """Whether no thread of a process runs; True where that cannot be known."""
    with suppress(OSError):
        states = [file.read_text().rpartition(")")[2].split()[0] for file in Path(f"/proc/{pid}/task").glob("*/stat")]
        return all(state in "TtZX" for state in states)
    return False


@contextmanager
def frozen(pids: Sequence[int]) -> Iterator[None]:
    """Nothing happens in these processes while the block runs."""
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(FREEZE_S)
        # On a busy machine it reaches a thread when that comes to run
        wait_until(lambda: all(map(_stands_still, pids)), FREEZE_MOST_S, every_s=FREEZE_S)
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@dataclass(frozen=True, kw_only=True)
class Exit:
    """A process that ended without being asked to."""

    name: str
    # As the shell counts: 128 plus the signal's number after a signal. None of a server that is only watched.
    code: int | None
    # After how many seconds it is started again; None: it is not.
    again_s: float | None = None
    # How often in a row it ended soon after its start, this time included.
    early: int = field(default=0, compare=False)


@dataclass(kw_only=True, eq=False)
class _Managed:
    command: str
    restart: bool
    process: Process
    since: float
    # None: it was not told to end. Else it is started again so many seconds after it has ended.
    restart_after_s: float | None = None
    kill_at: float = math.inf
    is_noted: bool = False

    @property
    def may_go(self) -> bool:
        """Whether nobody asks for it any more once it has ended: it comes again, or was told to end."""
        return self.restart or self.restart_after_s is not None


class Supervisor:
    """Processes by name. Use it from the main thread, and call `look` often where it restarts them."""

    def __init__(
        self,
        output: ProcessOutput,
        environment: Mapping[str, str],
        *,
        starter: Starter | None = None,
        again: Callable[[int], float | None] = soon,
    ) -> None:
        """again: after how many seconds to start what ended early so many times in a row; None: not any more."""
        self.output = output
        self._starter = starter or Starter()
        self._again = again
        self._early: Counter[str] = Counter()
        # May be changed: it is what the next process gets.
        self.environment = dict(environment)
        # What the next process of a name gets besides.
        self.more_environment: dict[str, Mapping[str, str]] = {}
        self._managed: dict[str, _Managed] = {}
        # When to start again what ended.
        self._due: dict[str, tuple[float, str]] = {}
        # How often each ended without being told to, and which did not end when they were told to.
        self.exits: Counter[str] = Counter()
        self.late: list[str] = []

    def start(self, *names: str, restart: bool = False) -> None:
        """Start processes of the Procfile, also a second one of a kind: "beat-2". restart: again when they end."""
        for name, command in procfile_commands(names).items():
            self.start_command(name, command, restart=restart)

    def start_command(self, name: str, command: str, *, restart: bool = False) -> None:
        """Start a shell command under a name."""
        environment = {**self.environment, **self.more_environment.get(name, {})}
        with self.output.open(name) as output:
            process = self._starter.start(name, command, output=output, environment=environment)
        self._managed[name] = _Managed(command=command, restart=restart, process=process, since=time.monotonic())

    def look(self) -> list[Exit]:
        """Notice what ended, kill what does not end, start again what is due; returns what ended by itself."""
        self._starter.look()
        now = time.monotonic()
        found = []
        for name, managed in list(self._managed.items()):
            code = managed.process.poll()
            if code is None:
                if now > managed.kill_at:
                    self.late.append(name)
                    signal_group(managed.process, signal.SIGKILL)
            elif not managed.is_noted:
                managed.is_noted = True
                wait_s = managed.restart_after_s
                if wait_s is None:
                    self.exits[name] += 1
                    self._early[name] = self._early[name] + 1 if now - managed.since < EARLY_S else 0
                    wait_s = self._again(self._early[name]) if managed.restart else None
                    code = code if code >= 0 else 128 - code
                    found.append(Exit(name=name, code=code, again_s=wait_s, early=self._early[name]))
                if managed.restart and wait_s is not None:
                    self._due[name] = (now + wait_s, managed.command)
                if managed.may_go:
                    # Its process id may soon be somebody else's.
                    del self._managed[name]
        for name, (at, command) in list(self._due.items()):
            if now >= at:
                del self._due[name]
                self.start_command(name, command, restart=True)
        return found

    def pid(self, name: str) -> int | None:
        """The process id of a process that runs and was not told to end."""
        managed = self._managed.get(name)
        runs = managed is not None and managed.restart_after_s is None and managed.process.poll() is None
        return managed.process.pid if managed is not None and runs else None

    @property
    def pids(self) -> list[int]:
        """Of all that run."""
        return [each.process.pid for each in self._managed.values() if each.process.poll() is None]

    def kill(self, name: str, *, restart_after_s: float = 0.0) -> None:
        """SIGKILL to the process alone, as the kernel does when memory runs out."""
        managed = self._managed[name]
        managed.restart_after_s = restart_after_s
        managed.process.kill()
        managed.process.wait()

    def terminate(self, name: str, *, restart_after_s: float = 0.0) -> None:
        """SIGTERM to its group, twice, as honcho and Heroku may send it. `look` kills it when it does not end."""
        managed = self._managed[name]
        managed.restart_after_s = restart_after_s
        managed.kill_at = time.monotonic() + GRACE_S
        for _ in range(2):
            signal_group(managed.process, signal.SIGTERM)

    def frozen(self, names: Sequence[str]) -> AbstractContextManager[None]:
        """Nothing happens in these processes while the block runs."""
        return frozen([pid for pid in map(self.pid, names) if pid is not None])

    def stop(
        self,
        *names: str,
        grace_s: float | None = None,
        kill_leftovers: bool = False,
        hurry: Callable[[], bool] = lambda: False,
    ) -> dict[str, int]:
        """End these processes, or all, and start none of them again; returns their exit codes.

        SIGTERM goes to each group, twice; what has not ended in time is killed, and named in `late`. kill_leftovers:
        so is what the others have left behind. hurry: whether to wait no longer for what they are at.
        """
        ending = {name: self._managed[name] for name in names or tuple(self._managed)}
        for name in names or tuple(self._due):
            self._due.pop(name, None)
        for _ in range(2):
            for managed in ending.values():
                signal_group(managed.process, signal.SIGTERM)
        deadline, is_hurried = time.monotonic() + (GRACE_S if grace_s is None else grace_s), False
        while late := [name for name, managed in ending.items() if not self._has_ended(name, managed)]:
            if time.monotonic() > deadline:
                self.late += late
                break
            if not is_hurried and hurry():
                is_hurried, deadline = True, min(deadline, time.monotonic() + HURRY_S)
                for name in late:
                    signal_group(ending[name].process, signal.SIGQUIT)
            self._starter.look()
            self.output.show(LOOK_S)
        for name in ending if kill_leftovers else late:
            signal_group(ending[name].process, signal.SIGKILL)
        codes = {name: managed.process.wait() for name, managed in ending.items()}
        for name in ending:
            del self._managed[name]
        return codes

    def _has_ended(self, name: str, managed: _Managed) -> bool:
        # A shell may end before the command that it ran; the output ends with the last of them.
        return managed.process.poll() is not None and self.output.has_ended(name)

    def close(self) -> None:
        """Kill whatever is left, and what those that ended have left behind."""
        self._due.clear()
        for managed in self._managed.values():
            signal_group(managed.process, signal.SIGKILL)
            managed.process.wait()
        self._managed.clear()
        self._starter.close()
        self.output.close()
