"""A process that reads a queue in bulk until it is killed: `python -m tests.support.killed_reader REDIS_URL`."""

import sys
import threading

import redis
from kombu import Message
from kombu.asynchronous import Hub, set_event_loop

from tests.support.broker import BULK, Reader, connection

MOST = 250
"""How many it reads, however late the kill comes."""


def main(url: str) -> None:
    """Note each message in the set `read`, then acknowledge it."""
    client = redis.Redis.from_url(url)
    hub = Hub()
    set_event_loop(hub)
    link = connection(url, BULK)
    link.register_with_event_loop(hub)
    reader = Reader(link, prefetch=50)

    left = iter(range(MOST))

    def note(message: Message) -> None:
        if next(left, None) is None:
            threading.Event().wait()
        client.sadd("read", message.decode())
        message.ack()

    reader.consumer.on_message = note
    hub.run_forever()


if __name__ == "__main__":
    main(sys.argv[1])
