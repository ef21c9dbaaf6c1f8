"""Which message comes next, from which queue, and when none does: the same on all transports."""

import redis

from tests.integration.pipeline.broker.conftest import Connect
from tests.support.broker import QUEUE, Reader, put, unacked, waiting


def read_one_by_one(reader: Reader, count: int) -> list[object]:
    for number in range(1, count + 1):
        reader.read(number)[-1].ack()
    return reader.bodies


def test_messages_come_in_the_order_in_which_they_were_sent(connect: Connect) -> None:
    put(connect(), *range(30))
    reader = Reader(connect(), prefetch=7)
    for number in range(30):
        reader.read(number + 1)[number].ack()
    assert reader.bodies == list(range(30))


def test_urgent_messages_overtake(connect: Connect, client: "redis.Redis") -> None:
    link = connect()
    for priority in (9, 6, 3, 0, 7, 4):
        put(link, priority, priority=priority)
    reader = Reader(connect(), prefetch=1)
    assert read_one_by_one(reader, 6) == [0, 3, 4, 6, 7, 9]


def test_a_message_of_any_priority_wakes_a_reader_that_waits(connect: Connect) -> None:
    link = connect()
    reader = Reader(connect(), prefetch=2)
    for count, priority in enumerate((9, 0, 6, 3), start=1):
        reader.look(0.3)
        put(link, priority, priority=priority)
        reader.read(count)[-1].ack()
    assert reader.bodies == [9, 0, 6, 3]


def test_a_message_given_back_keeps_its_priority(connect: Connect, client: "redis.Redis") -> None:
    link = connect()
    put(link, "late", priority=9)
    put(link, "soon", priority=3)
    reader = Reader(connect())
    reader.read(2)
    reader.connection.release()
    assert waiting(client, f"{QUEUE}\x06\x163") == ["soon"]
    assert waiting(client, f"{QUEUE}\x06\x169") == ["late"]


def test_queues_take_turns(connect: Connect) -> None:
    link = connect()
    put(link, *["a"] * 10, queue="first")
    put(link, *["b"] * 10, queue="second")
    reader = Reader(connect(), "first", "second", prefetch=1)
    assert sorted(str(body) for body in read_one_by_one(reader, 10)) == ["a"] * 5 + ["b"] * 5


def test_the_first_queue_goes_before_the_second_where_that_is_the_order(connect: Connect) -> None:
    link = connect()
    put(link, *"xyz", queue="second")
    put(link, *"abc", queue="first")
    reader = Reader(connect(queue_order_strategy="priority"), "first", "second", prefetch=1)
    assert read_one_by_one(reader, 6) == [*"abcxyz"]


def test_the_second_queue_wakes_a_reader_that_waits_at_the_first(connect: Connect) -> None:
    reader = Reader(connect(queue_order_strategy="priority"), "first", "second")
    reader.look(0.3)
    put(connect(), 1, queue="second")
    reader.read(1)
    assert reader.bodies == [1]


def test_every_key_has_the_global_prefix(connect: Connect, client: "redis.Redis") -> None:
    link = connect(global_keyprefix="ours:")
    put(link, 1, 2)
    put(link, 3, priority=9)
    # What stands under the plain name is somebody else's.
    put(connect(), 0)
    reader = Reader(connect(global_keyprefix="ours:"))
    reader.read(3)
    assert reader.bodies == unacked(client, "ours:") == [1, 2, 3]
    assert {key.decode().partition(":")[0] for key in client.keys("*unacked*")} == {"ours"}

    reader.messages[0].ack()
    reader.connection.release()
    assert (waiting(client, f"ours:{QUEUE}"), unacked(client, "ours:")) == ([2], [])
    assert waiting(client, f"ours:{QUEUE}\x06\x169") == [3]
    assert waiting(client) == [0]


def test_a_cancelled_reader_takes_nothing_until_it_reads_again(connect: Connect, client: "redis.Redis") -> None:
    link = connect()
    reader = Reader(connect(), QUEUE)
    put(link, 1)
    reader.read(1)[0].ack()
    reader.consumer.cancel()
    put(link, 2, 3)
    reader.look(0.1)
    assert (waiting(client), unacked(client)) == ([2, 3], [])
    reader.consumer.consume()
    reader.read(3)
    assert reader.bodies == [1, 2, 3]


def test_cancelling_one_queue_leaves_the_other(connect: Connect, client: "redis.Redis") -> None:
    link = connect()
    reader = Reader(connect(), "first", "second")
    reader.look(0.3)
    reader.consumer.cancel_by_queue("first")
    put(link, 1, queue="first")
    put(link, 2, queue="second")
    reader.read(1)
    reader.look()
    assert reader.bodies == [2]
    assert waiting(client, "first") == [1]
