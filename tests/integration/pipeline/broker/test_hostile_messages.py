"""A real worker and messages that mean it harm: it goes on, and does what it was asked by the others."""

import base64
import json
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from pipeline.celery import CRAWL_QUEUE, FANOUT_QUEUE, NOTIFY_QUEUE
from tests.support.broker import BULK, STOCK, STURDY, calls
from tests.support.waiting import wait_until
from tests.support.worker import Worker

TRANSPORTS = {CRAWL_QUEUE: STURDY, FANOUT_QUEUE: STURDY, NOTIFY_QUEUE: BULK}
BODY = [["the-answer"], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.file,)


@contextmanager
def worker_of(queue: str, folder: Path, redis_url: str, database_url: str, **environment: str) -> Iterator[Worker]:
    """The Procfile's worker of a queue."""
    environment = {"REDIS_URL": redis_url, "DATABASE_URL": database_url, **environment}
    with Worker(folder, redis_url, TRANSPORTS[queue], "-Q", queue, app="pipeline", **environment) as worker:
        yield worker


def commands_to_wait(client: "redis.Redis") -> set[str]:
    """The commands with which somebody waited for messages since the last CONFIG RESETSTAT."""
    return {"blmove", "brpop"} & calls(client).keys()


def message(number: int, headers: dict[str, Any], body: object = BODY, **changes: Any) -> bytes:
    """A message with these headers, each with a tag of its own."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    properties = {
        "delivery_info": {"exchange": "", "routing_key": "of no matter"},
        "delivery_tag": f"tag-{number}",
        "body_encoding": "base64",
        "priority": 0,
    }
    return json.dumps(
        {
            "body": base64.b64encode(content).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": headers,
            "properties": properties,
            **changes,
        }
    ).encode()


GOOD = {"task": "debug_task", "id": "an-id", "lang": "py", "argsrepr": "()", "kwargsrepr": "{}"}
HOSTILE_HEADERS: list[dict[str, Any]] = [
    {**GOOD, "task": {"a": "dict"}},
    {**GOOD, "task": ["a", "list"]},
    {**GOOD, "task": None},
    *({**GOOD, "task": name} for name in ("os.system", "builtins.eval", "scripts.commands.db.upgrade", "")),
    {key: value for key, value in GOOD.items() if key != "id"},
    {**GOOD, "id": {"a": "dict"}},
    {**GOOD, "id": None},
    {**GOOD, "eta": {"a": "dict"}},
    {**GOOD, "eta": "yesterday"},
    {**GOOD, "expires": ["a", "list"]},
    {**GOOD, "expires": "tomorrow"},
    {**GOOD, "timelimit": "forever"},
    {**GOOD, "retries": "often"},
    {**GOOD, "group": {"a": "dict"}},
    {**GOOD, "root_id": [1]},
    {**GOOD, "compression": "zlib"},
    {**GOOD, "compression": "no such thing"},
    {},
]
HOSTILE_BYTES = [
    b"no message",
    b"\xff\xfe",
    b"{}",
    message(100, GOOD, body=BODY).replace(b"an-id", b"\xff"),
    message(101, GOOD, **{"content-type": {"a": "dict"}}),
    message(102, GOOD, **{"content-type": "application/x-python-serialize"}),
    message(103, GOOD, **{"content-encoding": "no such thing"}),
    message(104, GOOD, body="A"),
    message(105, GOOD, body={"not": "a list"}),
    message(106, GOOD, body=[[], {}]),
    message(107, GOOD).replace(b'"body": "', b'"body": "A'),
]
NOT_AN_ID: tuple[Any, ...] = ("1; DROP TABLE posts", [1], {"id": 1}, 0, -1, 2**63, 1.5, True, None)


@pytest.mark.parametrize(
    ("queue", "name", "waits_with"),
    [(CRAWL_QUEUE, "crawler", "brpop"), (FANOUT_QUEUE, "dispatcher", "brpop"), (NOTIFY_QUEUE, "notifier", "blmove")],
)
def test_a_worker_goes_on_after_messages_that_mean_it_harm(redis_url, sqlite_url, tmp_path, queue, name, waits_with):
    with redis.Redis.from_url(redis_url) as client, worker_of(queue, tmp_path, redis_url, sqlite_url) as worker:
        client.config_resetstat()
        hostile = [message(number, headers) for number, headers in enumerate(HOSTILE_HEADERS)] + HOSTILE_BYTES
        bomb = tmp_path / "bomb"
        pickled = pickle.dumps(Bomb(bomb))
        hostile.append(message(200, GOOD, pickled, **{"content-type": "application/x-python-serialize"}))
        given = [*([value] for value in NOT_AN_ID), [], [1, 2, 3]]
        fan_out = {**GOOD, "task": "fan_out_post"}
        hostile += [message(300 + n, fan_out, [arguments, {}, BODY[2]]) for n, arguments in enumerate(given)]
        for number, raw in enumerate(hostile):
            client.lpush(queue, raw)
            worker.app.send_task("debug_task", (f"good-{number}",), queue=queue)
        for number in range(len(hostile)):
            wait_until(lambda key=f"crawlpush:debug:good-{number}": client.exists(key), f"good message {number} ran")  # type: ignore[misc]

        # Whatever became of them, none comes again, and none takes a place.
        wait_until(
            lambda: not client.exists(queue, f"unacked:{name}", f"unacked_index:{name}"), f"{name}: none is left"
        )
        aside: Any = client.lrange(f"{queue}:unreadable", 0, -1)
        assert {*HOSTILE_BYTES[:4], message(0, HOSTILE_HEADERS[0])} <= set(aside) <= set(hostile)
        assert worker.control("active") == worker.control("reserved") == []
        assert worker.said().count("set aside") >= 4
        assert "is dropped" in worker.said()
        assert not bomb.exists()
        assert "Connection to broker lost" not in worker.said()
        assert commands_to_wait(client) == {waits_with}
        assert worker.terminate() == 0


@pytest.mark.full
def test_the_setting_has_a_notifier_read_with_kombus_own(redis_url, sqlite_url, tmp_path):
    setting = {"NOTIFY_TRANSPORT": STOCK}
    with (
        redis.Redis.from_url(redis_url) as client,
        worker_of(NOTIFY_QUEUE, tmp_path, redis_url, sqlite_url, **setting) as worker,
    ):
        client.config_resetstat()
        worker.app.send_task("debug_task", ("here",), queue=NOTIFY_QUEUE)
        wait_until(lambda: client.exists("crawlpush:debug:here"), "the task ran")
        assert commands_to_wait(client) == {"brpop"}
        assert worker.terminate() == 0
