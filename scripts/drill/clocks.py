"""Machines of a drill whose clocks are wrong, and are set right while their processes run."""

import os
from collections.abc import Mapping
from pathlib import Path

from scripts.drill import own_clock
from scripts.drill.own_clock.sitecustomize import FILE
from scripts.local.supervisor import Supervisor

AHEAD_S: Mapping[str, float] = {
    f"{sign}{words}": seconds if sign == "+" else -seconds
    for words, seconds in (("0.3 s", 0.3), ("10 s", 10.0), ("1 day", 86_400.0))
    for sign in "+-"
}
"""How far a clock is ahead, in words -> in seconds."""


class Clocks:
    """One for each process whose clock was wrong."""

    def __init__(self, supervisor: Supervisor, folder: Path) -> None:
        """folder: for a file that says how far a clock is ahead."""
        self._supervisor, self._folder = supervisor, folder
        self._files: dict[str, Path] = {}

    def set_wrong(self, name: str, ahead: str) -> None:
        """Let a process, and those that it starts, have a wrong clock from its next start on."""
        file = self._files[name] = self._folder / f"{name}.clock"
        _write(file, AHEAD_S[ahead])
        usual = self._supervisor.environment.get("PYTHONPATH", "")
        path = os.pathsep.join(filter(None, [*own_clock.__path__, usual]))
        self._supervisor.more_environment[name] = {"PYTHONPATH": path, FILE: str(file)}

    def set_right(self) -> None:
        """Set all clocks right, at once."""
        for name, file in self._files.items():
            _write(file, 0.0)
            self._supervisor.more_environment.pop(name, None)


def _write(file: Path, ahead_s: float) -> None:
    # In its place at once: the process may read it at any moment.
    new = file.with_suffix(".new")
    new.write_text(str(ahead_s))
    new.replace(file)
