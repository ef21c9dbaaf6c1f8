"""What the processes of the product use, as the kernel tells it (Linux; elsewhere nothing is known)."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scripts.local.supervisor import Supervisor
from scripts.testbed.crawls import children, name_of

PROC = Path("/proc")
ESTABLISHED = "01"
FORKSERVER = "forkserver"
"""The name of the process from which a crawler forks its crawls."""
CRAWL = "crawl"
"""All crawls go by this name: the figures are those of the largest."""
FORKED = {CRAWL, FORKSERVER, "beat", "crawler", "dispatcher", "notifier", "web"}
"""The names that forked processes go by (prctl(2), PR_SET_NAME)."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What one process uses at a moment; None is what the kernel does not tell."""

    pid: int
    # Megabytes of memory that are mapped and present, and the most there ever were (VmHWM).
    rss_mb: float | None
    peak_mb: float | None
    # Proportional set size: shared memory is divided by its users, so a sum over processes is what they use together.
    pss_mb: float | None
    # Of it what no file holds: the kernel cannot take it back without a place to swap to.
    anon_mb: float | None = None
    threads: int | None
    fds: int | None


def usage(pid: int, *, with_pss: bool = True) -> Usage | None:
    """Look at a process; None when it is gone, or where there is no /proc."""
    status = _fields(pid, "status")
    rss = _megabytes(status, "VmRSS")
    if rss is None:
        return None
    # Costly: the kernel adds it up page by page.
    shares = _fields(pid, "smaps_rollup") if with_pss else {}
    return Usage(
        pid=pid,
        rss_mb=rss,
        peak_mb=_megabytes(status, "VmHWM"),
        pss_mb=_megabytes(shares, "Pss"),
        anon_mb=_megabytes(shares, "Pss_Anon"),
        threads=int(status["Threads"]) if "Threads" in status else None,
        fds=_count(pid),
    )


def product_usage(supervisor: Supervisor, names: Iterable[str], *, with_pss: bool = True) -> dict[str, Usage]:
    """What each process of the product uses, by name; of the crawls the largest."""
    found: dict[str, Usage] = {}
    for name, pid in product_pids(supervisor, names):
        seen = usage(pid, with_pss=with_pss)
        if seen is not None and (name not in found or (seen.rss_mb or 0.0) > (found[name].rss_mb or 0.0)):
            found[name] = seen
    return found


def product_pids(supervisor: Supervisor, names: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Each process of the product: those that were started, and what these have forked, by the names they go by."""
    waiting = [(name, pid) for name in names if (pid := supervisor.pid(name)) is not None]
    while waiting:
        name, pid = waiting.pop()
        yield name, pid
        waiting += [(called, child) for child in children(pid) if (called := name_of(child)) in FORKED]


def connections(pid: int, port: int) -> int:
    """How many TCP connections over IPv4 a process has to a port."""
    inodes = set()
    for line in _lines(PROC / str(pid) / "net" / "tcp"):
        # The third word is the remote address, the fourth the state, the tenth the inode (proc_net_tcp).
        words = line.split()
        if words[2].endswith(f":{port:04X}") and words[3] == ESTABLISHED:
            inodes.add(f"socket:[{words[9]}]")
    found = 0
    with suppress(OSError):
        for link in (PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                found += str(link.readlink()) in inodes
    return found


def _lines(file: Path) -> list[str]:
    with suppress(OSError):
        return file.read_text().splitlines()[1:]
    return []


def _fields(pid: int, name: str) -> dict[str, str]:
    """The lines `Name:  value` of a file about a process; none when it is gone or the file may not be read."""
    found: dict[str, str] = {}
    with suppress(OSError):
        for line in (PROC / str(pid) / name).read_text().splitlines():
            key, separator, value = line.partition(":")
            if separator:
                found[key] = value.strip()
    return found


def _megabytes(fields: Mapping[str, str], name: str) -> float | None:
    words = fields.get(name, "").split()
    return round(int(words[0]) / 1024, 2) if words else None


def _count(pid: int) -> int | None:
    with suppress(OSError):
        return sum(1 for _ in (PROC / str(pid) / "fd").iterdir())
    return None
