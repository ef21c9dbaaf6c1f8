"""What the processes take of memory, and of Redis' connections, at rest and while many are notified."""

import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scripts.bench.crowd import readers
from scripts.testbed.installation import Installation, installation
from scripts.testbed.population import Notice
from scripts.testbed.usage import CRAWL, connections, product_usage

REST_S = 8.0
"""After the first crawls: until then workers still load what they need once, and clean up behind it."""
LOOK_S = 0.5


def measure_memory(*, users: int, database: str) -> dict[str, Any]:
    """Look at an installation with one process of each type; then a post appears that so many users want (Linux).

    pss_mb: proportional set size of each process at rest, which is with its part of what it shares, so that a sum is
    what they take together. together_mb: that sum, the forkserver included. times_one_worker: together_mb by the
    largest worker's. work_mb: the largest sum while the users were notified, crawls included. redis_connections: of
    each process at rest.
    """
    with (
        tempfile.TemporaryDirectory(prefix="crawlpush-bench-") as folder,
        installation(
            Path(folder),
            readers(users, apns_share=0.2, site="board"),
            database=database,
            notifiers=1,
            schedule="1d",
            keep=2 * users + 1000,
            latency_ms=50,
            settings={"CRAWL_CONTACT": "bench@crawlpush.example"},
        ) as running,
    ):
        running.wait_for_baseline()
        until = time.monotonic() + REST_S
        while time.monotonic() < until:
            running.look()
        rest = _pss(running)
        rest.pop(CRAWL, None)
        port = urlsplit(running.on.redis_url).port or 0
        held = {name: connections(running.supervisor.pid(name) or 0, port) for name in running.names}
        work = _while_notifying(running)
    together = sum(rest.values())
    return {
        "users": users,
        "database": database,
        "pss_mb": {name: round(size) for name, size in rest.items()},
        "together_mb": round(together),
        "times_one_worker": round(together / max(rest[name] for name in running.names), 1),
        "work_mb": round(work),
        "redis_connections": held,
        "redis_connections_together": sum(held.values()),
    }


def _while_notifying(running: Installation) -> float:
    """The most that all of them took together, from a new post until everybody has it."""
    most, look_at = 0.0, time.monotonic()

    def look() -> None:
        nonlocal most, look_at
        running.look()
        if time.monotonic() >= look_at:
            look_at = time.monotonic() + LOOK_S
            most = max(most, sum(_pss(running).values()))

    running.add_post(Notice(number=1, site="board", title="장학금 신청 안내 #1"))
    running.crawl("board")
    running.wait_until_nothing_is_owed(1, look)
    return most


def _pss(running: Installation) -> dict[str, float]:
    return {name: seen.pss_mb or 0.0 for name, seen in product_usage(running.supervisor, running.names).items()}
