"""The Celery app: queues, routes, what beat does, and how each type of worker process reads its queue.

`celery -A pipeline worker|beat|inspect` finds it here. The Procfile shows the processes.
"""

import math
import ssl
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from celery import Celery
from celery.schedules import crontab
from kombu import Exchange, Queue

from pipeline.locks import SOCKET_OPTIONS
from pipeline.settings import Settings, SettingsError, get_settings

CRAWL_QUEUE = "crawl_tasks"
FANOUT_QUEUE = "fanout_tasks"
NOTIFY_QUEUE = "notify_tasks"

UPKEEP_PRIORITY = 0
"""On Redis a smaller number goes first: beat's ticks and the sweep overtake the fan-outs on their queue."""
FANOUT_PRIORITY = 6
LATER_PRIORITY = 3
"""Of notifications, those of a post whose readers take several slices: what few want is not behind them all."""
MAX_PRIORITY = 9
"""On RabbitMQ a larger number goes first, so there a priority is counted from this one down."""

NOTIFY_LEASE_S = 60.0
"""How long a sender may hold the notifications that it claimed; it cancels its requests at half of that."""
FANOUT_LEASE_S = 60.0
"""How long one slice of a fan-out may take."""
REDIS_OPTIONS = {
    "queue_order_strategy": "priority",
    **SOCKET_OPTIONS,
    # Whoever publishes learns within this many seconds that Redis is away; the database keeps what is owed.
    "connect_retries_timeout": 2,
    "interval_start": 0.2,
    "interval_step": 0.3,
    "interval_max": 1,
}
"""What every process, also one that only publishes, tells kombu about Redis."""
BY_NAME: Mapping[str, str] = MappingProxyType({"exchange_type": "direct"})
"""Has Celery send to a queue by its name, over the default exchange: that needs no binding, which Redis may forget."""
AUTO = "auto"
"""Celery's word for "no concurrency was given"."""
VISIBILITY_MARGIN_S = 60
"""Added to a process type's longest task to give its visibility timeout.

A message's clock starts when it is taken, so it covers also the turn that a message taken ahead waits for. Should that
be longer, the message is delivered twice and the second finds nothing to do.
"""
LEAST_MARGIN_S = 30
"""A start with less than this between a task's limit and its message's visibility timeout is refused."""


@dataclass(frozen=True, kw_only=True)
class ProcessType:
    """How the worker processes of one queue read it."""

    name: str
    queues: tuple[str, ...]
    concurrency: int
    # Messages taken ahead per thread: one for long tasks, so that an idle worker finds what a busy one has not begun.
    prefetch: int
    # Of its queues those of which only so many messages may be unacknowledged, so that they leave room for the others.
    windows: Mapping[str, int] = field(default_factory=dict)
    # Calls that may be done together, should that be more than there are threads.
    batch: int = 0
    # The longest that a task may take, in seconds. Its limits are ours: Celery's thread pool has none.
    longest_task_s: float

    @property
    def visibility_timeout_s(self) -> int:
        """After how long Redis hands an unacknowledged message to somebody else: never while its task may still run."""
        return int(self.longest_task_s) + VISIBILITY_MARGIN_S


def process_types(settings: Settings) -> tuple[ProcessType, ...]:
    """The types of worker processes, one per queue."""
    return (
        ProcessType(
            name="crawler",
            queues=(CRAWL_QUEUE,),
            concurrency=settings.crawl_concurrency,
            prefetch=1,
            longest_task_s=settings.crawl_hard_limit_s + 30,
        ),
        ProcessType(
            name="dispatcher", queues=(FANOUT_QUEUE,), concurrency=4, prefetch=1, longest_task_s=2 * FANOUT_LEASE_S
        ),
        ProcessType(
            name="notifier",
            queues=(NOTIFY_QUEUE,),
            concurrency=settings.notify_concurrency,
            # As many batches as are under way at once (pipeline.worker.pool.BATCHES).
            prefetch=3,
            longest_task_s=NOTIFY_LEASE_S,
        ),
    )


