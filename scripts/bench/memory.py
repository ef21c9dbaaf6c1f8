"""What the processes take of memory, and of Redis' connections, at rest and while many are notified."""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scripts.bench.crowd import readers
from scripts.testbed.installation import Installation, installation
from scripts.testbed.population import Notice
from scripts.testbed.usage import CRAWL, Usage, connections, product_pids, product_usage

FORMS: Mapping[str, Mapping[str, str] | None] = {
    "apart": None,
    "together": {"together": "python -m scripts.cli start --together --no-demo"},
    "one": {"one": "python -m pipeline.worker.launch worker -B -n one@%h"},
}
"""The processes of the Procfile, those of `start --together`, and one worker of all queues with its beat."""
WORKERS = {"crawler", "dispatcher", "notifier", "one"}

REST_S = 8.0
"""After the first crawls: until then workers still load what they need once, and clean up behind it."""
LOOK_S = 0.5


def measure_memory(*, users: int, database: str) -> dict[str, Any]:
    """Look at an installation in each of its forms; then a post appears that so many users want (Linux).

    Of each form: pss_mb: proportional set size of each process at rest, which is with its part of what it shares, so
    that a sum is what they take together. together_mb: that sum, the forkserver included. work_mb: the largest sum
    while the users were notified, crawls included. together_anon_mb and work_anon_mb: of both what no file holds, which
    the kernel cannot take back when memory is short. work_s: how long that took from the crawl on. redis_connections:
    of each process at rest.

    one_worker_mb: the largest worker at rest when it is started apart, and one_worker_work_mb the same while the users
    were notified. times_one_worker: together_mb by the former. work_mb is compared with both: with the former
    (work_times_one_worker, which has the target) and, like with like, with the latter (work_times_one_at_work).
    """
    forms = {form: _measure(form, users, database) for form in FORMS}
    worker = max(size for name, size in forms["apart"]["pss_mb"].items() if name in WORKERS)
    at_work = forms["apart"]["worker_work_mb"]
    for figures in forms.values():
        figures["times_one_worker"] = round(figures["together_mb"] / worker, 2)
        figures["work_times_one_worker"] = round(figures["work_mb"] / worker, 2)
        figures["work_times_one_at_work"] = round(figures["work_mb"] / at_work, 2)
    return {
        "users": users,
        "database": database,
        "one_worker_mb": worker,
        "one_worker_work_mb": at_work,
        **forms,
    }


def _measure(form: str, users: int, database: str) -> dict[str, Any]:
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
            commands=FORMS[form],
        ) as running,
    ):
        running.wait_for_baseline()
        until = time.monotonic() + REST_S
        while time.monotonic() < until:
            running.look()
        seen = {name: each for name, each in _look(running).items() if name != CRAWL}
        rest = _pss(seen)
        port = urlsplit(running.on.redis_url).port or 0
        held = {name: connections(pid, port) for name, pid in product_pids(running.supervisor, running.names)}
        began = time.monotonic()
        work, work_anon, worker_work = _while_notifying(running)
    return {
        "pss_mb": {name: round(size) for name, size in rest.items()},
        "together_mb": round(sum(rest.values())),
        "together_anon_mb": _anon(seen),
        "work_mb": round(work),
        "work_anon_mb": work_anon,
        "worker_work_mb": round(worker_work),
        "work_s": round(time.monotonic() - began, 1),
        "redis_connections": held,
        "redis_connections_together": sum(held.values()),
    }


def _while_notifying(running: Installation) -> tuple[float, int, float]:
    """The most that all took together, what no file held of it, and the largest worker, until everybody has a post."""
    most, anon, largest, look_at = 0.0, 0, 0.0, time.monotonic()

    def look() -> None:
        nonlocal most, anon, largest, look_at
        running.look()
        if time.monotonic() >= look_at:
            look_at = time.monotonic() + LOOK_S
            seen = _look(running)
            sizes = _pss(seen)
            if sum(sizes.values()) > most:
                most, anon = sum(sizes.values()), _anon(seen)
            largest = max(largest, *(size for name, size in sizes.items() if name in WORKERS))

    running.add_post(Notice(number=1, site="board", title="장학금 신청 안내 #1"))
    running.crawl("board")
    running.wait_until_nothing_is_owed(1, look)
    return most, anon, largest


def _look(running: Installation) -> dict[str, Usage]:
    return product_usage(running.supervisor, running.names)


def _pss(seen: Mapping[str, Usage]) -> dict[str, float]:
    return {name: each.pss_mb or 0.0 for name, each in seen.items()}


def _anon(seen: Mapping[str, Usage]) -> int:
    return round(sum(each.anon_mb or 0.0 for each in seen.values()))
