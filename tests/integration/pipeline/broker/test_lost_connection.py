"""A connection that broke is given up without an error that would end the worker, and nothing is lost by it."""

import pytest
import redis
from kombu.pidbox import Mailbox

from tests.support.broker import BULK, STURDY, Reader, connection, put, unacked
from tests.support.redis_process import RedisProcess
from tests.support.waiting import wait_until


@pytest.mark.parametrize("transport", [STURDY, BULK])
@pytest.mark.parametrize("beside", ["remote control", "another queue"])
def test_a_broken_connection_can_be_given_up_and_its_messages_acknowledged(hub, tmp_path, transport, beside):
    """As a worker does when Redis is restarted, with tasks that go on meanwhile."""
    with RedisProcess(tmp_path, "--appendonly", "yes", "--appendfsync", "always") as server:
        link = connection(server.url, transport)
        put(link, 1, 2)
        link.register_with_event_loop(hub)
        # A worker too reads on the default channel and has others, whose failure leaves that one half closed.
        reader = Reader(link, channel=link.default_channel)
        waiting_channels = [reader.consumer.channel]
        if beside == "remote control":
            Mailbox("control").Node("here", channel=link.channel()).listen()
        else:
            waiting_channels.append(Reader(link, "other").consumer.channel)
        turns = iter(hub.create_loop())
        wait_until(lambda: (next(turns), len(reader.messages) == 2)[1], "the messages")
        wait_until(lambda: (next(turns), all(each._in_poll for each in waiting_channels))[1], "all wait for more")
        server.kill()
        # What Celery does. kombu's own transport raises AttributeError in the second, and at each acknowledgement.
        link.collect()
        link.release()

        server.start()
        with redis.Redis.from_url(server.url) as client:
            assert unacked(client) == [1, 2]
            for message in reader.messages:
                message.ack()
            if transport == BULK:
                reader.consumer.channel.flush()
            assert unacked(client) == []
