"""Runs processes side by side in a terminal, as `honcho start` does, and ends them together."""

import math
import sys
import time
from collections.abc import Callable, Mapping
from typing import IO

from pipeline.basics import readiness
from scripts.local.forks import Forks
from scripts.local.process_output import TerminalLines
from scripts.local.supervisor import LOOK_S, Exit, Supervisor, ever_later

SIGNAL_GRACE_S = 0.5
"""A signal to every process may reach us after the first of them has ended; so long it does not count as a failure."""


def run_together(
    commands: Mapping[str, str],
    environment: Mapping[str, str],
    *,
    stop_wanted: Callable[[], bool],
    others: Mapping[str, Callable[[], bool]],
    stream: IO[str] | None = None,
    forks: Forks | None = None,
    prefixed: bool = True,
    hurry: Callable[[], bool] = lambda: False,
) -> Exit | None:
    """Run commands until a stop is wanted or one of them ends, then end all; returns who ended by itself.

    others: servers that run outside of this: a name, and whether it is still alive. Start it from the main thread.
    A stop waits for what they are at, until there is a `hurry`. forks: what forks them instead of starting them. Then
    they run as in production: what ends is started again, unless it does so again and again.
    """
    terminal = TerminalLines(tuple(commands), stream or sys.stdout, prefixed=prefixed)
    supervisor = Supervisor(terminal, environment, starter=forks, again=ever_later)
    begun = time.monotonic()

    def look() -> list[Exit]:
        nonlocal begun
        if forks is not None and begun and forks.ready >= set(commands):
            terminal.write(f"Ready after {time.monotonic() - begun:.1f} s: {', '.join(commands)}.")
            readiness.notify_systemd("READY=1")
            begun = 0
        return _told(supervisor.look(), terminal)

    try:
        for name, command in commands.items():
            supervisor.start_command(name, command, restart=forks is not None)
        # When the reader has gone, there is nobody to run for.
        culprit = _first_exit(supervisor, look, lambda: stop_wanted() or terminal.is_gone, others)
        if forks is not None:
            readiness.notify_systemd("STOPPING=1")
        supervisor.stop(kill_leftovers=True, hurry=hurry)
        if supervisor.late:
            were = "was" if len(supervisor.late) == 1 else "were"
            terminal.write(f"{', '.join(supervisor.late)} did not stop in time and {were} killed.")
    finally:
        supervisor.close()
    return culprit


def _told(ended: list[Exit], terminal: TerminalLines) -> list[Exit]:
    """Say of what comes again that it does; returns the others."""
    for each in ended:
        if each.again_s is not None:
            said = f"{each.name} ended by itself (exit code {each.code})"
            terminal.write(f"{said}; it is started again in {each.again_s:g} s.")
    return [each for each in ended if each.again_s is None]


def _first_exit(
    supervisor: Supervisor,
    look: Callable[[], list[Exit]],
    stop_wanted: Callable[[], bool],
    others: Mapping[str, Callable[[], bool]],
) -> Exit | None:
    first: Exit | None = None
    seen_at = math.inf
    while not stop_wanted():
        supervisor.output.show(LOOK_S)
        ended = look() + [Exit(name=name, code=None) for name, is_alive in others.items() if not is_alive()]
        if first is None and ended:
            first, seen_at = ended[0], time.monotonic()
        if time.monotonic() > seen_at + SIGNAL_GRACE_S:
            return first
    return None