def process_type_for(queues: Iterable[str], settings: Settings) -> ProcessType:
    """The type of a worker that reads the given queues; one that reads several is as patient as the longest needs."""
    wanted = set(queues)
    known = process_types(settings)
    types = [kind for kind in known if wanted.intersection(kind.queues)]
    unknown = wanted.difference(*(kind.queues for kind in types))
    if unknown or not types:
        raise SettingsError(
            f"there is no queue {', '.join(sorted(unknown)) or '(none)'}: "
            f"the queues are {', '.join(kind.queues[0] for kind in known)}"
        )
    return types[0] if len(types) == 1 else _joined(types, settings)


def _joined(types: Sequence[ProcessType], settings: Settings) -> ProcessType:
    queues = tuple(kind.queues[0] for kind in types)
    has_crawls = CRAWL_QUEUE in queues
    # A thread may hold a crawl with its child process: joined to crawls there are few, and batches need none of them.
    threads = 2 * settings.crawl_concurrency if has_crawls else max(kind.concurrency for kind in types)
    in_bulk = has_crawls and NOTIFY_QUEUE in queues and on_redis(settings) and settings.notify_transport == "bulk"
    others = [queue for queue in queues if queue != NOTIFY_QUEUE]
    return ProcessType(
        name="+".join(kind.name for kind in types),
        queues=queues,
        concurrency=threads,
        prefetch=1 + math.ceil(2 * settings.notify_concurrency / threads) if in_bulk else 1,
        windows=dict.fromkeys(others, threads // len(others)) if in_bulk else {},
        batch=settings.notify_concurrency if in_bulk else 0,
        longest_task_s=max(kind.longest_task_s for kind in types),
    )


def _priority(settings: Settings, priority: int) -> int:
    return priority if on_redis(settings) else MAX_PRIORITY - priority


def on_redis(settings: Settings) -> bool:
    """Whether Redis carries the messages too, and not only the locks."""
    return settings.broker.startswith("redis")


def check_visibility(kind: ProcessType, options: Mapping[str, Any]) -> None:
    """Raise SettingsError when Redis would hand a message to somebody else while its task may still run."""
    timeout = options.get("visibility_timeout", 0)
    if timeout < kind.longest_task_s + LEAST_MARGIN_S:
        raise SettingsError(
            f"a task of {kind.name} may take {kind.longest_task_s:g} s, but the broker's visibility_timeout is "
            f"{timeout:g} s: it must be at least {LEAST_MARGIN_S} s longer, or running tasks would be started twice"
        )


def redis_options(kind: ProcessType) -> dict[str, Any]:
    """Celery's Redis transport options for one type of process.

    A worker restores what has been unacknowledged for longer than its own visibility timeout, whoever took it, so
    each type keeps its unacknowledged messages under keys of its own.
    """
    return {
        "visibility_timeout": kind.visibility_timeout_s,
        "unacked_key": f"unacked:{kind.name}",
        "unacked_index_key": f"unacked_index:{kind.name}",
        "unacked_mutex_key": f"unacked_mutex:{kind.name}",
        # Look for messages of dead workers every 10 s; kombu's default of every tenth look makes that 100 s.
        "unacked_restore_throttle": 1,
        "windows": kind.windows,
        "in_turn": {NOTIFY_QUEUE: LATER_PRIORITY},
        **REDIS_OPTIONS,
    }


AMQP_HEARTBEAT_S = 20
"""RabbitMQ: a worker that was sent nothing for twice as long gives its connection up; Redis is asked by other means."""


def tls_options(url: str, settings: Settings) -> dict[str, Any] | None:
    """How to check the certificate of a rediss:// server; None for a plain one."""
    if not url.startswith("rediss://"):
        return None
    return {"ssl_cert_reqs": ssl.CERT_NONE if settings.redis_tls_insecure else ssl.CERT_REQUIRED}


def create_app(settings: Settings) -> Celery:
    """A Celery app for the given settings."""
    app = Celery("pipeline")
    # RabbitMQ keeps priorities only in a queue that was declared with them; Redis takes no notice.
    with_priorities = None if on_redis(settings) else {"x-max-priority": MAX_PRIORITY}
    crawl, notify = _queue(CRAWL_QUEUE, "crawl"), _queue(NOTIFY_QUEUE, "notify")
    fanout = _queue(FANOUT_QUEUE, "fanout", queue_arguments=with_priorities)
    app.conf.update(
        broker_url=settings.broker,
        broker_use_ssl=tls_options(settings.broker, settings),
        # However long the broker is away, at a start or later.
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,
        broker_heartbeat=AMQP_HEARTBEAT_S,
        worker_consumer="pipeline.worker.consumer:Consumer",
        # py-amqp takes no option that it does not know.
        broker_transport_options=REDIS_OPTIONS if on_redis(settings) else {},
        imports=(
            # First: it must hear Celery's signals from worker_init and beat_init on.
            "pipeline.worker.lifecycle",
            "pipeline.tasks.crawl",
            "pipeline.tasks.fanout",
            "pipeline.tasks.notify",
            "pipeline.tasks.upkeep",
        ),
        task_queues=(crawl, fanout, notify),
        task_default_queue=FANOUT_QUEUE,
        task_create_missing_queues=False,
        task_routes={
            "crawl_site": {"queue": CRAWL_QUEUE, **BY_NAME},
            "fan_out_post": {"queue": FANOUT_QUEUE, "priority": _priority(settings, FANOUT_PRIORITY), **BY_NAME},
            "notify_user": {"queue": NOTIFY_QUEUE, **BY_NAME},
            "send_digest": {"queue": NOTIFY_QUEUE, **BY_NAME},
            "*": {"queue": FANOUT_QUEUE, "priority": _priority(settings, UPKEEP_PRIORITY), **BY_NAME},
        },
        # JSON and nothing else: whoever can write to Redis must not be able to make a worker run their code.
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        worker_pool="pipeline.worker.pool:TaskPool",
        worker_concurrency=AUTO,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        enable_utc=True,
        timezone="UTC",
        beat_schedule=_beat_schedule(settings),
        # Nothing to remember: what is due stands in the database, and beat only ticks.
        beat_scheduler="pipeline.scheduling.beat:HeartbeatScheduler",
        beat_max_loop_interval=5,
    )
    return app


def _queue(name: str, topic: str, **options: Any) -> Queue:
    """A queue with an exchange of its own, from which it gets whatever has a routing key of its topic."""
    return Queue(name, Exchange(topic, type="topic"), routing_key=f"{topic}.#", **options)


def _beat_schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    # A tick that was not taken before the next one is worthless: without `expires` an hour without a dispatcher
    # would leave a heap of them.
    return {
        "alert": {"task": "alert", "schedule": settings.alert_s, "options": {"expires": settings.alert_s}},
        "crawl-sites": {
            "task": "crawl_sites",
            "schedule": settings.tick_s,
            "options": {"expires": settings.tick_s},
        },
        "send-due": {"task": "send_due", "schedule": 5.0, "options": {"expires": 5.0}},
        "look-at-edits": {"task": "look_at_edits", "schedule": 5.0, "options": {"expires": 5.0}},
        "correct-schedules": {"task": "correct_schedules", "schedule": 300.0, "options": {"expires": 300.0}},
        # At a minute of the clock: an interval would begin anew with each restart of beat.
        "upkeep": {"task": "upkeep", "schedule": crontab(minute="7"), "options": {"expires": 3000.0}},
        "prune": {"task": "prune", "schedule": crontab(hour="3", minute="37"), "options": {"expires": 3600.0}},
        "sweep": {"task": "sweep", "schedule": settings.sweep_s, "options": {"expires": settings.sweep_s}},
    }


def refusal(error: Exception) -> SystemExit:
    """What ends a process that cannot start, with one sentence.

    Celery logs and swallows what a receiver of its signals raises, but not SystemExit.
    """
    return SystemExit(f"crawlpush cannot start: {error}")


# Celery warns a root worker because of pickled messages, which run code; ours are JSON and nothing else.
warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")


def _app() -> Celery:
    try:
        return create_app(get_settings())
    except SettingsError as error:
        raise refusal(error) from None


app = _app()
