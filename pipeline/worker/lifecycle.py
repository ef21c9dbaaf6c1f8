"""What each process does when it starts, is ready, fails at a task or ends: the receivers of Celery's signals.

`pipeline.celery` names this module first among its `imports`, which Celery loads before it sends `worker_init` or
`beat_init`. Nothing else imports it.
"""

import atexit
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from celery import signals
from celery.worker import state

from pipeline import locks, logs, resources, sentry, startup
from pipeline.basics import prctl, readiness
from pipeline.broker.bindings import forget_old_bindings
from pipeline.broker.bulk_transport import bulk_transport
from pipeline.broker.redis_transport import sturdy_transport
from pipeline.celery import (
    AUTO,
    CRAWL_QUEUE,
    NOTIFY_QUEUE,
    ProcessType,
    check_visibility,
    on_redis,
    process_type_for,
    redis_options,
    refusal,
)
from pipeline.crawling.child import forkserver
from pipeline.crawling.forkserver import PreloadError
from pipeline.metrics.catalogue import FAILED_TASKS
from pipeline.metrics.counters import counters
from pipeline.secret_files import exposed_files
from pipeline.settings import Settings, SettingsError, get_settings, unknown_names
from pipeline.upkeep import failed_tasks

logger = logging.getLogger(__name__)

BEAT_LOOK_S = 2.0
"""How often a worker with -B looks whether its beat lives."""


# Celery tells of a stop inside a signal's handler, under a lock. A second signal that interrupts it there, as when a
# service signals all its processes at once and each passes it on, would wait for a plain lock for good.
vars(signals.worker_shutting_down)["lock"] = threading.RLock()


@signals.setup_logging.connect
def _configure_logging(loglevel: object = None, logfile: str | None = None, **_: object) -> None:
    """Log as LOG_LEVEL says and to standard error, where the command line (-l, -f) says nothing else."""
    level = logging.getLevelName(loglevel) if isinstance(loglevel, int) else str(loglevel)
    logs.configure(get_settings(), level=level if _is_given("-l", "--loglevel") else None, file=logfile)


def _is_given(*options: str) -> bool:
    """Whether the command line has an option: Celery tells the same of one that was left out."""
    short, long = options
    return any(word == long or word.startswith((f"{long}=", short)) for word in sys.argv[1:] if word != "--")


@signals.celeryd_init.connect
def _refuse_unknown_queues(options: Mapping[str, Any], **_: object) -> None:
    """Before Celery finds out, whose words are a traceback and an advice that leads astray."""
    try:
        if options.get("queues"):
            process_type_for(options["queues"], get_settings())
    except SettingsError as error:
        raise refusal(error) from None


@signals.celeryd_init.connect
def _have_beat_in_a_thread(options: Mapping[str, Any], **_: object) -> None:
    if options.get("beat"):
        # Here: a worker without has no use for it.
        from celery import beat

        from pipeline.scheduling.beat import BeatThread

        vars(beat)["EmbeddedService"] = BeatThread


def _is_all_of_its_process() -> bool:
    """Whether this is a worker, or a beat that is no thread of one."""
    return threading.current_thread() is threading.main_thread()


def _set_transport(conf: Any, kind: ProcessType, settings: Settings) -> None:
    if not on_redis(settings):
        return
    options = {**conf.broker_transport_options, **redis_options(kind)}
    check_visibility(kind, options)
    conf.broker_transport_options = options
    conf.least_batch = kind.batch
    if kind.windows or (kind.queues == (NOTIFY_QUEUE,) and settings.notify_transport == "bulk"):
        conf.broker_transport = bulk_transport(settings.broker)
    elif kind.queues != (NOTIFY_QUEUE,):
        # Long tasks come one at a time, and there taking them so costs nothing.
        conf.broker_transport = sturdy_transport(settings.broker)


@signals.worker_init.connect
@signals.beat_init.connect
def _end_once(**_: object) -> None:
    """Let a second signal, which honcho and Heroku may send, find a process that is already ending in peace.

    Python puts the default handlers back while it ends, so that a late SIGTERM would make a clean end look like a kill.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        atexit.register(signal.signal, number, signal.SIG_IGN)


@signals.beat_init.connect
def _prepare_beat(sender: Any, **_: object) -> None:
    if not _is_all_of_its_process():
        return
    sender.scheduler.end_at_signals()
    locks.name_process("beat")
    settings = get_settings()
    if on_redis(settings):
        sender.app.conf.broker_transport = sturdy_transport(settings.broker)


@signals.worker_init.connect
@signals.beat_init.connect
def _send_errors(**_: object) -> None:
    """Before a task is prepared to be run, since Sentry's integration wraps how that is done."""
    if _is_all_of_its_process():
        sentry.start(get_settings())


