"""Digests for everybody at one moment, beside single notifications, and a fresh post to other people meanwhile."""

import time
from typing import Any

from sqlalchemy import insert

from pipeline.resources import now
from scripts.bench.notify import Bench, started
from scripts.testbed.rows import add_post, add_readers, how_many
from scripts.testbed.workers import drained, wait_for
from storage import sites
from storage.models import Digest, Notification
from storage.session import Database

TICK_S = 5.0
"""As beat ticks."""
LOOK_S = 0.1
OTHERS = 10
"""Readers of the fresh post."""
ROWS = 20_000
DISPATCHER = ("-A", "pipeline", "worker", "-Q", "fanout_tasks", "-n", "dispatcher@bench")


def measure_digest(*, users: int, waiting: int, latency_ms: float, database: str, processes: int) -> dict[str, Any]:
    """So many people have some posts waiting for them whose time comes at one moment; a notifier's batch is real.

    single_per_s: one post to all of them, from the first published message to the last acknowledgement. digests_per_s:
    from the first tick to the last recorded digest. of_single: the one beside the other. second_s: a post for ten other
    people that comes when a tenth of the digests are out, from its fan-out to its last recorded delivery. lost, of the
    digests; visible_duplicates: what phones show more than once.
    """
    keep = users * 2 + 10_000
    with started(users, latency_ms=latency_ms, database=database, keep=keep) as bench:
        with bench.notifiers(processes, "bulk", DISPATCHER):
            single = bench.timed("notify_user", bench.keys(users))
            took, second = _digests(bench, waiting)
        shown = bench.shown(digests=users, others=OTHERS)
    return {
        "users": users,
        "waiting": waiting,
        "latency_ms": latency_ms,
        "database": database,
        "processes": processes,
        "single_per_s": round(single),
        "digests_per_s": round(users / took),
        "of_single": round(users / took / single, 2),
        "second_s": round(second, 2),
        **shown,
    }


def _digests(bench: Bench, waiting: int) -> tuple[float, float]:
    """Seconds until all digests are recorded, and until a fresh post is that came meanwhile."""
    from pipeline.celery import app
    from pipeline.tasks.fanout import enqueue_fan_outs

    _owe(bench, waiting)
    with bench.database.writing() as session:
        site = sites.add(session, name="fresh", spider="listing", now=now(), enabled=False).id
        add_readers(session, "other", OTHERS, device=":APA91b" + "x" * 130, wish={"site_id": site})
    fresh: int | None = None
    fresh_at, fresh_s, ticked = 0.0, 0.0, 0.0
    began = time.perf_counter()

    def is_over() -> bool:
        nonlocal fresh, fresh_at, fresh_s, ticked
        at = time.perf_counter()
        if at - ticked >= TICK_S:
            app.send_task("send_due", expires=TICK_S)
            ticked = at
        if fresh is None and _closed(bench.database) >= len(bench.users) / 10:
            with bench.database.writing() as session:
                fresh = add_post(session, site, "fresh")
            fresh_at = time.perf_counter()
            enqueue_fan_outs([fresh])
        elif fresh is not None and not fresh_s and bench.sent(fresh) == OTHERS:
            fresh_s = time.perf_counter() - fresh_at
        return bool(fresh_s) and drained(bench.redis) and _closed(bench.database) == len(bench.users)

    wait_for(is_over, "all digests recorded", bench.on, every_s=LOOK_S)
    return time.perf_counter() - began, fresh_s


def _owe(bench: Bench, waiting: int) -> None:
    """Posts that wait for everybody, until now."""
    for _ in range(waiting):
        post_id = bench.post()
        for start in range(0, len(bench.users), ROWS):
            at = now()
            values = {"post_id": post_id, "created_at": at, "next_attempt_at": at}
            rows = [
                {**values, "user_id": id_, "deferred": "quiet hours", "reason": "quiet hours"}
                for id_ in bench.users[start : start + ROWS]
            ]
            with bench.database.writing() as session:
                session.execute(insert(Notification), rows)


def _closed(database: Database) -> int:
    return how_many(database, Digest.closed_at.is_not(None))
