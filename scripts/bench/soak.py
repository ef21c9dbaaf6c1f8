"""A steady rate of notifications for a long time: what the processes use at its end, beside its begin."""

import json
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from sqlalchemy import select, update

from pipeline.resources import now
from scripts.bench.crowd import crowd, steady_notices
from scripts.bench.errors import BenchmarkError
from scripts.bench.soak_report import longest_queues, percentile, process_figures, server_figures
from scripts.local.signals import stop_signals
from scripts.testbed.errors import InstallationError
from scripts.testbed.facts import gather
from scripts.testbed.installation import Installation, installation
from scripts.testbed.population import TOPICS, Notice, Person, expected
from scripts.testbed.usage import CRAWL, product_usage
from scripts.testbed.verdict import Pair, judge
from storage.models import CrawlRun, Notification, Post
from storage.retention import NOTIFICATIONS_OVER
from storage.session import Database

logger = logging.getLogger(__name__)

NOTIFIERS = 2
APNS = 0.2
LATENCY_MS = 50.0
EVERY_S = 6.0
"""So often a post appears when nobody says how many users there are."""
LEAST_EVERY_S = 1.0
"""Many more posts than one a second would be a flood, which is held for approval."""
SAMPLE_S = 10.0
LEAST_SAMPLES = 12
SAY_S = 60.0
UPKEEP_S = 300.0
"""So often what is old is removed, which beat does once a day. What is over for as long has grown old by then."""
UNREAD_MOST = 12
"""No more posts than this stand on the boards unread: then the next one waits."""
SETTINGS = {"TICK_S": "1", "SWEEP_S": "10", "CRAWL_DELAY_S": "0.3", "CRAWL_CONTACT": "bench@crawlpush.example"}
"""What a soak needs otherwise than a deployment: a crawl of each board every five seconds, and many sweeps."""


def users_for(per_s: float, users: int | None) -> int:
    """How many users a soak has at this rate. Raises BenchmarkError when so few could not be owed that many."""
    least = round(per_s * len(TOPICS) * LEAST_EVERY_S)
    if users is not None and users < least:
        raise BenchmarkError(f"{per_s:g} notifications a second need at least {least} users, not {users}")
    return users or max(round(per_s * len(TOPICS) * EVERY_S), len(TOPICS))


def measure_soak(
    *,
    minutes: float,
    per_s: float,
    users: int | None,
    database: str,
    samples: Path | None = None,
    say: Callable[[str], None] = logger.info,
) -> dict[str, Any]:
    """Let the whole pipeline owe `per_s` notifications a second, and look at it every ten seconds.

    SIGINT and SIGTERM end it early; the second of them without figures. `samples`: a file that gets each sample at
    once, as a line of JSON; `say` gets a sentence each minute.

    lost: notifications that no phone shows; shown_twice: what phones show more than once; sent_to_others: what a phone
    shows and should not. latency_*_s: from a stored post to the moment that its notification was sent. Of each figure
    in processes and servers: the median when all is warm (minutes 5 to 10; the first sixth of a run below half an
    hour) and in the last tenth, the most, and the growth by the hour (least squares over what follows the warming up).
    """
    people = crowd(users_for(per_s, users), APNS)
    folder = Path(tempfile.mkdtemp(prefix="crawlpush-soak-"))
    well = False
    try:
        with (
            (samples or folder / "samples.jsonl").open("w") as output,
            installation(
                folder,
                people,
                database=database,
                notifiers=NOTIFIERS,
                schedule="5s",
                keep=10_000 + round(2 * per_s * minutes * 60),
                latency_ms=LATENCY_MS,
                settings=SETTINGS,
            ) as running,
        ):
            figures = _Soak(running, people, minutes * 60, per_s, output, say).run()
        well = not failed(figures)
    finally:
        if well:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            say(f"The logs of all processes are kept in {folder}")
    return {"minutes": minutes, "per_s": per_s, "users": len(people), "database": database, **figures}


def failed(figures: Mapping[str, Any]) -> bool:
    """Whether a promise was broken, something hung, or a process ended without being asked to."""
    promises = ("stuck", "lost", "shown_twice", "sent_to_others", "posts_missed", "ended_by_themselves")
    return any(figures[name] for name in promises)


