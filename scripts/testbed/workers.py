"""Real worker processes for a benchmark, on servers of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from redis import Redis

from scripts.bench.errors import BenchmarkError
from scripts.testbed.servers import Servers, spawn

POLL_S = 0.01
PATIENCE_S = 300.0
STOP_S = 30.0


@contextmanager
def workers(on: Servers, arguments: Sequence[Sequence[str]]) -> Iterator[list[int]]:
    """Celery workers with these arguments; gives their process ids, and ends them with the block."""
    processes = [
        spawn([sys.executable, "-m", "celery", "-q", *words], on.environment, on.folder / f"worker-{number}.log")
        for number, words in enumerate(arguments)
    ]
    try:
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_until(condition: Callable[[], bool], what: str, on: Servers, *, every_s: float = POLL_S) -> None:
    """Wait for a condition. Raises BenchmarkError with the workers' last words."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            said = "\n".join(log.read_text(errors="replace")[-1500:] for log in on.folder.glob("worker-*.log"))
            raise BenchmarkError(f"not within {PATIENCE_S:g} s: {what}\n{said}")
        time.sleep(every_s)


def drained(redis: Redis) -> bool:
    """Whether no message waits and none is unacknowledged, of whatever queue."""
    for key in redis.scan_iter("*", count=1000):
        name = key.decode() if isinstance(key, bytes) else str(key)
        if name.startswith(("notify_tasks", "bench_plain")) or (name.startswith("unacked") and "mutex" not in name):
            return False
    return True


def cpu_s(pids: Sequence[int]) -> float:
    """CPU seconds of processes so far, all their threads together; 0 where the kernel does not tell."""
    total = 0
    for pid in pids:
        with suppress(OSError, ValueError, IndexError):
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(words[11]) + int(words[12])
    return total / os.sysconf("SC_CLK_TCK")
