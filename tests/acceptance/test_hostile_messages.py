"""Whoever can write to Redis can send anything: a worker refuses it, runs none of it, and goes on."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from kombu import Connection, Producer

from tests.acceptance.installation import Installation

QUEUE = "fanout_tasks"
NO_MESSAGES = (b"no message at all", b"{}", b"[" * 100_000, b"\xff\xfe")
NOT_AN_ID: tuple[Any, ...] = ("1; DROP TABLE posts", [1], {"id": 1}, 0, -1, 2**63, 1.5, True, None)


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.file,)


@pytest.fixture
def producer(sqlite_installation: Installation) -> Iterator[Producer]:
    with Connection(sqlite_installation.redis.url) as connection:
        yield Producer(connection.default_channel, routing_key=QUEUE)


def task_message(name: Any, *arguments: Any) -> dict[str, Any]:
    return {
        "body": [list(arguments), {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}],
        "headers": {"lang": "py", "task": name, "id": f"hostile-{name}", "root_id": "hostile"},
    }


def test_hostile_messages_are_refused_and_the_worker_goes_on(
    sqlite_installation: Installation, producer: Producer, tmp_path: Path
) -> None:
    installation, bomb = sqlite_installation, tmp_path / "bomb"
    installation.start("dispatcher")

    # Given messages of tasks that do not exist, in other forms than JSON, and with what is no id
    for name in ("os.system", "builtins.eval", "scripts.commands.db.upgrade", ""):
        producer.publish(**task_message(name, f"touch {bomb}"), serializer="json")
    producer.publish(
        pickle.dumps(Bomb(bomb)),
        content_type="application/x-python-serialize",
        content_encoding="binary",
        headers=task_message("sweep")["headers"],
    )
    producer.publish(
        "{", content_type="application/json", content_encoding="utf-8", headers={"task": "sweep", "id": "x"}
    )
    for value in NOT_AN_ID:
        producer.publish(**task_message("fan_out_post", value), serializer="json")
    producer.publish(**task_message("fan_out_post"), serializer="json")
    producer.publish(**task_message("fan_out_post", 1, 2, 3), serializer="json")

    with redis.Redis.from_url(installation.redis.url) as client:
        # And with what is no message, or of which Celery cannot read the headers
        producer.publish(**task_message({"a": "dict"}), serializer="json")
        client.lpush(QUEUE, *NO_MESSAGES)

        # When a task of ours comes after them, then the same worker does it
        producer.publish(**task_message("debug_task", "after"), serializer="json")
        installation.wait_until(lambda: client.exists("crawlpush:debug:after"), "the task behind the hostile ones")

        # And nothing was run, and nothing comes again
        assert not bomb.exists()
        assert installation.ended() == []
        assert installation.logged("dispatcher", "is dropped") >= 1
        assert client.llen(f"{QUEUE}:unreadable") == 1 + len(NO_MESSAGES)
        installation.wait_until(
            lambda: not client.exists(QUEUE, "unacked:dispatcher", "unacked_index:dispatcher"), "nothing is left"
        )
