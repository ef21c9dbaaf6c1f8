"""Runs a command that does not hear the signals at which the other processes stop, and ends with its parent.

Ctrl-C reaches the whole terminal's group, and `kill` or systemd send SIGTERM to every process at once. A server that
the others still use while they stop must not stop with them: its parent stops it last.

Run as a file by the parent, before the command replaces it: `python -I -S shielded.py PARENT_PID COMMAND ...`
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # run as a file, which knows nothing of the folder that our packages are in
    sys.path.insert(0, str(Path(__file__).parents[2]))

from pipeline.basics import prctl


def shielded(command: Sequence[str | Path]) -> list[str]:
    """The command line that runs `command` shielded. Start it from the main thread: Linux ends it with that."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *map(str, command)]


def end_with_parent(parent_pid: int, signal_number: int = signal.SIGKILL) -> None:
    """Have the kernel send this process a signal when its parent ends, however that happens. Linux only."""
    if sys.platform == "linux":
        prctl.signal_at_parents_end(signal_number)
        if os.getppid() != parent_pid:
            sys.exit("The process that wanted this one has ended.")


def main() -> None:
    """Block the signals, then become the command: a blocked signal stays blocked across exec."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    end_with_parent(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606


if __name__ == "__main__":
    main()
