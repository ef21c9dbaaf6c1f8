"""What the C library and the kernel are told about the memory of a process; nothing where they do not know it."""

import ctypes
from contextlib import suppress
from pathlib import Path
from typing import Final

_M_ARENA_MAX: Final = -8
"""From <malloc.h> of glibc."""
_MADV_DONTNEED: Final = 4
"""From <sys/mman.h> of Linux."""
_MAPS: Final = Path("/proc/self/maps")


def one_arena() -> None:
    """Let all threads take memory from one place, before there are others (glibc).

    glibc gives each thread an arena of its own, up to eight per core, so that they wait less for each other. Ours wait
    for Python's lock anyway, and what one arena has free is no use to the others.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def forget_code() -> None:
    """Let the machine code go that was only used so far; what is used again is mapped again from its file (Linux).

    For a process that has loaded what others need and does little from here on. Nobody writes to machine code, so there
    is nothing that could be lost.
    """
    with suppress(OSError, AttributeError):
        advise = ctypes.CDLL(None).madvise
        for line in _MAPS.read_text().splitlines():
            # Addresses, permissions, offset, device, inode, path (proc(5)).
            words = line.split(maxsplit=5)
            if words[1] == "r-xp" and len(words) == 6 and words[5].startswith("/"):
                start, end = (int(address, 16) for address in words[0].split("-"))
                advise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_DONTNEED)
