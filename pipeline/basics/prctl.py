"""What Linux's prctl(2) does for processes that start others. On other systems nothing happens.

Loaded ahead of a fork: after it, loading a library may wait for a lock that some other thread held. Standard library
only, as scripts/local/shielded.py runs without any other.
"""

import ctypes
import sys
from collections.abc import Callable
from typing import Final

# From <sys/prctl.h> of Linux.
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_PR_SET_CHILD_SUBREAPER: Final = 36


def _load_prctl() -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        prctl: Callable[..., int] = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return None
    return prctl


_prctl: Final = _load_prctl()


def signal_at_parents_end(number: int) -> bool:
    """Have the kernel send this process a signal when the thread that started it ends; False where it cannot.

    The parent may have ended before: whoever calls this looks at os.getppid() afterwards.
    """
    return _prctl is not None and _prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) == 0


def set_name(name: str) -> None:
    """Show this process under a name, of which 15 bytes are kept, in `ps -o comm`, `top` and the kernel's messages."""
    if _prctl is not None:
        _prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def adopt_orphans() -> bool:
    """Become the parent of every descendant whose own parent ends; False where that does not exist."""
    return _prctl is not None and _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
