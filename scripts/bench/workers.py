"""Real worker processes for a benchmark, on loopback servers of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from scripts.embedded_postgres import PostgresServer, ServiceError, find_postgres
from scripts.embedded_redis import EmbeddedRedis
from scripts.gateway.process import GatewayProcess, gateway_process
from storage.migrate import upgrade

ROOT = Path(__file__).resolve().parents[2]
POLL_S = 0.01
PATIENCE_S = 300.0
STOP_S = 30.0


class BenchmarkError(RuntimeError):
    """What was to be measured failed; the sentence says what, and what the processes said."""


@dataclass(frozen=True, kw_only=True)
class Servers:
    """What the workers of a benchmark need."""

    folder: Path
    gateway: GatewayProcess
    redis_url: str
    environment: Mapping[str, str]


@contextmanager
def servers(folder: Path, database: str, *, keep: int) -> Iterator[Servers]:
    """Redis, a push gateway and a migrated database ("sqlite" or "postgres"), each real and empty."""
    with ExitStack() as stack:
        redis = stack.enter_context(EmbeddedRedis(folder / "redis"))
        gateway = stack.enter_context(gateway_process(folder / "gateway", keep=keep))
        if database == "sqlite":
            url = f"sqlite:///{folder / 'bench.db'}"
        else:
            programs = find_postgres()
            if programs is None:
                raise BenchmarkError("there is no PostgreSQL to measure with: install it, or use --database sqlite")
            try:
                # Without the tests' options: a deployment's server writes to its disk.
                server = stack.enter_context(PostgresServer(programs, ()))
            except ServiceError as error:
                raise BenchmarkError(str(error)) from None
            url = server.url.set(database="postgres").render_as_string(hide_password=False)
        upgrade(url)
        environment = {
            **os.environ,
            **gateway.environment(),
            "ENV_FILE": "",
            "DATA_DIR": str(folder / "data"),
            "DATABASE_URL": url,
            "REDIS_URL": redis.url,
            "BROKER_URL": "",
            "LOG_LEVEL": "INFO",
            "REQUESTS_CA_BUNDLE": gateway.environment()["PUSH_CA_FILE"],
        }
        yield Servers(folder=folder, gateway=gateway, redis_url=redis.url, environment=environment)


@contextmanager
def workers(on: Servers, arguments: Sequence[Sequence[str]]) -> Iterator[list[int]]:
    """Celery workers with these arguments; gives their process ids, and ends them with the block."""
    with ExitStack() as stack:
        processes = []
        for number, words in enumerate(arguments):
            log = stack.enter_context((on.folder / f"worker-{number}.log").open("ab"))
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "celery", "-q", *words],
                    cwd=ROOT,
                    env=dict(on.environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
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
