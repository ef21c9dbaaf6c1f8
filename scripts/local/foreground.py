"""Runs processes side by side in a terminal, as `honcho start` does, and ends them together."""

import math
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from scripts.local.process_output import TerminalLines
from scripts.local.supervisor import LOOK_S, ROOT, Exit, Supervisor

GRACE_S = 5.0
"""From the request to stop until what is left is killed; honcho's figure."""
SIGNAL_GRACE_S = 0.5
"""A signal to every process may reach us after the first of them has ended; so long it does not count as a failure."""


def run_together(
    commands: Mapping[str, str],
    environment: Mapping[str, str],
    *,
    stop_wanted: Callable[[], bool],
    others: Mapping[str, Callable[[], bool]],
    stream: IO[str] | None = None,
    folder: Path = ROOT,
) -> Exit | None:
    """Run commands until a stop is wanted or one of them ends, then end all; returns who ended by itself.

    others: servers that run outside of this: a name, and whether it is still alive. Start it from the main thread.
    """
    terminal = TerminalLines(tuple(commands), stream or sys.stdout)
    supervisor = Supervisor(terminal, environment, folder=folder)
    try:
        for name, command in commands.items():
            supervisor.start_command(name, command)
        # When the reader has gone, there is nobody to run for.
        culprit = _first_exit(supervisor, lambda: stop_wanted() or terminal.is_gone, others)
        supervisor.stop(grace_s=GRACE_S, kill_leftovers=True)
        if supervisor.late:
            terminal.write(f"{', '.join(supervisor.late)} did not stop within {GRACE_S:.0f} s and was killed.")
    finally:
        supervisor.close()
    return culprit


def _first_exit(
    supervisor: Supervisor, stop_wanted: Callable[[], bool], others: Mapping[str, Callable[[], bool]]
) -> Exit | None:
    first: Exit | None = None
    seen_at = math.inf
    while not stop_wanted():
        supervisor.output.show(LOOK_S)
        ended = supervisor.look() + [Exit(name=name, code=None) for name, is_alive in others.items() if not is_alive()]
        if first is None and ended:
            first, seen_at = ended[0], time.monotonic()
        if time.monotonic() > seen_at + SIGNAL_GRACE_S:
            return first
    return None
