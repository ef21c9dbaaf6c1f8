"""Whoever can write to Redis cannot stop a reader of ours, nor hand it the same bytes for ever."""

import json
import sys
from base64 import b64encode
from typing import Any

import pytest
from kombu import Message, Queue

from pipeline.broker.bulk_transport import TAKE_MAX
from pipeline.broker.redis_transport import UNREADABLE_KEPT
from tests.support.broker import BULK, QUEUE, STURDY, Reader, connection, put, records, unacked, waiting

ASIDE = f"{QUEUE}:unreadable"


def good(**changes: Any) -> bytes:
    """A message as kombu writes it, with changed fields."""
    return json.dumps(
        {
            "body": "Nw==",
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {},
            "properties": {
                "delivery_info": {"exchange": "", "routing_key": QUEUE},
                "delivery_tag": "a-tag",
                "body_encoding": "base64",
                "priority": 0,
            },
            **changes,
        }
    ).encode()


HOSTILE = {
    "no JSON": b"no message at all",
    "nothing": b"",
    "zero bytes": b"\0\0\0",
    "no UTF-8": b"\xff\xfe\x80",
    "no UTF-8 in good JSON": good().replace(b"Nw==", b"\xff\xfe"),
    "two messages in one": good() + good(),
    "deep": b"[" * 100_000,
    "a number that Python does not know": good(extra=0).replace(b'"extra": 0', b'"extra": 0x10'),
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "no properties": b"{}",
    "text for properties": good(properties="text"),
    "a list for properties": good(properties=[]),
    "no tag": good(properties={"delivery_info": {"exchange": "", "routing_key": QUEUE}}),
    "a number for a tag": good(properties={"delivery_info": {"exchange": "", "routing_key": QUEUE}, "delivery_tag": 7}),
    "no ASCII for a tag": good().replace(b"a-tag", "꼬리표".encode()),
    "no UTF-8 for a tag": good().replace(b"a-tag", b"\xff"),
    "half a letter for a tag": good().replace(b"a-tag", b"\\ud800"),
    "null for a tag": good().replace(b'"a-tag"', b"null"),
    "a list for a tag": good().replace(b'"a-tag"', b"[1]"),
    "what kombu's JSON cannot make": good(extra={"__type__": "uuid", "__value__": {"hex": 5}}),
    "text for where it came from": good(properties={"delivery_info": "text", "delivery_tag": "tag"}),
    "an object for a routing key": good(
        properties={"delivery_info": {"exchange": "", "routing_key": {}}, "delivery_tag": "tag"}
    ),
    "text for headers": good(headers="text"),
    "null for headers": good(headers=None),
    "base64 of the wrong length": good(body="A"),
    "a list for a body": good(body=[1, 2]),
}


if sys.version_info < (3, 12):
    # Later ones count only their own calls as depth, and read it like any other message.
    HOSTILE["less deep"] = good(extra=0).replace(b'"extra": 0', b'"extra": ' + b"[" * 990 + b"]" * 990)


@pytest.fixture(params=(STURDY, BULK))
def transport(request: pytest.FixtureRequest) -> str:
    """Not kombu's own, which raises."""
    return str(request.param)


@pytest.mark.parametrize("name", HOSTILE)
def test_bytes_that_are_no_message_are_set_aside_and_the_others_come(redis_url, client, transport, name):
    with connection(redis_url, transport) as link:
        put(link, 1)
        client.lpush(QUEUE, HOSTILE[name])
        put(link, 2)
        reader = Reader(link)
        for message in reader.read(2):
            message.ack()
    assert reader.bodies == [1, 2]
    assert client.lrange(ASIDE, 0, -1) == [HOSTILE[name]]
    assert (waiting(client), unacked(client)) == ([], [])


def as_celery_sends_it(number: int) -> bytes:
    """A message that differs from another one in the texts alone in which Celery's messages differ."""
    id_ = f"id-{number}"
    headers = {"id": id_, "task": "notify_user", "root_id": id_, "argsrepr": f"({number},)", "lang": "py"}
    properties: dict[str, Any] = {"correlation_id": id_, "body_encoding": "base64", "delivery_tag": f"a-{number}"}
    properties["delivery_info"] = {"exchange": "", "routing_key": QUEUE}
    return good(body=b64encode(str(number).encode()).decode(), headers=headers, properties=properties)


