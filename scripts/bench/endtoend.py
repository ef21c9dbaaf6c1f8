"""From the crawl that finds a post to the last phone: how long it takes, and what memory the processes need for it."""

import os
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from scripts.bench import targets
from scripts.bench.crowd import readers
from scripts.bench.errors import BenchmarkError
from scripts.bench.machine import cores
from scripts.testbed.facts import gather
from scripts.testbed.installation import Installation, installation
from scripts.testbed.population import Notice, expected
from scripts.testbed.usage import product_usage
from scripts.testbed.verdict import judge
from scripts.testbed.workers import cpu_s, tree
from storage.models import CrawlRun, Notification, Post
from storage.session import Database

TARGETS = {each.figure: float(each.most) for each in targets.TARGETS if each.benchmark == "endtoend" and each.most}
"""What is wanted of 100,000 users, beside that nothing is lost and nothing shown twice."""
SECOND_USERS = 10
SECOND_AFTER = 1 / 3
"""The second post appears when so great a share of the first one's notifications has been sent."""
MEMORY_S = 0.25
ASK_S = 0.2
SETTINGS = {"CRAWL_CONTACT": "bench@crawlpush.example"}
"""Everything else is as a deployment has it."""


def measure_end_to_end(
    *, users: int, apns_share: float = 0.2, latency_ms: float = 50, database: str = "postgres", processes: int = 2
) -> dict[str, Any]:
    """Let a post appear that `users` want, with the Procfile's processes and so many notifiers; then one for ten.

    total_s: from the crawl's start to the last delivery that is recorded, and per_s its notifications a second;
    crawl_s: the crawl; fanout_s: from its end until all rows and messages are out; first_s: from its start to the first
    delivery. second_s, second_crawl_s, second_fanout_s: the same of the post on another site that ten users want;
    alone_s: the same of a post for these ten before all that, and of_alone how many times as long the second one took;
    first_sent_before: the share of the first post's notifications that had been sent when its crawl began. cpu_s: CPU
    of everything, servers, boards and gateway included, from the first post's crawl to its end; of_cpu: total_s beside
    cpu_s on all cores, 1 where nothing ever waited while a core was idle (nor for others on the machine). peak_mb:
    the most resident memory of each process, looked at four times a second, and hwm_mb as the kernel has it;
    largest_mb: of the largest. lost: notifications that no phone shows; shown_twice: what phones show more than once.
    Raises InstallationError, which says what hangs.
    """
    people = [*readers(users, apns_share, "board"), *readers(SECOND_USERS, apns_share, "feed")]
    with (
        tempfile.TemporaryDirectory(prefix="crawlpush-bench-") as folder,
        installation(
            Path(folder),
            people,
            database=database,
            notifiers=processes,
            # Once for the baseline; what is measured is crawled when it is there.
            schedule="1d",
            keep=2 * len(people) + 1000,
            latency_ms=latency_ms,
            settings=SETTINGS,
        ) as running,
    ):
        memory = _Memory(running)
        running.wait_for_baseline()
        notices = [Notice(number=1, site="feed", title="기숙사 입사 안내 #1")]
        alone_run = _let_appear(running, notices[0])
        running.wait_until_nothing_is_owed(len(notices), memory.look)
        notices.append(Notice(number=2, site="board", title="장학금 신청 안내 #2"))
        cpu_before = cpu_s(tree(os.getpid()), with_ended=True)
        run = _let_appear(running, notices[1])
        wanted_sent = max(1, int(users * SECOND_AFTER))
        running.wait_until(
            lambda _: running.on.gateway.stats()["shown"] >= SECOND_USERS + wanted_sent,
            f"the first {wanted_sent} notifications",
            memory.look,
            every_s=ASK_S,
        )
        notices.append(Notice(number=3, site="feed", title="기숙사 입사 안내 #3"))
        second_run = _let_appear(running, notices[2])
        running.wait_until(lambda at: at.is_settled(len(notices)), "nothing to be owed", memory.look)
        used_s = cpu_s(tree(os.getpid()), with_ended=True) - cpu_before
        running.wait_until_nothing_is_owed(len(notices), memory.look)
        memory.look()
        alone, first, second = (_times(running.database, run_id) for run_id in (alone_run, run, second_run))
        running.supervisor.stop()
        verdict = judge(gather(running.on, running.database, expected=expected(people, notices), appeared=notices))
        ended = dict(running.supervisor.exits)
    return {
        "users": users,
        "apns_share": apns_share,
        "latency_ms": latency_ms,
        "database": database,
        "processes": processes,
        "total_s": round(first.total_s, 2),
        "crawl_s": round(first.crawl_s, 2),
        "fanout_s": round(first.fanout_s, 2),
        "first_s": round(first.first_s, 2),
        "per_s": round(users / first.total_s, 1),
        "second_users": SECOND_USERS,
        "second_s": round(second.total_s, 2),
        "second_crawl_s": round(second.crawl_s, 2),
        "second_fanout_s": round(second.fanout_s, 2),
        "alone_s": round(alone.total_s, 2),
        "of_alone": round(second.total_s / alone.total_s, 2),
        "cpu_s": round(used_s, 2),
        "of_cpu": round(first.total_s * cores() / used_s, 2) if used_s else None,
        "first_sent_before": round(first.sent_before(second.started_at) / users, 3),
        "peak_mb": memory.peak_mb,
        "hwm_mb": memory.hwm_mb,
        "largest_mb": max([*memory.peak_mb.values(), *memory.hwm_mb.values()], default=None),
        "lost": verdict.lost,
        "shown_twice": verdict.shown_twice,
        "ended_by_themselves": ended,
        "targets": TARGETS,
    }


