"""A post with ten readers that comes during one with many: both posts' progress, and the length of the queue.

Everything is real but the sending: fan-outs on a SQLite database, messages on a Redis, and a consumer that takes as
many a second as it is told, as notifiers that keep pace do.
"""

import heapq
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import redis
from celery import Celery

from pipeline.broker.notify_room import NotifyRoom
from pipeline.broker.publish import publish_many, queue_length
from pipeline.celery import FANOUT_LEASE_S, LATER_PRIORITY, NOTIFY_QUEUE, create_app
from pipeline.fanout.slices import RANGES, FanOuts, FanOutSettings, SliceEnd
from pipeline.resources import now
from pipeline.settings import get_settings
from pipeline.tasks.fanout import WAIT_S
from scripts.local.embedded_redis import EmbeddedRedis
from scripts.testbed.rows import add_post, add_readers
from storage import sites
from storage.migrate import upgrade
from storage.session import Database

SMALL = 10
LISTS = (NOTIFY_QUEUE, f"{NOTIFY_QUEUE}\x06\x16{LATER_PRIORITY}")
"""Where notifications stand on Redis, by kombu's names; in the second list those of a post with many readers."""
TICK_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The state at a moment."""

    # Seconds since the large fan-out began.
    at_s: float
    queue: int
    large: int
    small: int


class Notifiers:
    """Takes messages from the queue at a steady rate, and counts them by post."""

    def __init__(self, client: "redis.Redis", per_s: int) -> None:
        self.client, self.per_s = client, per_s
        self.taken = {"large": 0, "small": 0}
        self.samples: list[Sample] = []
        self.over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to take messages."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more."""
        self.over.set()
        self._thread.join()

    def _run(self) -> None:
        began = monotonic()
        done = 0
        while not self.over.wait(TICK_S):
            at = monotonic() - began
            allowed = int(at * self.per_s) - done
            for message in self._take(allowed):
                # A body is base64 of JSON; the ids also stand in the header, as Flower shows them.
                self.taken["large" if b'"argsrepr": "(1, ' in message else "small"] += 1
            # What was not there to be taken is not made up for.
            done = int(at * self.per_s)
            length = sum(map(self._length, LISTS))
            self.samples.append(Sample(at_s=at, queue=length, **self.taken))

    def _take(self, allowed: int) -> Iterator[bytes]:
        """In turn from both lists, as notifiers do."""
        first, later = map(self._length, LISTS)
        of_first = min(first, max(allowed // 2, allowed - later))
        for name, count in zip(LISTS, (of_first, allowed - of_first), strict=True):
            raw: Any = self.client.rpop(name, count) if count > 0 else None
            yield from raw or ()

    def _length(self, name: str) -> int:
        length: Any = self.client.llen(name)
        return int(length)


def measure_fairness(users: int, per_s: int) -> dict[str, float]:
    """Fan out to `users`, and after three seconds to ten more, with `per_s` messages taken a second.

    small_s: seconds from the small post's start until its last message was taken. longest_queue: most messages that
    waited at once. large_s: seconds until the large post's last.
    """
    with tempfile.TemporaryDirectory() as folder, EmbeddedRedis(Path(folder, "redis")) as server:
        url = f"sqlite:///{folder}/bench.db"
        upgrade(url)
        database = Database(url)
        large, small = _fill(database, users)
        app = create_app(get_settings().model_copy(update={"broker_url": server.url}))
        with redis.Redis.from_url(server.url) as client:
            notifiers = Notifiers(client, per_s)
            started = _run(app, database, notifiers, {large: 0.0, small: 3.0}, users + SMALL)
        app.close()
        database.close()
    samples = notifiers.samples
    return {
        "users": users,
        "per_s": per_s,
        "small_s": round(next(s.at_s for s in samples if s.small == SMALL) - started, 2),
        "large_s": round(next(s.at_s for s in samples if s.large == users), 2),
        "longest_queue": max(s.queue for s in samples),
        "queue_max": get_settings().notify_queue_max,
    }


def _run(app: Celery, database: Database, notifiers: Notifiers, starts: dict[int, float], total: int) -> float:
    """Give the fan-outs their turns, as one dispatcher would; returns when the last of them began."""
    settings = get_settings()
    fan_outs = FanOuts(
        database,
        FanOutSettings(slice_users=settings.fanout_slice, lease_s=FANOUT_LEASE_S),
        room=NotifyRoom(settings.notify_queue_max, lambda: queue_length(app, NOTIFY_QUEUE)),
        publish=lambda keys: publish_many(app, "notify_user", keys),
        publish_later=lambda keys: publish_many(app, "notify_user", keys, priority=LATER_PRIORITY),
    )
    turns = [(at, number, post) for number, (post, at) in enumerate(starts.items())]
    heapq.heapify(turns)
    notifiers.start()
    began, order = monotonic(), len(turns)
    while turns:
        at, _, post = heapq.heappop(turns)
        sleep(max(at - (monotonic() - began), 0))
        end, order = fan_outs.next_slice(post), order + 1
        wait = WAIT_S if end is SliceEnd.WAIT else 0
        for _ in range({SliceEnd.SPLIT: RANGES, SliceEnd.MORE: 1, SliceEnd.WAIT: 1}.get(end, 0)):
            order += 1
            heapq.heappush(turns, (monotonic() - began + wait, order, post))
    while sum(notifiers.taken.values()) < total:
        sleep(TICK_S)
    sleep(2 * TICK_S)
    notifiers.stop()
    return max(starts.values())


def _fill(database: Database, users: int) -> tuple[int, int]:
    """Two sites with readers of every post of theirs, and a post on each; returns the posts, ids 1 and 2."""
    found = []
    with database.writing() as session:
        for name, count in (("large", users), ("small", SMALL)):
            site = sites.add(session, name=name, spider="feed", now=now(), baseline_done=True, next_crawl_at=now())
            add_readers(session, name, count, wish={"site_id": site.id})
            found.append(add_post(session, site.id, name))
    return found[0], found[1]
