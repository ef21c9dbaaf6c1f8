"""Messages that come back, and two transports side by side on one queue."""

import time
from typing import Any

import pytest
import redis

from tests.support.broker import BULK, QUEUE, STOCK, STURDY, Reader, connection, put, records, unacked, waiting
from tests.support.waiting import wait_until

OTHER = {STOCK: BULK, STURDY: BULK, BULK: STOCK}


def age(client: "redis.Redis", seconds: float) -> None:
    """Make what is unacknowledged as old as if it had been taken so long ago."""
    for tag in client.zrange("unacked_index", 0, -1):  # type: ignore[union-attr]
        client.zincrby("unacked_index", -seconds, tag)


def test_a_clean_close_gives_back_what_is_not_acknowledged(connect, client):
    put(connect(), 1, 2, 3)
    reader = Reader(connect())
    reader.read(3)[1].ack()
    reader.connection.release()
    assert (sorted(waiting(client)), unacked(client)) == ([1, 3], [])
    again = Reader(connect())
    assert {message.delivery_info["redelivered"] for message in again.read(2)} == {True}


def test_closing_gives_back_what_comes_meanwhile(transport, connect, client):
    reader = Reader(connect())
    reader.look(0.1)
    put(connect(), *range(10))
    reader.connection.release()

    # BRPOP has taken one by then.
    assert reader.bodies == ([] if transport == BULK else [0])
    assert (waiting(client), unacked(client)) == (list(range(10)), [])


def test_what_somebody_held_for_too_long_comes_back(redis_url, transport, client):
    """Whoever held it, with either transport."""
    for holder in (STOCK, BULK):
        options: dict[str, Any] = {"visibility_timeout": 60, "unacked_restore_throttle": 1}
        with connection(redis_url, holder, **options) as held, connection(redis_url, transport, **options) as free:
            put(held, *range(12))
            dead = Reader(held)
            dead.read(12)
            dead.consumer.channel.qos._on_collect.cancel()
            reader = Reader(free)
            reader.look()
            assert reader.bodies == []

            age(client, 61)
            for message in reader.read(12):
                message.ack()
            assert sorted(reader.bodies) == list(range(12))
            wait_until(lambda reader=reader: (reader.look(0.1), not unacked(client))[1], "all are acknowledged")  # type: ignore[misc]


@pytest.mark.parametrize("priority", [0, 6])
def test_messages_of_the_other_transports_producer_are_read(connect, redis_url, transport, priority):
    with connection(redis_url, OTHER[transport]) as other:
        put(other, {"text": "게시판 특강"}, [1, None, 2.5], "/", priority=priority)
        reader = Reader(connect())
        reader.read(3)
    assert reader.bodies == [{"text": "게시판 특강"}, [1, None, 2.5], "/"]


def test_two_readers_of_both_kinds_share_a_queue(connect, redis_url, transport):
    put(connect(), *range(40))
    with connection(redis_url, OTHER[transport]) as link:
        ours, theirs = Reader(connect(), prefetch=1), Reader(link, prefetch=1)
        for count in range(1, 21):
            ours.read(count)[-1].ack()
            theirs.read(count)[-1].ack()
    assert sorted(ours.bodies + theirs.bodies) == list(range(40))


def test_all_note_an_unacknowledged_message_in_the_same_words(redis_url, client):
    noted = []
    with connection(redis_url, STOCK) as producer:
        put(producer, {"텍스트": '"/\\\n', "number": 1.5}, priority=3)
        put(producer, [1])
    as_sent = [client.lrange(key, 0, -1) for key in (QUEUE, f"{QUEUE}\x06\x163")]
    for transport in (STOCK, STURDY, BULK):
        client.delete(QUEUE, f"{QUEUE}\x06\x163")
        for key, raws in zip((QUEUE, f"{QUEUE}\x06\x163"), as_sent, strict=True):
            client.rpush(key, *raws)  # type: ignore[misc]
        with connection(redis_url, transport) as link:
            Reader(link).read(2)
            noted.append(records(client))
            ages = [time.time() - score for _, score in client.zrange("unacked_index", 0, -1, withscores=True)]  # type: ignore[union-attr]
            assert all(0 <= age < 60 for age in ages)

    assert len(noted[0]) == 2
    assert noted[0] == noted[1] == noted[2]


RECORDS = (
    b'[{"extra": 0x10}, "", "letters"]',
    b"7",
    b"[1, 2]",
    b"{",
    b"[" * 100_000,
    # Two that kombu's JSON means to make an object of.
    b'[{"__type__": "uuid", "__value__": {"hex": 5}}, "", "letters"]',
    b'[{"__type__": "decimal", "__value__": "many"}, "", "letters"]',
    b'[{"properties": {}}, "", "\\ud800"]',
)


@pytest.mark.parametrize("transport", [STURDY, BULK])
def test_a_record_that_cannot_be_read_keeps_no_other_from_coming_back(redis_url, client, transport):
    """As when a process was killed between taking a message and finding that it is none."""
    with connection(redis_url, transport, unacked_restore_throttle=1) as link:
        put(link, 1)
        dead = Reader(link)
        dead.read(1)
        for place, record in enumerate(RECORDS):
            client.hset("unacked", f"tag-{place}", record)  # type: ignore[arg-type]
            client.zadd("unacked_index", {f"tag-{place}": time.time()})
        age(client, 4000)
        with connection(redis_url, transport, unacked_restore_throttle=1) as other:
            reader = Reader(other)
            reader.read(1)[0].ack()
            reader.look(0.3)

    assert client.hlen("unacked") == client.zcard("unacked_index") == 0
    assert sorted(client.lrange("unacked:unreadable", 0, -1)) == sorted(RECORDS)  # type: ignore[arg-type]