class _Soak:
    def __init__(
        self,
        running: Installation,
        people: Sequence[Person],
        seconds: float,
        per_s: float,
        output: TextIO,
        say: Callable[[str], None],
    ) -> None:
        self._on, self._people = running, people
        self._seconds, self._per_s = seconds, per_s
        self._output, self._say = output, say
        self._notices = steady_notices()
        self._appeared: list[Notice] = []
        self._wanted: set[Pair] = set()
        self._stored = 0
        self.samples: list[dict[str, Any]] = []
        self._upkeep_s = min(UPKEEP_S, seconds / 4)
        self._upkeeps = 0
        self._origin = time.monotonic()
        self._latencies = Latencies(running.database, now())

    def run(self) -> dict[str, Any]:
        self._on.wait_for_baseline()
        self._origin = time.monotonic()
        with _first_signal() as stop:
            self._keep_pace(stop)
            # The last look, which may take its time, is the end.
            seconds = max(self.samples[-1]["at_s"], 0.1)
            stuck = self._drain()
        drained_s = self._at() - seconds
        self._latencies.collect(now())
        return self._figures(seconds, drained_s, {"ended_early": stop.is_wanted, "stuck": stuck})

    def _drain(self) -> str | None:
        """Wait for what is owed; the reason why some of it stays owed, which an hour's figures shall survive."""
        try:
            self._on.wait_until_nothing_is_owed(len(self._appeared))
        except InstallationError as error:
            return str(error)
        return None

    def _at(self) -> float:
        return time.monotonic() - self._origin

    def _keep_pace(self, stop: "_Stop") -> None:
        """Do what is due, until the time is over or somebody wants the end."""
        duties = [
            _Duty(self._publish, every_s=None, first_s=0.0),
            _Duty(self._sample, every_s=min(SAMPLE_S, self._seconds / LEAST_SAMPLES), first_s=0.0),
            _Duty(self._remove_old, every_s=self._upkeep_s, first_s=self._upkeep_s),
            _Duty(self._tell, every_s=SAY_S, first_s=SAY_S),
        ]
        while self._at() < self._seconds and not stop.is_wanted:
            self._on.look()
            for duty in duties:
                duty.do(self._at())
        # The end is a moment to look at too, however early it came.
        self._sample()

    def _publish(self) -> float:
        """Let the next post appear; returns the seconds that its readers are worth at the rate that is wanted."""
        if len(self._appeared) - self._stored >= UNREAD_MOST:
            self._stored = self._on.progress().stored
            return 1.0
        notice = next(self._notices)
        wanted = expected(self._people, [notice])
        self._on.add_post(notice)
        self._appeared.append(notice)
        self._wanted |= wanted
        return max(len(wanted) / self._per_s, LEAST_EVERY_S / 2)

    def _sample(self) -> None:
        progress, took = self._on.progress(), self._latencies.collect(now())
        self._stored = progress.stored
        redis_mb, redis_keys = self._on.redis_use()
        processes = product_usage(self._on.supervisor, self._on.names)
        p95 = percentile(took, 0.95)
        sample = {
            "at_s": round(self._at(), 1),
            "time": now().isoformat(timespec="seconds"),
            "posts": len(self._appeared),
            "notifications": len(self._wanted),
            **asdict(progress),
            "sent": len(took),
            "latency_p95_s": None if p95 is None else round(p95, 2),
            "processes": {name: asdict(used) for name, used in processes.items()},
            "queues": self._on.queues(),
            "redis_mb": redis_mb,
            "redis_keys": redis_keys,
            "database_mb": self._on.database_mb(),
            # How many notifications retention has left.
            "rows": sum(self._on.statuses().values()),
        }
        self.samples.append(sample)
        self._output.write(json.dumps(sample) + "\n")
        self._output.flush()

    def _remove_old(self) -> None:
        at = now()
        let_grow_old(self._on.database, before=at - timedelta(seconds=self._upkeep_s), at=at)
        for task in ("prune", "upkeep"):
            self._on.run_task(task)
        self._upkeeps += 1

    def _tell(self) -> None:
        last = self.samples[-1]
        memory = ", ".join(
            f"{name} {used['rss_mb']:.0f} MB" for name, used in last["processes"].items() if name != CRAWL
        )
        ended = f"; ended by themselves: {self._on.supervisor.exits}" if self._on.supervisor.exits else ""
        self._say(
            f"{self._at() / 60:.0f} of {self._seconds / 60:g} min: {len(self._latencies.all)} of {len(self._wanted)} "
            f"notifications sent, p95 {last['latency_p95_s']} s; {memory}{ended}"
        )

    def _figures(self, seconds: float, drained_s: float, end: Mapping[str, Any]) -> dict[str, Any]:
        self._on.supervisor.stop()
        verdict = judge(gather(self._on.on, self._on.database, expected=self._wanted, appeared=self._appeared))
        latencies = {
            "p50": percentile(self._latencies.all, 0.5),
            "p95": percentile(self._latencies.all, 0.95),
            "max": max(self._latencies.all, default=None),
        }
        return {
            "seconds": round(seconds),
            **end,
            "posts": len(self._appeared),
            "notifications": len(self._wanted),
            "seen_per_s": round(len(self._wanted) / seconds, 1),
            "lost": verdict.lost,
            "shown_twice": verdict.shown_twice,
            "sent_to_others": verdict.sent_to_others,
            "posts_missed": verdict.posts_missed,
            "sent_again": verdict.sent_again,
            "ended_by_themselves": dict(self._on.supervisor.exits),
            **{f"latency_{name}_s": None if took is None else round(took, 2) for name, took in latencies.items()},
            "drained_s": round(drained_s, 1),
            "upkeeps": self._upkeeps,
            "longest_queues": longest_queues(self.samples),
            "servers": server_figures(self.samples, seconds),
            "processes": process_figures(self.samples, seconds),
        }


