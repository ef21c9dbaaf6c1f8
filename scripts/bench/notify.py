"""From the queue to the recorded delivery: ours, beside an empty task on it, the plain design, and the floor."""

import importlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

from redis import Redis
from sqlalchemy import func, insert, select

from pipeline.resources import now
from pipeline.upkeep.sweeping import LONG_AGO
from scripts.bench.rounds import by_turns
from scripts.local.supervisor import frozen
from scripts.testbed.crawls import children
from scripts.testbed.rows import add_post, add_readers
from scripts.testbed.servers import Servers, servers
from scripts.testbed.workers import cpu_s, drained, wait_for, workers
from storage import notifications, sites
from storage.models import Notification
from storage.notifications import Key
from storage.session import Database

ROUNDS = 3
LOOK_S = 0.025
"""Between two looks whether all is done: looking more often would take a part of what is measured."""
LOOK_LONE_S = 0.002
WARM = 200
"""Messages of each kind before anything is measured."""
LONE = 15
PLAIN_MOST = 300
PLAIN_PROCESSES = 3
BODY = (
    "2026학년도 1학기 교내 장학금 신청 기간과 방법을 다음과 같이 안내하오니 해당 학생은 기한 안에 신청하시기 바랍니다."
)


def measure_notify(*, count: int, latency_ms: float, database: str, processes: int) -> dict[str, Any]:
    """Send `count` notifications, three times, over FCM to the loopback gateway, which answers after latency_ms.

    per_s: from the first published message to the last acknowledgement, which follows the recorded delivery; the
    median of the rounds. noop_per_s: the same workers with an empty task, in turn with it. plain_per_s: one prefork
    task per user, a new pyfcm client and a commit in each, 3 processes. of_noop, times_plain: our rate beside these.
    cpu_ms_each: CPU of the worker processes for one notification, noop_cpu_ms_each for one empty task. lone_ms:
    median of single notifications, published to recorded. stock: the same with kombu's own transport.
    noop_times_stock: empty tasks beside that one's. floor: of a loop written by hand (scripts.bench.floor), on
    PostgreSQL: of_floor is our CPU for a notification beside its own, pipeline_of_floor the same with what Redis and
    PostgreSQL use for either. lost: notifications that no phone shows. visible_duplicates: what
    phones show more than once.
    """
    with started(
        count, latency_ms=latency_ms, database=database, keep=4 * ROUNDS * count + 10 * WARM + PLAIN_MOST
    ) as bench:
        bulk, stock = bench.notifier(processes, "bulk"), bench.notifier(processes, "stock")
        beside = bench.beside_floor(processes) if database == "postgres" else {}
        plain = bench.plain(min(count, PLAIN_MOST))
        shown = bench.shown()
    return {
        "rounds": ROUNDS,
        "count": count,
        "latency_ms": latency_ms,
        "database": database,
        "processes": processes,
        "plain_per_s": round(plain, 1),
        **_figures(bulk, plain),
        "noop_times_stock": round(bulk["noop_per_s"] / stock["noop_per_s"], 1),
        **beside,
        **shown,
        "stock": _figures(stock, plain),
    }


def seconds_by_notifications(sizes: Sequence[int], runs: int) -> dict[int, float]:
    """Median seconds for so many notifications, from the first published message to the last acknowledgement.

    On SQLite, with two notifiers that read Redis in bulk, and a gateway that answers after 50 ms.
    """
    keep = sum(sizes) * runs + 2 * WARM
    with started(max(*sizes, WARM), latency_ms=50, database="sqlite", keep=keep) as bench:
        return bench.seconds(sizes, runs, processes=2)


@contextmanager
def started(count: int, *, latency_ms: float, database: str, keep: int) -> "Iterator[Bench]":
    """A bench with so many people, on servers of its own, which this process' settings then name too."""
    with (
        tempfile.TemporaryDirectory(prefix="crawlpush-bench-") as folder,
        servers(Path(folder), database, keep=keep) as on,
    ):
        os.environ.update({name: on.environment[name] for name in ("REDIS_URL", "BROKER_URL", "DATABASE_URL")})
        os.environ.update({name: on.environment[name] for name in ("ENV_FILE", "DATA_DIR")})
        on.gateway.set_faults(latency_ms=latency_ms)
        bench = Bench(on, count)
        try:
            yield bench
        finally:
            bench.close()


