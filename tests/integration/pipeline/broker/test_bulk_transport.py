"""What the bulk transport promises beyond kombu's own: few round trips, and nothing lost by a kill at any moment."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
import redis
from kombu.asynchronous import Hub

from pipeline.broker import bulk_transport
from pipeline.broker.bulk_acks import ACK_MAX
from tests.support.broker import BULK, QUEUE, Reader, calls, connection, put, unacked, waiting
from tests.support.waiting import SECONDS, wait_until

MESSAGES = 3000
KILLS = 8


def run_until_read(hub: Hub, reader: Reader, count: int) -> None:
    turns = iter(hub.create_loop())

    def read() -> bool:
        next(turns)
        return len(reader.messages) >= count

    wait_until(read, f"{count} messages")


def test_messages_are_taken_and_acknowledged_many_at_once(redis_url, client, hub):
    with connection(redis_url, BULK) as link:
        put(link, *range(600))
        link.register_with_event_loop(hub)
        reader = Reader(link, prefetch=300)
        client.config_resetstat()
        turns = iter(hub.create_loop())

        def all_acknowledged() -> bool:
            next(turns)
            while reader.messages:
                reader.messages.pop().ack()
            return not client.exists(QUEUE, "unacked", "unacked_index")

        wait_until(all_acknowledged, "600 acknowledgements")
        counted = calls(client)

    assert 600 / ACK_MAX <= counted["zrem"] < 60
    assert counted["hdel"] == counted["zrem"]
    assert counted["evalsha"] < 60
    assert counted["blmove"] < 60
    assert "brpop" not in counted


def test_a_queue_with_a_window_leaves_room_for_the_others(redis_url, client):
    options = {"queue_order_strategy": "priority", "windows": {"slow": 2}}
    with connection(redis_url, BULK, **options) as link:
        put(link, *["crawl"] * 6, queue="slow")
        put(link, *["push"] * 6, queue="quick")
        reader = Reader(link, "slow", "quick", prefetch=10)
        reader.read(8)
        assert reader.bodies == ["crawl"] * 2 + ["push"] * 6
        # With its window full, it is not even waited at, and what comes to the other is heard
        put(link, "push", queue="quick")
        assert reader.read(9)[-1].decode() == "push"
        # One that is done lets the next one in
        reader.messages[0].ack()
        assert reader.read(10)[-1].decode() == "crawl"
        reader.look(0.6)
        assert len(reader.messages) == 10
    assert waiting(client, "slow")[:3] == ["crawl"] * 3


def test_a_few_messages_are_not_taken_behind_many_of_a_lower_priority_nor_keep_them_from_being_taken(
    redis_url, monkeypatch
):
    with connection(redis_url, BULK, queue_order_strategy="priority", in_turn={QUEUE: 3}) as link:
        put(link, *["many"] * 60, priority=3)
        put(link, *["few"] * 10)
        reader = Reader(link, prefetch=20)
        assert sorted(message.decode() for message in reader.read(20)) == ["few"] * 10 + ["many"] * 10

        # Nor is each of the many found as late as a list at which is not waited is looked at
        monkeypatch.setattr(bulk_transport, "LOOK_S", 10 * SECONDS)
        for place in range(50):
            reader.messages[place].ack()
            reader.read(21 + place)


def test_a_lone_acknowledgement_does_not_wait_for_others(redis_url, client, hub):
    with connection(redis_url, BULK) as link:
        put(link, 1)
        link.register_with_event_loop(hub)
        reader = Reader(link)
        run_until_read(hub, reader, 1)
        reader.messages[0].ack()
        turns = iter(hub.create_loop())
        began = time.monotonic()
        while unacked(client):
            next(turns)
        assert time.monotonic() - began < 8


def test_acknowledgements_survive_a_redis_that_is_away_for_a_moment(redis_url, client, hub, monkeypatch):
    """Also those of a channel that broke meanwhile, whose consumer reads on another one."""
    with connection(redis_url, BULK) as link:
        put(link, 1, 2)
        link.register_with_event_loop(hub)
        reader = Reader(link)
        run_until_read(hub, reader, 2)
        channel = reader.consumer.channel
        with monkeypatch.context() as away:

            def refuse(*_: object) -> None:
                raise redis.ConnectionError("away")

            for way in ("conn_or_acquire", "run"):
                away.setattr(channel, way, refuse)
            reader.messages[0].ack()
            channel.flush()
            channel.close()
        assert unacked(client) == [1, 2]

        turns = iter(hub.create_loop())
        reader.messages[1].ack()
        wait_until(lambda: (next(turns), not unacked(client))[1], "the acknowledgements")


def test_a_callback_that_breaks_the_connection_loses_none_of_those_taken_with_it(redis_url, client):
    with connection(redis_url, BULK) as link:
        put(link, *range(10))
        reader = Reader(link)

        def fail(_: object) -> None:
            raise ConnectionError("a broken consumer")

        reader.consumer.on_message = fail
        with pytest.raises(ConnectionError, match="a broken consumer"):
            link.drain_events(timeout=60)
        assert unacked(client) == list(range(10))
    assert (sorted(waiting(client)), unacked(client)) == (list(range(10)), [])


def test_an_idle_reader_costs_a_few_commands_a_second(redis_url, client):
    with connection(redis_url, BULK) as link:
        reader = Reader(link)
        reader.look(0.3)
        client.config_resetstat()
        reader.look(2.0)
        counted = calls(client)
    assert sum(counted[name] for name in ("blmove", "evalsha")) <= 24
    assert counted["blmove"] >= 1


def test_a_reader_that_is_killed_loses_no_message(redis_url, client):
    """Each message is acknowledged, in the queue, or among the unacknowledged, whenever the kill comes.

    kombu's own reader takes with BRPOP: what was on its way to a process that died is nowhere.
    """
    with connection(redis_url, BULK) as link:
        put(link, *range(MESSAGES))
    chance = random.Random(7)
    for _ in range(KILLS):
        before = client.scard("read")
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.killed_reader", redis_url], env={**os.environ, "ENV_FILE": ""}
        )
        try:
            wait_until(lambda before=before: client.scard("read") > before, "the reader reads")  # type: ignore[misc,operator]
            time.sleep(chance.random() * 0.05)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        read = {int(each) for each in client.smembers("read")}  # type: ignore[union-attr]
        noted = unacked(client)
        left = waiting(client)
        assert sorted(read | set(noted) | set(left)) == list(range(MESSAGES))
        assert not set(noted) & set(left)
        assert len(left) == len(set(left))
    assert waiting(client), "the kills came while there was something to read"
