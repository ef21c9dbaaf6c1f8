"""Everything that Prometheus is told: counters from Redis, and what the database and the broker say at this moment."""

import math
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from pipeline.broker import queue_state
from pipeline.broker.publish import BrokerError
from pipeline.celery import app
from pipeline.crawling.health import HEALTHS, health_of
from pipeline.delivery.timing import NEVER_WAITED_FOR, Reason
from pipeline.metrics import catalogue
from pipeline.metrics.counters import SUM, read
from pipeline.push.message import Platform
from pipeline.resources import now
from pipeline.scheduling import heartbeat
from storage import channels, overview, sites
from storage.session import Database

AWAY = (DBAPIError, RedisError, BrokerError, OSError)

Counts = Mapping[tuple[str, ...], int]


class Exposition(Collector):
    """Collects when it is asked to, and only for one caller at a time."""

    def __init__(self, database: Database, redis: Redis) -> None:
        self._database = database
        self._redis = redis
        self._lock = threading.Lock()

    def registry(self) -> CollectorRegistry:
        """A registry with nothing else in it: how much memory an exporter takes is of no interest."""
        made = CollectorRegistry()
        made.register(self)
        return made

    def collect(self) -> Iterable[Metric]:
        """All families. Of a server that is away there are none but `crawlpush_up`."""
        with self._lock:
            up = GaugeMetricFamily("crawlpush_up", "Whether a server answers.", labels=["server"])
            parts: Mapping[str, Callable[[], Iterator[Metric]]] = {
                "database": self._of_database,
                "redis": self._of_redis,
                "broker": self._of_broker,
            }
            families: list[Metric] = [up]
            for server, part in parts.items():
                try:
                    families += part()
                except AWAY:
                    up.add_metric([server], 0)
                else:
                    up.add_metric([server], 1)
            return families

    def _of_redis(self) -> Iterator[Metric]:
        counts = read(self._redis)
        for counter in catalogue.COUNTERS:
            yield _counter(counter, counts)
        for histogram in catalogue.HISTOGRAMS:
            yield _histogram(histogram, counts)
        age = GaugeMetricFamily(
            "crawlpush_beat_heartbeat_age_seconds", "Time since a beat last said that it lives; +Inf when none did."
        )
        beats = heartbeat.beats(self._redis)
        age.add_metric([], abs((now() - beats[0].at).total_seconds()) if beats else math.inf)
        yield age
        idle = GaugeMetricFamily(
            "crawlpush_dispatcher_tick_age_seconds", "Time since a dispatcher last did a tick of beat's; 0 before."
        )
        ticked = heartbeat.last_tick(self._redis)
        idle.add_metric([], max((now() - ticked).total_seconds(), 0) if ticked else 0)
        yield idle

    def _of_database(self) -> Iterator[Metric]:
        with self._database.reading() as session:
            held = overview.held_posts(session)
            healths = Counter(health_of(s, held_posts=held.get(s.id, 0)) for s in sites.all_sites(session))
            paused = {state.name for state in channels.paused(session)}
            owed = overview.owed(session)
        by_health = GaugeMetricFamily("crawlpush_sites", "Sites by health.", labels=["health"])
        for word in HEALTHS:
            by_health.add_metric([word], healths[word])
        yield by_health
        closed = GaugeMetricFamily("crawlpush_channel_paused", "Whether a channel is paused.", labels=["channel"])
        for name in Platform:
            closed.add_metric([name], name in paused)
        yield closed
        amounts = GaugeMetricFamily(
            "crawlpush_owed", f"What is owed and not done, counted up to {overview.COUNTED:,}.", labels=["what"]
        )
        for what in ("runs", "fan_outs", "pending", "sending", "failed"):
            amounts.add_metric([what], getattr(owed, what).count)
        yield amounts
        waiting = GaugeMetricFamily(
            "crawlpush_waiting_notifications",
            "Notifications that wait for their users' time, by what for; a part of what is pending.",
            labels=["reason"],
        )
        for reason in Reason:
            if reason not in NEVER_WAITED_FOR:
                waiting.add_metric([reason], owed.waiting[reason].count if reason in owed.waiting else 0)
        yield waiting
        overdue = GaugeMetricFamily(
            "crawlpush_notification_overdue_seconds", "For how long the longest overdue notification has been due."
        )
        overdue.add_metric([], max((now() - owed.due_since).total_seconds(), 0) if owed.due_since else 0)
        yield overdue

    def _of_broker(self) -> Iterator[Metric]:
        lengths = GaugeMetricFamily("crawlpush_queue_messages", "Messages that wait in a queue.", labels=["queue"])
        ages = GaugeMetricFamily(
            "crawlpush_queue_oldest_seconds", "For how long the oldest message of a queue has waited.", labels=["queue"]
        )
        at = now()
        for task in queue_state.TASKS:
            state = queue_state.queue_state(app, self._database, self._redis, task)
            lengths.add_metric([state.name], state.length)
            ages.add_metric([state.name], state.age_s(at))
        yield from (lengths, ages)


def _counter(counter: catalogue.Counter, counts: Counts) -> Metric:
    family = CounterMetricFamily(counter.name, counter.meaning, labels=counter.labels)
    for (name, *labels), count in sorted(counts.items()):
        if name == counter.name and len(labels) == len(counter.labels):
            family.add_metric(labels, count)
    if not counter.labels and not family.samples:
        family.add_metric([], 0)
    return family


def _histogram(histogram: catalogue.Histogram, counts: Counts) -> Metric:
    family = HistogramMetricFamily(histogram.name, histogram.meaning)
    reached, buckets = 0, []
    for place, bound in enumerate([*map(str, histogram.bounds), "+Inf"]):
        reached += counts.get((histogram.name, str(place)), 0)
        buckets.append((bound, reached))
    family.add_metric([], buckets, sum_value=counts.get((histogram.name, SUM), 0) / 1000)
    return family
