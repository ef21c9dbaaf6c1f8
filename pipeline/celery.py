"""The Celery app: queues, routes, what beat does, and how each type of worker process reads its queue.

`celery -A pipeline worker|beat|inspect` finds it here. The Procfile shows the processes.
"""

import ssl
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from celery import Celery, signals
from kombu import Queue

from pipeline import logs, startup
from pipeline.child import PreloadError, start_forkserver
from pipeline.settings import Settings, SettingsError, get_settings

CRAWL_QUEUE = "crawl_tasks"
FANOUT_QUEUE = "fanout_tasks"
NOTIFY_QUEUE = "notify_tasks"

UPKEEP_PRIORITY = 0
"""On Redis a smaller number goes first: beat's ticks and the sweep overtake the fan-outs on their queue."""
FANOUT_PRIORITY = 6

NOTIFY_LEASE_S = 60.0
"""How long a sender may hold the notifications that it claimed; it cancels its requests at half of that."""
FANOUT_LEASE_S = 60.0
"""How long one slice of a fan-out may take."""
AUTO = "auto"
"""Celery's word for "no concurrency was given"."""
VISIBILITY_MARGIN_S = 60
"""Added to a process type's longest task to give its visibility timeout."""


@dataclass(frozen=True, kw_only=True)
class ProcessType:
    """How the worker processes of one queue read it."""

    name: str
    queues: tuple[str, ...]
    concurrency: int
    # Messages taken ahead per thread: one for long tasks, so that an idle worker finds what a busy one has not begun.
    prefetch: int
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
            prefetch=2,
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
    if len(types) == 1:
        return types[0]
    return ProcessType(
        name="+".join(kind.name for kind in types),
        queues=tuple(kind.queues[0] for kind in types),
        concurrency=max(kind.concurrency for kind in types),
        prefetch=1,
        longest_task_s=max(kind.longest_task_s for kind in types),
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
        "queue_order_strategy": "priority",
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
    }


def tls_options(url: str, settings: Settings) -> dict[str, Any] | None:
    """How to check the certificate of a rediss:// server; None for a plain one."""
    if not url.startswith("rediss://"):
        return None
    return {"ssl_cert_reqs": ssl.CERT_NONE if settings.redis_tls_insecure else ssl.CERT_REQUIRED}


def create_app(settings: Settings) -> Celery:
    """A Celery app for the given settings."""
    app = Celery("pipeline")
    crawl, fanout, notify = (Queue(name) for name in (CRAWL_QUEUE, FANOUT_QUEUE, NOTIFY_QUEUE))
    app.conf.update(
        broker_url=settings.broker,
        broker_use_ssl=tls_options(settings.broker, settings),
        broker_connection_retry_on_startup=True,
        broker_transport_options={"queue_order_strategy": "priority", "socket_connect_timeout": 5},
        imports=("pipeline.tasks.crawl", "pipeline.tasks.fanout", "pipeline.tasks.notify", "pipeline.tasks.upkeep"),
        task_queues=(crawl, fanout, notify),
        task_default_queue=FANOUT_QUEUE,
        task_create_missing_queues=False,
        task_routes={
            "crawl_site": {"queue": CRAWL_QUEUE},
            "fan_out_post": {"queue": FANOUT_QUEUE, "priority": FANOUT_PRIORITY},
            "notify_user": {"queue": NOTIFY_QUEUE},
            "*": {"queue": FANOUT_QUEUE, "priority": UPKEEP_PRIORITY},
        },
        # JSON and nothing else: whoever can write to Redis must not be able to make a worker run their code.
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        worker_pool="threads",
        worker_concurrency=AUTO,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        enable_utc=True,
        timezone="UTC",
        beat_schedule=_beat_schedule(settings),
        # Nothing to remember: what is due stands in the database, and beat only ticks.
        beat_scheduler="celery.beat:Scheduler",
        beat_max_loop_interval=5,
    )
    return app


def _beat_schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    # A tick that was not taken before the next one is worthless: without `expires` an hour without a dispatcher
    # would leave a heap of them.
    return {
        "crawl-sites": {
            "task": "crawl_sites",
            "schedule": settings.tick_s,
            "options": {"expires": settings.tick_s},
        },
        "send-due": {"task": "send_due", "schedule": 5.0, "options": {"expires": 5.0}},
        "sweep": {"task": "sweep", "schedule": settings.sweep_s, "options": {"expires": settings.sweep_s}},
    }


def _fail(error: Exception) -> SystemExit:
    # Celery logs and swallows what a signal's receiver raises, but not SystemExit; and a person wants a sentence.
    return SystemExit(f"crawlpush cannot start: {error}")


# Celery warns a root worker because of pickled messages, which run code; ours are JSON and nothing else.
warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")


def _app() -> Celery:
    try:
        return create_app(get_settings())
    except SettingsError as error:
        raise _fail(error) from None


app = _app()


@signals.setup_logging.connect
def _configure_logging(**_: object) -> None:
    logs.configure(get_settings())


@signals.worker_init.connect
def _prepare_worker(sender: Any, **_: object) -> None:
    """Give a worker the options of its type, and refuse to start one that could do nothing."""
    settings = get_settings()
    try:
        kind = process_type_for(sender.app.amqp.queues.consume_from, settings)
        startup.check_services(settings)
        if CRAWL_QUEUE in kind.queues:
            # Here, because a forkserver must be begun by the main thread, before there are others.
            start_forkserver()
    except (SettingsError, startup.NotReadyError, PreloadError) as error:
        raise _fail(error) from None
    conf = sender.app.conf
    if settings.broker.startswith("redis"):
        conf.broker_transport_options = {**conf.broker_transport_options, **redis_options(kind)}
    # What the command line says (-c, --prefetch-multiplier) goes before what is usual for the type.
    if sender.concurrency == AUTO:
        sender.concurrency = kind.concurrency
    if sender.prefetch_multiplier == conf.worker_prefetch_multiplier:
        sender.prefetch_multiplier = kind.prefetch
