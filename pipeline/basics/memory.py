"""What the C library and the kernel are told about the memory of a process; nothing where they do not know it."""

import ctypes
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

_M_ARENA_MAX: Final = -8
"""From <malloc.h> of glibc."""
_MADV_DONTNEED: Final = 4
"""From <sys/mman.h> of Linux."""
_MAPS: Final = Path("/proc/self/maps")
_LARGEST_BYTES: Final = 512
_STEP_BYTES: Final = 16
"""Of CPython's allocator for small objects (Objects/obmalloc.c): a pool has objects of one size, in steps up to one."""
_IN_ORDER: Final = 5
_MOST_GAPS: Final = 10_000
"""Of one size; when there are more, this is another allocator."""
_fillings: list[bytes] = []


def one_arena() -> None:
    """Let all threads take memory from one place, before there are others (glibc).

    glibc gives each thread an arena of its own, up to eight per core, so that they wait less for each other. Ours wait
    for Python's lock anyway, and what one arena has free is no use to the others.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def fill_gaps() -> None:
    """Fill what is free between the objects there are, for good, so that new ones come to lie together, on pages new.

    For a process that is to be forked: what a forked one would put into a gap has the whole page around it copied.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    for size in range(_LARGEST_BYTES, 2 * _STEP_BYTES, -_STEP_BYTES):
        fillings: list[bytes] = []
        # A new pool, which gives its room in order, is begun only when no other of its size has any.
        in_order = 0
        while in_order < _IN_ORDER:
            if len(fillings) == _MOST_GAPS:
                return
            fillings.append(bytes(size - sys.getsizeof(b"")))
            in_order = in_order + 1 if id(fillings[-1]) - id(fillings[-2:][0]) == size else 0
        _fillings.extend(fillings)


def forget_lookups() -> None:
    """Let Python look up each attribute of a type anew, and keep no name for that (CPython).

    For a process that is to be forked: of the thousands of names that it looked up last, each counts that it is kept,
    so a forked process would have a page copied for each that it forgets for one of its own.
    """
    with suppress(AttributeError):
        ctypes.pythonapi.PyType_ClearCache()


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
