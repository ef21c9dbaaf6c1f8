"""Where the output of processes goes: into a file for each, or onto a terminal, each line under its process's name."""

import os
import selectors
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Protocol

from honcho.colour import get_colours


class ProcessOutput(Protocol):
    """What a supervisor gives its processes to write to."""

    def open(self, name: str) -> IO[bytes]:
        """A file for a process to write to; the caller closes its own copy after the start."""

    def show(self, seconds: float) -> None:
        """Wait so long at most, and pass on what was written meanwhile."""

    def has_ended(self, name: str) -> bool:
        """Whether nobody can write under this name any more, as far as that can be known."""

    def close(self) -> None:
        """Let go of all files."""


class LogFiles:
    """The output of each process at the end of NAME.log."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        """Where the output of a process goes."""
        return self._folder / f"{name}.log"

    def open(self, name: str) -> IO[bytes]:
        """The log, to be appended to."""
        return self.path(name).open("ab")

    def show(self, seconds: float) -> None:
        """Wait; nobody reads along."""
        time.sleep(seconds)

    def has_ended(self, _name: str) -> bool:
        """Nothing is known of who has a file open, so nobody waits for that."""
        return True

    def close(self) -> None:
        """Nothing is held open."""

    def text(self, name: str) -> str:
        """What a process has written, of all its starts."""
        return self.path(name).read_text(errors="replace") if self.path(name).exists() else ""

    def last_line(self, name: str) -> str:
        """The last line that a process wrote."""
        return next((line for line in reversed(self.text(name).splitlines()) if line.strip()), "it said nothing")


class TerminalLines:
    """The lines of all processes on one stream, each behind its process's name, as `honcho start` shows them."""

    def __init__(self, names: Sequence[str], stream: IO[str], *, prefixed: bool = True) -> None:
        """prefixed: False leaves the names out, as where each line is an object of JSON."""
        width = max(map(len, names))
        coloured = stream.isatty() and "NO_COLOR" not in os.environ
        self._prefixes = {
            name: f"\033[{colour}m{name.ljust(width)} | \033[0m" if coloured else f"{name.ljust(width)} | "
            for name, colour in zip(names, get_colours(), strict=False)
            if prefixed
        }
        self._stream = stream
        self._selector = selectors.DefaultSelector()
        # The start of each process's line whose end has not come yet; no entry once its output has ended.
        self._rests: dict[str, bytes] = {}
        # Whether the reader has gone away (a closed terminal, `| head`).
        self.is_gone = False

    def open(self, name: str) -> IO[bytes]:
        """A pipe that `show` reads."""
        read, write = os.pipe()
        os.set_blocking(read, False)
        self._selector.register(read, selectors.EVENT_READ, name)
        self._rests[name] = b""
        return os.fdopen(write, "wb")

    def show(self, seconds: float) -> None:
        """Wait so long for output at most, and print its lines."""
        for key, _ in self._selector.select(seconds):
            name: str = key.data
            chunk = os.read(key.fd, 65_536)
            *lines, rest = (self._rests[name] + chunk).split(b"\n")
            self._rests[name] = rest
            if not chunk:
                self._selector.unregister(key.fd)
                os.close(key.fd)
                del self._rests[name]
                lines = [rest] if rest else []
            for line in lines:
                self.write(self._prefixes.get(name, "") + line.decode("utf-8", "replace"))

    def has_ended(self, name: str) -> bool:
        """Whether the last process that had the pipe has ended or closed it."""
        return name not in self._rests

    def write(self, line: str) -> None:
        """Print a line, unless its reader is gone."""
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except OSError:
            self.is_gone = True

    def close(self) -> None:
        """Close the pipes, whoever has the other ends."""
        for key in list(self._selector.get_map().values()):
            self._selector.unregister(key.fd)
            os.close(key.fd)
        self._rests.clear()
        self._selector.close()