def _let_appear(running: Installation, notice: Notice) -> int:
    running.add_post(notice)
    return running.crawl(notice.site)


class _Memory:
    """The most resident memory of each process so far, by its name."""

    def __init__(self, running: Installation) -> None:
        self._running = running
        self._due = 0.0
        # As it was seen, and as the kernel remembers it of the process (VmHWM).
        self.peak_mb: dict[str, float] = {}
        self.hwm_mb: dict[str, float] = {}

    def look(self) -> None:
        """Wait a moment, and look at the processes when it is time."""
        self._running.look()
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + MEMORY_S
        for name, used in product_usage(self._running.supervisor, self._running.names, with_pss=False).items():
            for most, value in ((self.peak_mb, used.rss_mb), (self.hwm_mb, used.peak_mb)):
                if value is not None:
                    most[name] = max(most.get(name, 0.0), round(value, 1))


@dataclass(frozen=True, kw_only=True)
class _Times:
    """When what became of a crawl's post."""

    started_at: datetime
    finished_at: datetime
    # All rows are there by then, and their messages are out.
    fanned_out_at: datetime
    sent_at: tuple[datetime, ...]

    @property
    def total_s(self) -> float:
        return (max(self.sent_at) - self.started_at).total_seconds()

    @property
    def first_s(self) -> float:
        return (min(self.sent_at) - self.started_at).total_seconds()

    @property
    def crawl_s(self) -> float:
        return (self.finished_at - self.started_at).total_seconds()

    @property
    def fanout_s(self) -> float:
        return (self.fanned_out_at - self.finished_at).total_seconds()

    def sent_before(self, moment: datetime) -> int:
        return sum(at < moment for at in self.sent_at)


def _times(database: Database, run_id: int) -> _Times:
    """The moments that the database has. Raises BenchmarkError when nothing came of the crawl."""
    of_run = Notification.post_id.in_(select(Post.id).where(Post.run_id == run_id))
    with database.reading() as session:
        run = session.get_one(CrawlRun, run_id)
        fanned_out_at = session.scalar(select(Post.fanout_at).where(Post.run_id == run_id))
        sent = session.scalars(select(Notification.sent_at).where(of_run, Notification.status == "sent"))
        sent_at = tuple(at for at in sent if at is not None)
    if run.started_at is None or run.finished_at is None or fanned_out_at is None or not sent_at:
        raise BenchmarkError(f"the crawl of run {run_id} ended as {run.finish_reason}, and nobody was notified")
    return _Times(started_at=run.started_at, finished_at=run.finished_at, fanned_out_at=fanned_out_at, sent_at=sent_at)
