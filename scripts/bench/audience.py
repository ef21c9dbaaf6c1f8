"""What a post costs that so many people want: a fan-out on a PostgreSQL of its own, its messages on a Redis."""

import tempfile
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import redis
from sqlalchemy import text

from pipeline.broker.publish import publish_many
from pipeline.celery import NOTIFY_QUEUE, create_app
from pipeline.fanout.phrases import parse_phrase
from pipeline.settings import get_settings
from scripts.bench.errors import BenchmarkError
from scripts.bench.fan_outs import TimedFanOuts, postgres
from scripts.bench.rounds import by_turns
from scripts.local.embedded_redis import EmbeddedRedis
from scripts.testbed.database import vacuum
from storage.session import Database
from storage.subscriptions import KeywordText, keyword_ids

RUNS = 3
PART = 50_000
"""Rows in one statement of what is prepared."""
BODY = "신청 기간과 방법을 안내합니다. " * 8


def measure_audience(audiences: Sequence[int], *, runs: int = RUNS) -> dict[str, Any]:
    """Fan a post out to audiences of these sizes: find them, insert their rows, publish their messages.

    For each: seconds, from post id to the last message in Redis, the median of `runs`, and per_s, users in a second.
    Nobody takes the messages; they are thrown away slice by slice, so Redis holds no more of them than in operation.
    """
    with tempfile.TemporaryDirectory(prefix="crawlpush-bench-") as folder, EmbeddedRedis(Path(folder)) as server:
        app = create_app(get_settings().model_copy(update={"broker_url": server.url}))
        with redis.Redis.from_url(server.url) as client, postgres() as database:

            def publish(keys: Sequence[tuple[int, int]]) -> None:
                publish_many(app, "notify_user", keys)
                client.unlink(NOTIFY_QUEUE)

            seconds = _by_users(database, audiences, runs, publish)
        app.close()
    return {
        "database": "postgres",
        "runs": runs,
        "audiences": [
            {"users": users, "seconds": round(took, 3), "per_s": round(users / took)} for users, took in seconds.items()
        ],
    }


def seconds_by_users(sizes: Sequence[int], runs: int) -> dict[int, float]:
    """Median seconds from post id to committed rows, for posts that so many people want. No messages are sent."""
    with postgres() as database:
        return _by_users(database, sizes, runs, publish=lambda _keys: None)


def _by_users(
    database: Database, sizes: Sequence[int], runs: int, publish: Callable[[Sequence[tuple[int, int]]], object]
) -> dict[int, float]:
    _fill(database, sizes)
    fan_outs = TimedFanOuts(database, publish)
    numbers = count()

    def seconds(size: int) -> float:
        took = fan_outs.seconds(f"{_phrase(size)} {next(numbers)}", BODY)
        if fan_outs.matched != size:
            raise BenchmarkError(f"a post for {size} users was matched to {fan_outs.matched}")
        return took

    # The first one reads the phrases and builds the automaton.
    seconds(min(sizes))
    return by_turns(sizes, runs, seconds)


def _fill(database: Database, sizes: Sequence[int]) -> None:
    """People, and for each size a phrase that so many of them want."""
    wanted = {size: parse_phrase(_phrase(size)) for size in sizes}
    texts = {size: KeywordText(text=phrase.text, kind=phrase.kind) for size, phrase in wanted.items()}
    with database.writing() as session:
        ids = keyword_ids(session, texts.values())
    _insert(database, "users (id, external_id, created_at) SELECT n, 'user-' || n, now()", max(sizes))
    for size, phrase in texts.items():
        rows = f"subscriptions (user_id, keyword_id, created_at) SELECT n, {ids[phrase]}, now()"
        _insert(database, rows, size)
    vacuum(database)


def _insert(database: Database, rows: str, most: int) -> None:
    """Let the server make rows by itself, in parts: a busy one takes longer for a million than a statement may."""
    for after in range(0, most, PART):
        with database.writing() as session:
            numbers = f"generate_series({after + 1}, {min(after + PART, most)}) n"
            session.execute(text(f"INSERT INTO {rows} FROM {numbers}"))


def _phrase(size: int) -> str:
    return f"audience{size}"