class _Duty:
    """Something that is done again and again; without `every_s` it says itself after how many seconds."""

    def __init__(self, act: Callable[[], float | None], *, every_s: float | None, first_s: float) -> None:
        self._act, self._every_s, self._due_s = act, every_s, first_s

    def do(self, at_s: float) -> None:
        if at_s < self._due_s:
            return
        wait_s = self._act()
        self._due_s += self._every_s or wait_s or 0.0


@dataclass
class _Stop:
    """Whether somebody wants the end. No Event: a signal may come while its handler runs, and would find its lock."""

    is_wanted: bool = False


@contextmanager
def _first_signal() -> Iterator[_Stop]:
    """Note the first SIGINT or SIGTERM; the second one is a KeyboardInterrupt."""
    stop = _Stop()

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.is_wanted:
            raise KeyboardInterrupt
        stop.is_wanted = True

    with stop_signals(handle):
        yield stop


LATE = timedelta(seconds=60)
"""A delivery is in the database at most so long after the moment that it carries."""
OLD = timedelta(days=400)
"""Longer than anybody keeps anything."""


class Latencies:
    """Seconds from a post that was stored to each notification of it that was sent."""

    def __init__(self, database: Database, begin: datetime) -> None:
        self._database = database
        self._since = begin
        self._seen: dict[int, datetime] = {}
        self.all: list[float] = []

    def collect(self, at: datetime) -> list[float]:
        """Those that came since the last time."""
        since = self._since - LATE
        with self._database.reading() as session:
            rows = session.execute(
                select(Notification.id, Notification.sent_at, Post.first_seen_at)
                .join(Post, Post.id == Notification.post_id)
                .where(Notification.status == "sent", Notification.sent_at > since)
            ).all()
        new = [row for row in rows if row.id not in self._seen]
        self._seen = {id_: sent_at for id_, sent_at in self._seen.items() if sent_at > since}
        self._seen |= {row.id: row.sent_at for row in new}
        self._since = at
        took = [(row.sent_at - row.first_seen_at).total_seconds() for row in new]
        self.all += took
        return took


def let_grow_old(database: Database, *, before: datetime, at: datetime) -> None:
    """Give what was over before a moment a date that retention does not keep."""
    long_ago = at - OLD
    with database.writing() as session:
        session.execute(
            update(Notification)
            .where(
                Notification.created_at < before,
                Notification.created_at > long_ago,
                Notification.status.in_(NOTIFICATIONS_OVER),
            )
            .values(created_at=long_ago),
            execution_options={"synchronize_session": False},
        )
        session.execute(
            update(CrawlRun)
            .where(CrawlRun.finished_at < before, CrawlRun.finished_at > long_ago)
            .values(created_at=long_ago, started_at=long_ago, finished_at=long_ago),
            execution_options={"synchronize_session": False},
        )
