"""Acknowledging, rejecting and reading without either: the same on all transports."""

import pytest
from kombu import Queue

from tests.support.broker import QUEUE, Reader, put, unacked, waiting
from tests.support.waiting import wait_until


def test_a_message_is_unacknowledged_until_it_is_acknowledged(connect, client):
    put(connect(), 1, 2)
    reader = Reader(connect())
    first, second = reader.read(2)
    assert (waiting(client), unacked(client)) == ([], [1, 2])
    first.ack()
    wait_until(lambda: (reader.look(0.1), unacked(client) == [2])[1], "it is acknowledged")
    second.ack()
    reader.connection.release()
    assert (waiting(client), unacked(client)) == ([], [])


def test_an_acknowledgement_is_not_given_back_when_the_connection_closes_at_once(connect, client):
    put(connect(), *range(5))
    reader = Reader(connect())
    for message in reader.read(5):
        message.ack()
    reader.connection.release()
    assert (waiting(client), unacked(client)) == ([], [])


def test_no_more_is_taken_than_the_prefetch_count_allows(connect, client):
    put(connect(), *range(10))
    reader = Reader(connect(), prefetch=3)
    reader.read(3)
    reader.look()
    assert reader.bodies == unacked(client) == [0, 1, 2]
    reader.messages[1].ack()
    reader.read(4)
    reader.look()
    assert reader.bodies == [0, 1, 2, 3]
    assert unacked(client) == [0, 2, 3]


def test_a_raised_prefetch_count_lets_more_come(connect):
    put(connect(), *range(10))
    reader = Reader(connect(), prefetch=2)
    reader.read(2)
    reader.consumer.qos(prefetch_count=5)
    reader.read(5)
    reader.look()
    assert reader.bodies == [0, 1, 2, 3, 4]


def test_a_requeued_message_comes_again_after_the_others(connect, client):
    put(connect(), 1, 2, 3)
    reader = Reader(connect(), prefetch=1)
    reader.read(1)[0].requeue()
    assert (waiting(client), unacked(client)) == ([2, 3, 1], [])
    for count in (2, 3, 4):
        reader.read(count)[-1].ack()
    assert reader.bodies == [1, 2, 3, 1]
    assert [message.delivery_info.get("redelivered") for message in reader.messages] == [None, None, None, True]


def test_a_rejected_message_is_gone(connect, client):
    put(connect(), 1, 2)
    reader = Reader(connect(), prefetch=1)
    reader.read(1)[0].reject()
    reader.read(2)[1].reject()
    reader.connection.release()
    assert reader.bodies == [1, 2]
    assert client.keys("*unacked*") == client.keys(f"{QUEUE}*") == []


def test_recovering_brings_everything_but_what_was_acknowledged(connect, client):
    put(connect(), 1, 2, 3)
    reader = Reader(connect())
    reader.read(3)[0].ack()
    reader.consumer.recover(requeue=True)
    assert (sorted(waiting(client)), unacked(client)) == ([2, 3], [])


@pytest.mark.parametrize("prefetch", [0, 2])
def test_reading_without_acknowledgement_leaves_nothing_behind(connect, client, prefetch):
    put(connect(), *range(20))
    reader = Reader(connect(), no_ack=True, prefetch=prefetch)
    reader.read(20)
    reader.look(0.3)
    assert reader.bodies == list(range(20))
    assert client.keys("*unacked*") == client.keys(f"{QUEUE}*") == []


def test_one_message_is_got_at_a_time(connect, client):
    link = connect()
    put(link, 1, 2)
    queue = Queue(QUEUE, channel=link.default_channel)
    message = queue.get()
    assert (message.decode(), waiting(client), unacked(client)) == (1, [2], [1])
    message.ack()
    second = queue.get()
    second.requeue()
    assert (waiting(client), unacked(client)) == ([2], [])


def test_a_message_got_without_acknowledgement_leaves_nothing_behind(connect, client):
    link = connect()
    put(link, 1)
    queue = Queue(QUEUE, channel=link.default_channel)
    message = queue.get(no_ack=True)
    assert message.decode() == 1
    assert queue.get(no_ack=True) is None
    assert client.keys("*unacked*") == client.keys(f"{QUEUE}*") == []


def test_what_was_got_and_not_acknowledged_is_given_back_at_the_close(connect, client):
    link = connect()
    put(link, 1)
    assert Queue(QUEUE, channel=link.default_channel).get() is not None
    link.release()
    assert (waiting(client), unacked(client)) == ([1], [])


def test_an_acknowledgement_after_the_close_harms_nobody(connect, client):
    put(connect(), 1, 2)
    reader = Reader(connect())
    messages = reader.read(2)
    reader.connection.release()
    assert sorted(waiting(client)) == [1, 2]
    # Given back already: as if it had never been taken.
    messages[0].ack()
    assert sorted(waiting(client)) == [1, 2]