@signals.worker_init.connect
def _prepare_worker(sender: Any, **_: object) -> None:
    """Give a worker the options of its type, and refuse to start one that could do nothing."""
    settings = get_settings()
    try:
        kind = process_type_for(sender.app.amqp.queues.consume_from, settings)
        locks.name_process(kind.name)
        startup.wait_for(settings)
        # The web process that shares these cores goes first: nobody waits for a crawl, somebody for a login.
        os.nice(settings.worker_nice)
        _set_transport(sender.app.conf, kind, settings)
        if CRAWL_QUEUE in kind.queues:
            # Here, because a forkserver must be begun by the main thread, before there are others.
            forkserver.start()
    except (SettingsError, startup.NotReadyError, PreloadError) as error:
        raise refusal(error) from None
    conf = sender.app.conf
    # What the command line says (-c, --prefetch-multiplier) goes before what is usual for the type.
    if sender.concurrency == AUTO:
        sender.concurrency = kind.concurrency
    if sender.prefetch_multiplier == conf.worker_prefetch_multiplier:
        sender.prefetch_multiplier = kind.prefetch


@signals.worker_ready.connect
def _say_ready(sender: Any, **_: object) -> None:
    queues = ",".join(sender.app.amqp.queues.consume_from)
    logger.info("worker ready", extra={"fields": {"node": sender.hostname, "queues": queues}})
    readiness.ready()
    if sender.controller.time_limit or sender.controller.soft_time_limit:
        limits = "--time-limit and --soft-time-limit have no effect on threads; CRAWL_HARD_LIMIT_S limits a crawl"
        logger.warning("no such limit", extra={"fields": {"error": limits}})


@signals.beat_init.connect
def _say_that_beat_runs(**_: object) -> None:
    # Of its thread, where it is a worker's own.
    prctl.set_name("beat")
    logger.info("beat runs")
    if _is_all_of_its_process():
        readiness.ready()


@signals.worker_ready.connect
def _end_with_beat(sender: Any, **_: object) -> None:
    """Let a worker with -B end when its beat did: whoever looks after the worker starts both again."""
    beat = getattr(sender.controller, "beat", None)
    if beat is None:
        return

    def watch() -> None:
        while beat.is_alive():
            time.sleep(BEAT_LOOK_S)
        if state.should_stop is None:
            logger.error("beat ended, so the worker does")
            vars(state)["should_stop"] = 1

    threading.Thread(target=watch, name="beat-watch", daemon=True).start()


@signals.worker_ready.connect
def _leave_the_old_exchange(sender: Any, **_: object) -> None:
    # What keeps it from being done now does not keep the next worker that starts.
    with suppress(*sender.connection_errors):
        forget_old_bindings(sender.app)


@signals.worker_ready.connect
def _freeze_what_stays(**_: object) -> None:
    """Spare the collector of garbage what was made so far: it stays, and is most of what there ever is."""
    gc.collect()
    gc.freeze()


@signals.worker_ready.connect
def _warn_of_exposed_files(**_: object) -> None:
    for exposed in exposed_files(get_settings()):
        logger.warning("secrets may be read by others", extra={"fields": {"error": exposed.sentence}})


@signals.worker_ready.connect
def _warn_of_unknown_settings(**_: object) -> None:
    for sentence in unknown_names():
        logger.warning("a setting has no effect", extra={"fields": {"error": sentence}})


@signals.task_failure.connect
def _record_failure(sender: Any, exception: BaseException, args: Sequence[Any], **_: object) -> None:
    """Keep the reason of a task that failed for good; one that is tried again does not come here."""
    if isinstance(exception, sender.throws):
        # What a task says it may raise is made good by itself, as a tick's failure is by the next tick.
        return
    failed_tasks.record(resources.redis(), sender.name, args, exception)
    counters().add(FAILED_TASKS, sender.name)
