"""What makes a crawl's process harmless to the machine: a group, low priority, limits, and a tie to its parent."""

import os
import resource
import signal
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from pipeline.basics import prctl

NICENESS: Final = 10
"""Crawls give way to whatever answers people on the same machine."""

CPU_BACKSTOP_S: Final = 5
"""Seconds of CPU time over the wall-clock limit after which the kernel itself ends a process."""

THREAD_STACK_BYTES: Final = 1024 * 1024
"""Threads of a crawl look up names; eight megabytes each, the usual stack, would count against the memory limit."""


def own_group() -> None:
    """Become the leader of a process group, so that the whole family can be killed at once."""
    os.setpgid(0, 0)


def die_with(parent: int) -> None:
    """Let the kernel kill this process when its parent ends (Linux), even if Python never gets to run again."""
    prctl.signal_at_parents_end(signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel was told
        os._exit(1)


def set_limits(*, memory_mb: int, wall_clock_s: float) -> None:
    """Bound the memory beyond what was preloaded, the CPU time, and core files.

    The memory limit is on writable private memory (RLIMIT_DATA on Linux): address space would count every mapped
    library. Allocating beyond it raises MemoryError. Where the system refuses a limit, the others still hold.
    """
    cpu = int(wall_clock_s) + CPU_BACKSTOP_S
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, cpu, cpu + CPU_BACKSTOP_S)
    _limit(resource.RLIMIT_DATA, data_bytes() + memory_mb * 1024 * 1024)


def give_way() -> None:
    """Lower this process's priority."""
    with suppress(OSError):
        os.nice(NICENESS)


def _limit(what: int, soft: int, hard: int | None = None) -> None:
    ceiling = resource.getrlimit(what)[1]
    hard = soft if hard is None else hard
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    with suppress(ValueError, OSError):
        resource.setrlimit(what, (soft, hard))


@cache
def data_bytes() -> int:
    """Writable private memory of this process, or of the one it was forked from if that asked first; 0 if unknown."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    kilobytes = next((line.split()[1] for line in status.splitlines() if line.startswith("VmData:")), "0")
    return int(kilobytes) * 1024


def private_mb() -> float | None:
    """Memory that this process shares with nobody (USS), in megabytes; None where the kernel does not tell."""
    try:
        rollup = Path("/proc/self/smaps_rollup").read_text()
    except OSError:
        return None
    kilobytes = sum(
        int(line.split()[1]) for line in rollup.splitlines() if line.startswith(("Private_Clean:", "Private_Dirty:"))
    )
    return round(kilobytes / 1024, 2)
