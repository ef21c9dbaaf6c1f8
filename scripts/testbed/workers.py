"""Real worker processes for a benchmark, on servers of its own."""

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from redis import Redis

from scripts.local.process_output import LogFiles
from scripts.local.supervisor import Supervisor, wait_until
from scripts.testbed.crawls import children
from scripts.testbed.errors import InstallationError
from scripts.testbed.servers import Servers

POLL_S = 0.01
PATIENCE_S = 300.0


@contextmanager
def workers(
    on: Servers, arguments: Sequence[Sequence[str]], *, module: Sequence[str] = ("celery", "-q")
) -> Iterator[list[int]]:
    """Celery workers with these arguments; gives their process ids, and ends them with the block.

    module: what is run as `python -m`, with its first arguments, where it is another one.
    """
    supervisor = Supervisor(LogFiles(on.folder), on.environment)
    try:
        for number, words in enumerate(arguments):
            supervisor.start_command(f"worker-{number}", shlex.join([sys.executable, "-m", *module, *words]))
        yield supervisor.pids
    finally:
        supervisor.stop()


def wait_for(condition: Callable[[], bool], what: str, on: Servers, *, every_s: float = POLL_S) -> None:
    """Wait for a condition. Raises InstallationError with what the workers said last."""
    if not wait_until(condition, PATIENCE_S, every_s=every_s):
        said = "\n".join(log.read_text(errors="replace")[-1500:] for log in on.folder.glob("worker-*.log"))
        raise InstallationError(f"not within {PATIENCE_S:g} s: {what}\n{said}")


def drained(redis: Redis) -> bool:
    """Whether no message waits and none is unacknowledged, of whatever queue."""
    for key in redis.scan_iter("*", count=1000):
        name = key.decode() if isinstance(key, bytes) else str(key)
        if name.startswith(("notify_tasks", "bench_plain")) or (name.startswith("unacked") and "mutex" not in name):
            return False
    return True


def cpu_s(pids: Iterable[int], *, with_ended: bool = False) -> float:
    """CPU seconds of processes so far, all their threads together; 0 where the kernel does not tell.

    with_ended: and of their children that ended and were waited for.
    """
    total = 0
    for pid in pids:
        with suppress(OSError, ValueError, IndexError):
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, words[11 : 15 if with_ended else 13]))
    return total / os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> set[int]:
    """A process and all that descend from it."""
    return {pid}.union(*(tree(child) for child in children(pid)))
