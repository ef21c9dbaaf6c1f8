"""Whether somebody reads each queue, and in time."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from pipeline import startup
from pipeline.broker.publish import queue_length
from pipeline.celery import app, check_visibility, on_redis, process_types, redis_options
from pipeline.locks import open_redis
from pipeline.push.channels import Finding, Level
from pipeline.resources import now
from pipeline.scheduling import heartbeat
from pipeline.settings import Settings, SettingsError

REPLY_KEY = "crawlpush:debug:"
ASK_S = 1.0
"""How long all workers together have to say which queues they read."""


def workers(settings: Settings, *, wait_s: float) -> Iterator[Finding]:
    """Send a task through each queue, and wait for the answers of the workers."""
    try:
        yield from _round_trips(settings, wait_s)
    except (RedisError, BrokerError, OSError) as error:
        yield Finding(level=Level.FAIL, sentence=f"no queue was tried: {startup.redis_sentence(error)}")


def _round_trips(settings: Settings, wait_s: float) -> Iterator[Finding]:
    kinds = {kind.queues[0]: kind.name for kind in process_types(settings)}
    token = uuid4().hex
    keys = {queue: f"{REPLY_KEY}{token}:{queue}" for queue in kinds}
    for queue in kinds:
        # A task that nobody took in time is thrown away when its worker comes at last.
        app.send_task("debug_task", (f"{token}:{queue}",), queue=queue, expires=wait_s, retry=False)
    with open_redis(settings) as redis:
        answers: dict[str, str] = {}
        deadline = time.monotonic() + wait_s
        while len(answers) < len(kinds) and time.monotonic() < deadline:
            found = zip(kinds, redis.mget(list(keys.values())), strict=True)
            answers = {queue: raw.decode() for queue, raw in found if raw is not None}
            time.sleep(0.05)
        redis.delete(*keys.values())
    readers = _readers() if len(answers) < len(kinds) else {}
    for queue, kind in kinds.items():
        yield round_trip(
            queue, kind, answer=answers.get(queue), readers=readers.get(queue, ()), wait_s=wait_s,
            waiting=queue_length(app, queue),
        )  # fmt: skip


def round_trip(
    queue: str, kind: str, *, answer: str | None, readers: Sequence[str], wait_s: float, waiting: int
) -> Finding:
    """What it means that a queue's task was answered or not. Pure. readers: workers that say they read the queue."""
    if answer is not None:
        return Finding(level=Level.OK, sentence=f"{queue}: {answer} answers")
    if readers:
        return Finding(
            level=Level.WARN,
            sentence=f"{queue}: {', '.join(readers)} reads it, but did not come to our task within {wait_s:g} s; "
            f"{waiting} messages wait. If that lasts, add a {kind}; if nothing moves, restart it",
        )
    return Finding(
        level=Level.FAIL,
        sentence=f"{queue}: no worker reads it, {waiting} messages wait; start the Procfile's {kind} process",
    )


def _readers() -> Mapping[str, Sequence[str]]:
    answers: Mapping[str, Any] = app.control.inspect(timeout=ASK_S).active_queues() or {}
    readers: dict[str, list[str]] = {}
    for worker, queues in answers.items():
        for queue in queues:
            readers.setdefault(str(queue["name"]), []).append(str(worker))
    return readers


def visibility(settings: Settings) -> Iterator[Finding]:
    """Whether the broker leaves a message alone while its task may still run."""
    if not on_redis(settings):
        yield Finding(level=Level.OK, sentence="the broker is no Redis: a message is its worker's until that is gone")
        return
    for kind in process_types(settings):
        options = redis_options(kind)
        try:
            check_visibility(kind, options)
        except SettingsError as error:
            yield Finding(level=Level.FAIL, sentence=str(error))
            return
        yield Finding(
            level=Level.OK,
            sentence=f"{kind.name}: a task takes {kind.longest_task_s:g} s at most, "
            f"its message is left alone for {options['visibility_timeout']} s",
        )


def beat(settings: Settings) -> Iterator[Finding]:
    """Whether beat lives."""
    try:
        with open_redis(settings) as redis:
            stale = heartbeat.problem(heartbeat.beats(redis), now())
    except (RedisError, OSError) as error:
        yield Finding(level=Level.FAIL, sentence=f"beat's heartbeat is not known: {startup.redis_sentence(error)}")
        return
    yield Finding(level=Level.FAIL, sentence=stale) if stale else Finding(level=Level.OK, sentence="beat is alive")