def _figures(measured: Mapping[str, float], plain: float) -> dict[str, float]:
    return {
        "per_s": round(measured["per_s"]),
        "noop_per_s": round(measured["noop_per_s"]),
        "of_noop": round(measured["per_s"] / measured["noop_per_s"], 2),
        "times_plain": round(measured["per_s"] / plain, 1),
        "cpu_ms_each": round(measured["cpu_ms_each"], 3),
        "noop_cpu_ms_each": round(measured["noop_cpu_ms_each"], 3),
        "lone_ms": round(measured["lone_ms"]),
    }


def _beside(ours: Mapping[str, float], floor: Mapping[str, float]) -> dict[str, Any]:
    def whole(measured: Mapping[str, float]) -> float:
        return measured["cpu_ms_each"] + measured["servers_ms_each"]

    return {
        "floor": {name: round(floor[name], 3) for name in ("per_s", "cpu_ms_each", "servers_ms_each")},
        "of_floor": round(ours["cpu_ms_each"] / floor["cpu_ms_each"], 2),
        "pipeline_of_floor": round(whole(ours) / whole(floor), 2),
    }


class Bench:
    """The database with its people, and the queue."""

    def __init__(self, on: Servers, count: int) -> None:
        self.on = on
        self._count = count
        self.database = Database(on.environment["DATABASE_URL"])
        self.redis = Redis.from_url(on.redis_url)
        self._posts = 0
        self._owed = 0
        with self.database.writing() as session:
            self._site = sites.add(session, name="bench", spider="listing", now=now(), enabled=False).id
            # Tokens as long as FCM's.
            self.users = add_readers(session, "user", count, device=":APA91b" + "x" * 130)

    def close(self) -> None:
        """End its connections."""
        self.redis.close()
        self.database.close()

    def notifier(self, processes: int, transport: str) -> dict[str, float]:
        """Rates of our workers, reading Redis in one of the two ways, and of an empty task on them, in turn."""
        with self.notifiers(processes, transport) as pids:
            noops, noop_cpu, rounds = [], [], []
            for _ in range(ROUNDS):
                before = cpu_s(pids)
                noops.append(self.timed("bench_noop", _nothing(self._count)))
                noop_cpu.append((cpu_s(pids) - before) / self._count * 1000)
                rounds.append(self._round(pids))
            lone = [1000 / self.timed("notify_user", self.keys(1), every_s=LOOK_LONE_S) for _ in range(LONE)]
        return {
            **_medians(rounds),
            "noop_per_s": median(noops),
            "noop_cpu_ms_each": median(noop_cpu),
            "lone_ms": median(lone),
        }

    def beside_floor(self, processes: int) -> dict[str, Any]:
        """What a notification costs, in turn with as many processes that run the loop written by hand."""
        with (
            self.notifiers(processes, "bulk") as ours,
            # Nobody may take what the others are to take.
            ExitStack() as frozen_now,
        ):
            frozen_now.enter_context(frozen(ours))
            with workers(self.on, [()] * processes, module=("scripts.bench.floor",)) as floor:
                self.timed("notify_user", self.keys(WARM))
                rounds: list[list[dict[str, float]]] = [[], []]
                for _ in range(ROUNDS):
                    rounds[0].append(self._round(floor))
                    frozen_now.close()
                    with frozen(floor):
                        rounds[1].append(self._round(ours))
                    frozen_now.enter_context(frozen(ours))
        return _beside(*map(_medians, reversed(rounds)))

    def _round(self, pids: Sequence[int]) -> dict[str, float]:
        """One round of notifications: their rate, and what these processes, and the servers, use for each."""
        keys = self.keys(self._count)
        groups = {"cpu_ms_each": pids, "servers_ms_each": self._servers()}
        before = {name: cpu_s(group) for name, group in groups.items()}
        rate = self.timed("notify_user", keys)
        used = {name: (cpu_s(group) - before[name]) / self._count * 1000 for name, group in groups.items()}
        return {"per_s": rate, **used}

    def _servers(self) -> list[int]:
        """Redis, and what of PostgreSQL runs now."""
        postgres = self.on.postgres and self.on.postgres.pid
        return [pid for pid in (self.on.redis.pid, postgres, *(children(postgres) if postgres else ())) if pid]

    def seconds(self, sizes: Sequence[int], runs: int, *, processes: int) -> dict[int, float]:
        """Median seconds for so many notifications each, with our workers that read Redis in bulk."""

        def seconds(size: int) -> float:
            every_s = LOOK_S if size > 1 else LOOK_LONE_S
            return size / self.timed("notify_user", self.keys(size), every_s=every_s)

        with self.notifiers(processes, "bulk"):
            return by_turns(sizes, runs, seconds)

    @contextmanager
    def notifiers(self, processes: int, transport: str, *beside: Sequence[str]) -> Iterator[list[int]]:
        """Our workers, reading Redis in one of the two ways, once they have sent something; their process ids.

        beside: the arguments of further workers.
        """
        on = replace(self.on, environment={**self.on.environment, "NOTIFY_TRANSPORT": transport})
        command = ("-A", "pipeline", "worker", "-Q", "notify_tasks", "--include", "scripts.bench.noop")
        with workers(on, [*((*command, "-n", f"notifier-{n}@bench") for n in range(processes)), *beside]) as pids:
            self.timed("bench_noop", _nothing(WARM))
            self.timed("notify_user", self.keys(WARM))
            yield pids

    def plain(self, count: int) -> float:
        """The rate of the plain design."""
        from scripts.bench.plain import app

        words = (
            "-A",
            "scripts.bench.plain",
            "worker",
            "-P",
            "prefork",
            "-c",
            str(PLAIN_PROCESSES),
            "-n",
            "plain@bench",
        )
        with workers(self.on, [words]):

            def publish(keys: Sequence[Key]) -> None:
                with app.producer_or_acquire() as producer:
                    for key in keys:
                        app.send_task("plain_notify", args=key, producer=producer)

            self._measured(publish, self.keys(PLAIN_PROCESSES), recorded=True)
            return self._measured(publish, self.keys(count), recorded=True)

    def shown(self, *, digests: int = 0, others: int = 0) -> dict[str, int]:
        """What went wrong on the phones: everybody should show each post once; digests, and others, are owed too."""
        counts = [len(phone["shown"]) for phone in self.on.gateway.phones()]
        tags = [len({one["tag"] for one in phone["shown"]}) for phone in self.on.gateway.phones()]
        return {"lost": self._owed + digests + others - sum(tags), "visible_duplicates": sum(counts) - sum(tags)}

    def post(self) -> int:
        """A new post, which is owed to nobody yet; its id."""
        self._posts += 1
        with self.database.writing() as session:
            title = f"{self._posts}번째 장학금 신청 안내"
            return add_post(session, self._site, title, body=BODY, fanout="done")

    def keys(self, count: int) -> list[Key]:
        """A new post that is owed to the first so many people."""
        post_id = self.post()
        with self.database.writing() as session:
            # On a busy machine two estimates of the database's clock may differ by more than is borne.
            at = now() - timedelta(seconds=10)
            rows = [
                {"post_id": post_id, "user_id": id_, "created_at": at, "enqueued_at": at, "next_attempt_at": at}
                for id_ in self.users[:count]
            ]
            session.execute(insert(Notification), rows)
        self._owed += len(rows)
        return [(post_id, id_) for id_ in self.users[:count]]

    def timed(self, task: str, keys: Sequence[Key], *, every_s: float = LOOK_S) -> float:
        """Tasks per second, from the first published message to the last acknowledgement."""
        from pipeline.broker.publish import publish_many
        from pipeline.celery import app

        # Here too its route must be known.
        importlib.import_module("scripts.bench.noop")
        recorded = task == "notify_user"
        return self._measured(lambda keys: publish_many(app, task, keys), keys, recorded=recorded, every_s=every_s)

    def _measured(
        self,
        publish: Callable[[Sequence[Key]], object],
        keys: Sequence[Key],
        *,
        recorded: bool,
        every_s: float = LOOK_S,
    ) -> float:
        """Tasks per second, from the first published message until all are acknowledged, and so recorded."""

        def is_over() -> bool:
            # To count rows all the time would take a tenth of what is measured. Redis does not know of a message that
            # is on its way to a worker with kombu's transport, so the rows have the last word.
            if not drained(self.redis):
                return False
            if not recorded or self.sent(keys[0][0]) == len(keys):
                return True
            # What a busy machine's notifiers put off: no beat runs here that would send for it.
            if due := self._due(len(keys)):
                publish(due)
            return False

        began = time.perf_counter()
        publish(keys)
        wait_for(is_over, "all acknowledged", self.on, every_s=every_s)
        took = time.perf_counter() - began
        return len(keys) / took

    def _due(self, limit: int) -> list[Key]:
        with self.database.writing() as session:
            return notifications.due(session, now=now(), lost_before=LONG_AGO, limit=limit)

    def sent(self, post_id: int) -> int:
        """How many notifications of a post were sent."""
        with self.database.reading() as session:
            return (
                session.scalar(
                    select(func.count()).where(Notification.post_id == post_id, Notification.status == "sent")
                )
                or 0
            )


def _medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: median(each[name] for each in rounds) for name in rounds[0]}


def _nothing(count: int) -> list[Key]:
    """The arguments of so many empty tasks."""
    return [(0, number) for number in range(count)]
