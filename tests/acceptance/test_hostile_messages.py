"""Whoever can write to Redis can send anything: a worker refuses it, runs none of it, and goes on."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Producer

from tests.acceptance.installation import Installation

QUEUE = "fanout_tasks"
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


def task_message(name: str, *arguments: Any) -> dict[str, Any]:
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
    for name in ("os.system", "builtins.eval", "scripts.db.upgrade", ""):
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

    # When a task of ours comes after them, then the same worker does it
    producer.publish(**task_message("debug_task", "after"), serializer="json")
    installation.wait_until(lambda: _answered(installation), "the task behind the hostile ones")

    # And nothing was run
    assert not bomb.exists()
    assert installation.logged("dispatcher", "is dropped") >= 1


def _answered(installation: Installation) -> bool:
    import redis

    with redis.Redis.from_url(installation.redis.url) as client:
        return bool(client.exists("crawlpush:debug:after"))