NEARLY = {
    "cut off": as_celery_sends_it(2)[:-1],
    "longer": as_celery_sends_it(2) + b"}",
    "another word between": as_celery_sends_it(2).replace(b'"lang": "py"', b'"lang": "py'),
    "a text that goes on": as_celery_sends_it(2).replace(b'"id-2", "task"', b'"id-2\\", "task"'),
    "a quotation mark in a text": as_celery_sends_it(2).replace(b'"(2,)"', b'"(",)"'),
    "a line's end in a text": as_celery_sends_it(2).replace(b'"(2,)"', b'"(2\n)"'),
    "no UTF-8 in a text": as_celery_sends_it(2).replace(b'"(2,)"', b'"(\xff)"'),
    "no ASCII for a tag": as_celery_sends_it(2).replace(b"a-2", "꼬리표".encode()),
    "no base64": as_celery_sends_it(2).replace(b64encode(b"2"), b"A"),
    "no tag": as_celery_sends_it(2).replace(b'"delivery_tag"', b'"delivery_tax"'),
}


@pytest.mark.parametrize("name", NEARLY)
def test_what_nearly_has_the_form_of_the_others_is_set_aside_as_well(redis_url, client, name):
    client.lpush(QUEUE, *(as_celery_sends_it(0), as_celery_sends_it(1), NEARLY[name], as_celery_sends_it(3)))
    with connection(redis_url, BULK) as link:
        reader = Reader(link)
        messages = reader.read(3)
        assert [message.delivery_tag for message in messages] == sorted(records(client)) == ["a-0", "a-1", "a-3"]
        for message in messages:
            message.ack()
    assert reader.bodies == [0, 1, 3]
    assert client.lrange(ASIDE, 0, -1) == [NEARLY[name]]
    assert (waiting(client), unacked(client)) == ([], [])


@pytest.mark.parametrize("name", ["no JSON", "no UTF-8 in good JSON", "base64 of the wrong length"])
def test_getting_one_message_passes_over_what_is_none(redis_url, client, name):
    with connection(redis_url, BULK) as link:
        client.lpush(QUEUE, HOSTILE[name])
        put(link, 1)
        message = Queue(QUEUE, channel=link.default_channel).get()
        assert message.decode() == 1
        message.ack()
    assert client.lrange(ASIDE, 0, -1) == [HOSTILE[name]]
    assert unacked(client) == []


def test_of_every_priority_they_go_to_the_queues_own_list(redis_url, client, transport):
    with connection(redis_url, transport, global_keyprefix="ours:") as link:
        client.lpush(f"ours:{QUEUE}", b"urgent")
        client.lpush(f"ours:{QUEUE}\x06\x169", b"late")
        client.lpush(f"ours:{QUEUE}", HOSTILE["a list for a body"])
        put(link, 1, priority=9)
        Reader(link).read(1)[0].ack()
    found: Any = client.lrange(f"ours:{ASIDE}", 0, -1)
    assert sorted(found) == sorted([b"urgent", b"late", HOSTILE["a list for a body"]])
    assert [key for key in client.keys("*unreadable*") if key != f"ours:{ASIDE}".encode()] == []


def test_a_heap_of_them_is_bounded_and_no_script_runs_over_all(redis_url, client, transport):
    client.lpush(QUEUE, *(b"nothing %d" % number for number in range(3 * TAKE_MAX)))
    client.config_resetstat()
    with connection(redis_url, transport) as link:
        put(link, 1)
        Reader(link, prefetch=1).read(1)[0].ack()
    newest: Any = client.lindex(ASIDE, 0)
    assert (client.llen(ASIDE), newest) == (UNREADABLE_KEPT, b"nothing %d" % (3 * TAKE_MAX - 1))
    if transport == BULK:
        stats: Any = client.info("commandstats")
        assert stats["cmdstat_evalsha"]["calls"] >= 4


def test_they_take_no_place_in_the_prefetch_count(redis_url, client, transport):
    with connection(redis_url, transport) as link:
        for number in range(6):
            client.lpush(QUEUE, good(body="A", number=number))
            put(link, number)
        reader = Reader(link, prefetch=2)
        reader.read(2)
        reader.look(0.6)
        assert reader.bodies == unacked(client) == [0, 1]


@pytest.mark.parametrize("error", [TypeError, KeyError, RecursionError])
def test_a_message_that_its_consumer_cannot_bear_does_not_come_again(redis_url, client, transport, error):
    """As Celery cannot bear headers of a wrong type; by then the message is noted as unacknowledged."""
    with connection(redis_url, transport) as link:
        put(link, "bad", "good")
        reader = Reader(link, prefetch=1)
        (bad, _) = reversed(client.lrange(QUEUE, 0, -1))  # type: ignore[arg-type]

        def refuse(message: Message) -> None:
            if message.decode() == "bad":
                raise error
            reader.messages.append(message)

        reader.consumer.on_message = refuse
        reader.read(1)

    assert client.lrange(ASIDE, 0, -1) == [bad]
    assert (reader.bodies, waiting(client), unacked(client)) == (["good"], ["good"], [])
