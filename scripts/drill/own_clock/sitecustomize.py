"""A clock of its own for a Python process: this folder on its PYTHONPATH, and a file with the seconds it is ahead.

Only the wall clock is wrong, as with a machine that lost its NTP server: monotonic clocks are right, and C code that
asks the kernel itself is. The file is read again every second, so a clock can be set while its process runs.
libfaketime does not do: its 0.9.10 either lets time.sleep() of Python 3.11 fail, or sets the monotonic clocks too,
and then threads wait for a day. Python imports a module of this name when it starts.
"""

import ctypes
import os
import time
from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

FILE = "DRILL_CLOCK_FILE"
"""The environment variable that names the file."""
AGAIN_S = 1.0


class _MethodDef(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class _MethodDescriptor(ctypes.Structure):
    """CPython's PyMethodDescrObject, whose head is a PyObject."""

    _fields_ = (
        ("head", ctypes.c_byte * object.__basicsize__),
        ("type", ctypes.c_void_p),
        ("name", ctypes.c_void_p),
        ("qualname", ctypes.c_void_p),
        ("method", ctypes.POINTER(_MethodDef)),
    )


AS_CLASS_METHOD = 0x0001 | 0x0002 | 0x0010
"""CPython's METH_VARARGS, METH_KEYWORDS and METH_CLASS."""
_Function = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.py_object, ctypes.c_void_p)
_kept: list[object] = []


def set_clock(file: Path) -> None:
    """Let time.time(), time.time_ns() and datetime.now() of this process show what the file says, from now on."""
    shown = _shown(time.time, file)

    def now(kind: type[datetime], arguments: tuple[Any, ...], named: int | None) -> datetime:
        options = ctypes.cast(named, ctypes.py_object).value if named else {}
        zone: tzinfo | None = dict(zip(("tz",), arguments, strict=False), **options).get("tz")
        return kind.fromtimestamp(shown(), zone)

    function = _Function(now)
    _kept.append(function)
    # datetime belongs to C and cannot be patched from Python; a class of ours in its place would not do for psycopg.
    method = _MethodDescriptor.from_address(id(datetime.__dict__["now"])).method.contents
    method.function = ctypes.cast(function, ctypes.c_void_p).value
    method.flags = AS_CLASS_METHOD
    time.time = shown
    time.time_ns = lambda: int(shown() * 1e9)


def _shown(right: Callable[[], float], file: Path) -> Callable[[], float]:
    """A clock that is ahead of the right one by as much as the file says."""
    ahead_s, read_at = 0.0, float("-inf")

    def shown() -> float:
        nonlocal ahead_s, read_at
        if time.monotonic() > read_at + AGAIN_S:
            read_at = time.monotonic()
            ahead_s = float(file.read_text())
        return right() + ahead_s

    return shown


if FILE in os.environ:
    set_clock(Path(os.environ[FILE]))
