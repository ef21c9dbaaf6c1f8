"""Where the numbers of processes mean anything: one boot of one machine, and in it one container."""

from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def place() -> str:
    """The boot of the machine and the container's own numbering of processes; "-" where nobody tells."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}".replace(" ", "")
    except OSError:
        return "-"
