"""What glibc is told about the memory of a process. With another C library nothing happens."""

import ctypes
from contextlib import suppress
from typing import Final

_M_ARENA_MAX: Final = -8
"""From <malloc.h> of glibc."""


def one_arena() -> None:
    """Let all threads take memory from one place, before there are others.

    glibc gives each thread an arena of its own, up to eight per core, so that they wait less for each other. Ours wait
    for Python's lock anyway, and what one arena has free is no use to the others.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
