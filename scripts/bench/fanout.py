"""How fast notify_user messages are published, beside `apply_async` in a loop, on a Redis of its own."""

import resource
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import redis
from celery import Celery

from pipeline.broker.publish import publish_many
from pipeline.celery import NOTIFY_QUEUE, create_app
from pipeline.settings import get_settings
from scripts.bench.rounds import by_turns
from scripts.local.embedded_redis import EmbeddedRedis

ROUNDS = 3
LOOP_SHARE = 20
"""The loop is so much slower that a twentieth of the messages is enough to time it."""


def measure_fanout(users: int) -> dict[str, float]:
    """Figures of publishing one message per user; medians of three rounds, the two ways by turns.

    per_s: messages a second by publish_many. apply_async_per_s: by Task.apply_async in a loop. ratio: the one by the
    other. redis_bytes_per_message: what Redis needs for one. peak_mb: the largest size that this process reached.
    """
    with tempfile.TemporaryDirectory() as folder, EmbeddedRedis(Path(folder)) as server:
        settings = get_settings().model_copy(update={"broker_url": server.url})
        app = create_app(settings)
        task = _task(app)
        with redis.Redis.from_url(server.url) as client:
            batches, loops, weights = [], [], []
            publish_many(app, "notify_user", [(1, 1)])
            task.apply_async((1, 1))
            for _ in range(ROUNDS):
                client.delete(NOTIFY_QUEUE)
                before = _memory(client)
                batches.append(_rate(users, lambda: publish_many(app, "notify_user", ((1, u) for u in range(users)))))
                weights.append((_memory(client) - before) / users)
                client.delete(NOTIFY_QUEUE)
                loop = max(users // LOOP_SHARE, 1)
                loops.append(_rate(loop, partial(_loop, task, loop)))
        app.close()
    return {
        "rounds": ROUNDS,
        "users": users,
        "per_s": round(median(batches)),
        "apply_async_per_s": round(median(loops)),
        "ratio": round(median(batches) / median(loops), 1),
        "redis_bytes_per_message": round(median(weights)),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def seconds_by_messages(sizes: Sequence[int], runs: int) -> dict[int, float]:
    """Median seconds for publishing so many messages, on a Redis of its own."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedRedis(Path(folder)) as server:
        app = create_app(get_settings().model_copy(update={"broker_url": server.url}))
        with redis.Redis.from_url(server.url) as client:

            def seconds(size: int) -> float:
                client.delete(NOTIFY_QUEUE)
                began = perf_counter()
                publish_many(app, "notify_user", ((1, user) for user in range(size)))
                return perf_counter() - began

            seconds(1)
            found = by_turns(sizes, runs, seconds)
        app.close()
    return found


def _task(app: Celery) -> Any:
    if "notify_user" in app.tasks:
        return app.tasks["notify_user"]

    def notify_user(post_id: int, user_id: int) -> None:
        del post_id, user_id

    return app.task(name="notify_user", shared=False)(notify_user)


def _loop(task: Any, count: int) -> None:
    for user in range(count):
        task.apply_async((1, user))


def _rate(count: int, send: Callable[[], object]) -> float:
    began = perf_counter()
    send()
    return count / (perf_counter() - began)


def _memory(client: "redis.Redis") -> int:
    return int(client.info("memory")["used_memory"])
