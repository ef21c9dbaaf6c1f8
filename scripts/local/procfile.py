"""Runs the Procfile's processes side by side, as `honcho start` does, and ends them together.

It differs from honcho's own Manager where that leaves processes behind: when a signal comes before all have started,
when the terminal it prints to goes away, and when it is killed itself.
"""

import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from honcho.colour import get_colours
from honcho.environ import parse_procfile

from scripts.local.shielded import end_with_parent

KILL_AFTER_S = 5.0
"""From the request to stop until what is left is killed; honcho's figure."""
LOOK_EVERY_S = 0.1
COMPOUND = re.compile(r"[;&|()\n]|^\w+=")
"""A command that the shell must stay for. Else the process replaces the shell, and gets our signals itself."""
SIGNAL_GRACE_S = 0.5
"""A signal to every process may reach us after the first of them has ended; so long it does not count as a failure."""


def procfile_commands(procfile: Path, names: tuple[str, ...]) -> dict[str, str]:
    """The commands of the named process types, in that order. Raises KeyError for one that is not there."""
    commands = parse_procfile(procfile.read_text()).processes
    return {name: str(commands[name]) for name in names}


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a run ended."""

    # The process that ended without being asked to; None after a signal.
    culprit: str | None = None
    # Its exit code as the shell counts: 128 plus the signal's number after a signal. None where there is none.
    exit_code: int | None = None


@dataclass(kw_only=True, eq=False)
class _Running:
    name: str
    process: subprocess.Popen[bytes]
    prefix: str
    # The start of a line whose end has not come yet.
    rest: bytes = field(default=b"", repr=False)
    # A shell may end before the command that it ran; the output ends with the last of them.
    output_ended: bool = False

    @property
    def has_ended(self) -> bool:
        return self.output_ended and self.process.poll() is not None


class ProcessGroup:
    """Processes whose lines appear under their names; when one ends, all end.

    Start it from the main thread: on Linux the processes end with the thread that started them.
    """

    def __init__(
        self,
        commands: Mapping[str, str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        stop_wanted: Callable[[], bool],
        others: Mapping[str, Callable[[], bool]],
        output: IO[str] | None = None,
    ) -> None:
        """`others` are servers that run outside this group: a name, and whether it is still alive."""
        self._commands = commands
        self._environment = environment
        self._folder = folder
        self._stop_wanted = stop_wanted
        self._others = others
        self._output = output or sys.stdout
        self._output_is_gone = False
        self._running: list[_Running] = []
        self._selector = selectors.DefaultSelector()

    def run(self) -> Ending:
        """Start the processes, show what they print, and return when none is left."""
        try:
            self._start()
            ending = self._watch()
            self._stop()
        finally:
            for running in self._running:
                self._signal(running, signal.SIGKILL)
                running.process.wait()
            self._selector.close()
        return ending

    def _start(self) -> None:
        width = max(len(name) for name in self._commands)
        coloured = self._output.isatty() and "NO_COLOR" not in os.environ
        for (name, command), colour in zip(self._commands.items(), get_colours(), strict=False):
            process = subprocess.Popen(
                ["/bin/sh", "-c", command if COMPOUND.search(command) else f"exec {command}"],
                cwd=self._folder,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                # A group of its own: Ctrl-C reaches us alone, and a signal of ours reaches all that it started.
                start_new_session=True,
                preexec_fn=partial(end_with_parent, os.getpid(), signal.SIGTERM),
            )
            prefix = f"{name.ljust(width)} | "
            running = _Running(
                name=name, process=process, prefix=f"\033[{colour}m{prefix}\033[0m" if coloured else prefix
            )
            self._running.append(running)
            assert process.stdout is not None
            os.set_blocking(process.stdout.fileno(), False)
            self._selector.register(process.stdout, selectors.EVENT_READ, running)

    def _watch(self) -> Ending:
        """Until a signal comes or one of them ends."""
        first_seen: float | None = None
        while not (self._stop_wanted() or self._output_is_gone):
            self._show_output()
            ended = self._first_ended()
            if ended is None:
                continue
            first_seen = first_seen or time.monotonic()
            if time.monotonic() - first_seen > SIGNAL_GRACE_S:
                return ended
        return Ending()

    def _first_ended(self) -> Ending | None:
        for running in self._running:
            code = running.process.poll()
            if code is not None:
                return Ending(culprit=running.name, exit_code=code if code >= 0 else 128 - code)
        for name, is_alive in self._others.items():
            if not is_alive():
                return Ending(culprit=name)
        return None

    def _stop(self) -> None:
        """Ask all to end, show their last words, and kill what has not ended in time."""
        for running in self._running:
            self._signal(running, signal.SIGTERM)
        deadline = time.monotonic() + KILL_AFTER_S
        while not all(running.has_ended for running in self._running):
            if time.monotonic() > deadline:
                late = ", ".join(r.name for r in self._running if not r.has_ended)
                self._write(f"{late} did not stop within {KILL_AFTER_S:.0f} s and is killed.")
                break
            self._show_output()

    def _show_output(self) -> None:
        for key, _ in self._selector.select(LOOK_EVERY_S):
            running: _Running = key.data
            chunk = os.read(key.fd, 65_536)
            *lines, running.rest = (running.rest + chunk).split(b"\n")
            if not chunk:
                running.output_ended = True
                self._selector.unregister(key.fileobj)
                lines, running.rest = [running.rest] if running.rest else [], b""
            for line in lines:
                self._write(running.prefix + line.decode("utf-8", "replace"))

    def _write(self, line: str) -> None:
        # The reader may be gone (a closed terminal, `| head`): then there is nobody to run for.
        try:
            self._output.write(line + "\n")
            self._output.flush()
        except OSError:
            self._output_is_gone = True

    @staticmethod
    def _signal(running: _Running, number: signal.Signals) -> None:
        # Its whole group: a shell that did not replace itself would otherwise be all that ends.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(running.process.pid, number)
