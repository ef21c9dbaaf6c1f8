"""Messages on a real broker, beside those that Celery sends itself."""

import base64
import json
import re
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from celery import Celery
from kombu import Connection
from kombu.transport.redis import Channel as RedisChannel

from pipeline.broker import publish
from pipeline.broker.publish import BrokerError, PublishError, oldest_ids, publish_many, queue_length
from pipeline.celery import FANOUT_QUEUE, LATER_PRIORITY, NOTIFY_QUEUE, create_app
from pipeline.settings import load
from scripts.local.embedded_redis import free_port
from scripts.local.proxy import Proxy
from tests.support.broker import calls

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def app_of(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> Celery:
    monkeypatch.setenv("BROKER_URL", broker_url)
    app = create_app(load())

    def stand_in(*_ids: int) -> None: ...

    for name in ("notify_user", "fan_out_post"):
        # Celery gives every app the real ones as soon as some test has imported them.
        if name not in app.tasks:
            app.task(name=name, shared=False)(stand_in)
    return app


@pytest.fixture
def app(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    made = app_of(redis_url, monkeypatch)
    yield made
    made.close()


def take_all(app: Celery) -> int:
    """Empty the notify queue; returns how many stood in it."""
    with app.connection_or_acquire() as connection:
        channel: Any = connection.default_channel
        return int(channel.queue_purge(NOTIFY_QUEUE) or 0)


def messages(client: "redis.Redis", key: str = NOTIFY_QUEUE) -> list[dict[str, Any]]:
    """The raw messages of a queue, the oldest first."""
    return [json.loads(raw) for raw in reversed(client.lrange(key, 0, -1))]  # type: ignore[arg-type]


def same_but_for_ids(message: dict[str, Any]) -> dict[str, Any]:
    """A message with its own ids replaced by words, after a look at their form and at what must be equal."""
    task_id, tag = message["headers"]["id"], message["properties"]["delivery_tag"]
    assert UUID.fullmatch(task_id)
    assert task_id != tag
    text = json.dumps({**message, "body": json.loads(b64decode(message["body"]))})
    return json.loads(text.replace(task_id, "TASK ID").replace(tag, "DELIVERY TAG"))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("task", "ids", "key"), [("notify_user", (7, 12), NOTIFY_QUEUE), ("fan_out_post", (7,), f"{FANOUT_QUEUE}\x06\x166")]
)
def test_a_message_is_the_one_that_apply_async_sends_field_by_field(app, client, task, ids, key):
    app.tasks[task].apply_async(ids)
    publish_many(app, task, [ids])
    theirs, ours = map(same_but_for_ids, messages(client, key))
    assert ours == theirs
    assert ours["headers"]["argsrepr"] == repr(ids)
    assert ours["headers"]["root_id"] == ours["properties"]["correlation_id"] == "TASK ID"


def test_every_message_has_its_own_ids_and_arguments(app, client):
    keys = [(1, user) for user in range(2500)]
    assert publish_many(app, "notify_user", iter(keys)) == 2500
    sent = messages(client)
    assert [tuple(json.loads(b64decode(message["body"]))[0]) for message in sent] == keys
    assert len({message["headers"]["id"] for message in sent}) == 2500
    assert len({message["properties"]["delivery_tag"] for message in sent}) == 2500


def test_a_prefix_of_all_keys_holds(redis_url, client, monkeypatch):
    app = app_of(redis_url, monkeypatch)
    app.conf.broker_transport_options = {**app.conf.broker_transport_options, "global_keyprefix": "tenant:"}
    publish_many(app, "notify_user", [(1, 2), (1, 3)])
    assert client.llen(f"tenant:{NOTIFY_QUEUE}") == 2
    assert client.llen(NOTIFY_QUEUE) == 0
    assert queue_length(app, NOTIFY_QUEUE) == 2
    assert oldest_ids(app, "notify_user") == [(1, 2)]
    app.close()


def test_a_batch_that_failed_is_published_again(app, client, monkeypatch):
    push, failures = redis.Redis.lpush, iter([True, False])

    def lost_answer(*arguments: Any) -> Any:
        # The messages arrive; the answer that says so does not.
        answer = push(*arguments)
        if next(failures, False):
            raise redis.TimeoutError("Timeout reading from socket")
        return answer

    monkeypatch.setattr(redis.Redis, "lpush", lost_answer)
    assert publish_many(app, "notify_user", [(1, 2)]) == 1
    assert [m["headers"]["argsrepr"] for m in messages(client)] == ["(1, 2)"] * 2


def test_a_broker_that_is_away_is_an_error_of_ours(monkeypatch):
    app = app_of(f"redis://127.0.0.1:{free_port()}/0", monkeypatch)
    with pytest.raises(PublishError, match="did not take 1 notify_user messages"):
        publish_many(app, "notify_user", [(1, 2)])
    with pytest.raises(BrokerError, match="length of notify_tasks"):
        queue_length(app, NOTIFY_QUEUE)
    with pytest.raises(BrokerError, match="oldest notify_user"):
        oldest_ids(app, "notify_user")
    app.close()


@pytest.mark.full
def test_rabbitmq_has_counted_what_was_published_whoever_asks_it(rabbitmq_url, monkeypatch):
    app, batch = app_of(rabbitmq_url, monkeypatch), [(1, user) for user in range(400)]
    publish_many(app, "notify_user", batch)
    take_all(app)
    # Several that publish at once keep the queue's process behind with its messages.
    with ThreadPoolExecutor(3) as pool:
        for _ in range(20):
            list(pool.map(lambda _: publish_many(app, "notify_user", batch), range(3)))
            assert queue_length(app, NOTIFY_QUEUE) == 3 * len(batch) == take_all(app)
    app.close()


@pytest.mark.full
def test_a_batch_goes_out_anew_when_rabbitmq_is_silent(rabbitmq_url, monkeypatch):
    monkeypatch.setattr(publish, "CONFIRM_S", 0.5)
    port = urlsplit(rabbitmq_url).port or 0
    with Proxy(port) as proxy:
        app = app_of(rabbitmq_url.replace(f":{port}", f":{proxy.port}"), monkeypatch)
        publish_many(app, "notify_user", [(1, 2)])
        take_all(app)
        proxy.swallow()
        assert publish_many(app, "notify_user", [(1, 3), (1, 4)]) == 2
        with Connection(rabbitmq_url) as direct:
            assert direct.default_channel.queue_purge(NOTIFY_QUEUE) == 2
        app.close()


def test_the_length_of_a_queue_counts_all_priorities(app):
    assert queue_length(app, FANOUT_QUEUE) == 0
    publish_many(app, "fan_out_post", [(1,), (2,)])
    app.send_task("sweep")
    assert queue_length(app, FANOUT_QUEUE) == 3


def test_the_oldest_messages_of_a_task_are_seen_without_taking_them(app):
    publish_many(app, "fan_out_post", [(1,), (2,), (3,)])
    app.send_task("sweep", priority=6)
    assert oldest_ids(app, "fan_out_post", limit=2) == [(1,), (2,)]
    assert oldest_ids(app, "fan_out_post", limit=9) == [(1,), (2,), (3,)]
    assert oldest_ids(app, "notify_user") == []
    assert queue_length(app, FANOUT_QUEUE) == 4


def test_what_is_sent_later_stands_in_the_same_queue_and_is_seen_there(app, client):
    publish_many(app, "notify_user", [(1, 2), (1, 3)], priority=LATER_PRIORITY)
    publish_many(app, "notify_user", [(4, 5)])
    assert [message["headers"]["argsrepr"] for message in messages(client)] == ["(4, 5)"]
    assert queue_length(app, NOTIFY_QUEUE) == 3
    # What is thought to be lost is what was sent before all of these.
    assert oldest_ids(app, "notify_user") == [(4, 5), (1, 2)]


def _message(body: object, **headers: object) -> str:
    raw = json.dumps(body).encode()
    properties = {
        "delivery_tag": "t", "delivery_info": {"exchange": "", "routing_key": "q"}, "body_encoding": "base64",
    }  # fmt: skip
    headers = {"task": "notify_user", "id": "x", **headers}
    return json.dumps(
        {
            "body": base64.b64encode(raw).decode(), "headers": headers, "properties": properties,
            "content-type": "application/json", "content-encoding": "utf-8",
        }
    )  # fmt: skip


STRANGE = [
    "", "no json", "[" * 100_000, "{}", "[]", "1", "null", '{"body": 7, "properties": {}}', "\x00\xff",
    _message([["1", "2"], {}, {}]), _message([[], {"post_id": 1, "user_id": 2}, {}]), _message([[1], {}, {}]),
    _message([[1, 2, 3], {}, {}]), _message([[True, 2], {}, {}]), _message([[2**70, 2], {}, {}]), _message("text"),
    _message([[1, 2], {}, {}], task=["a list"]), _message([[0, -1], {}, {}]),
]  # fmt: skip


def test_what_is_no_message_of_ours_hides_no_other_from_those_who_only_look(app, client):
    for strange in STRANGE:
        client.lpush(NOTIFY_QUEUE, strange)
    assert oldest_ids(app, "notify_user", limit=20) == []
    publish_many(app, "notify_user", [(5, 6)])
    assert oldest_ids(app, "notify_user", limit=20) == [(5, 6)]
    # However many stand before it.
    for _ in range(30):
        client.rpush(NOTIFY_QUEUE, "strange")
    assert oldest_ids(app, "notify_user", limit=20) == [(5, 6)]


def test_messages_of_a_batch_reach_a_consumer_as_tasks(app, redis_url):
    publish_many(app, "notify_user", [(5, 6)])
    with Connection(redis_url) as connection:
        message = connection.default_channel.basic_get(NOTIFY_QUEUE)
        assert isinstance(connection.default_channel, RedisChannel)
        assert message.decode() == [[5, 6], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
        message.ack()


def test_a_batch_is_one_command(app, client):
    client.config_resetstat()
    publish_many(app, "notify_user", [(1, user) for user in range(2 * publish.BATCH + 1)])
    assert calls(client)["lpush"] == 3
