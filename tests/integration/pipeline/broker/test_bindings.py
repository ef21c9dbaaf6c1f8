"""Queues that an older version declared, all three on one exchange, and the exchanges of now."""

import pytest
from kombu import Connection, Exchange, Queue

from pipeline.broker.bindings import OLD_EXCHANGE, forget_old_bindings
from pipeline.celery import CRAWL_QUEUE, FANOUT_QUEUE, NOTIFY_QUEUE, create_app
from pipeline.settings import load
from tests.support.waiting import wait_until

QUEUES = (CRAWL_QUEUE, FANOUT_QUEUE, NOTIFY_QUEUE)


@pytest.mark.parametrize("broker", ["redis_url", pytest.param("rabbitmq_url", marks=pytest.mark.full)])
def test_a_message_to_one_exchange_reaches_one_queue_also_where_older_queues_wait(request, monkeypatch, broker):
    url = str(request.getfixturevalue(broker))
    monkeypatch.setenv("BROKER_URL", url)
    with Connection(url) as connection, create_app(load()) as app:
        old = Exchange(OLD_EXCHANGE, type="direct")
        for name in QUEUES:
            arguments = app.amqp.queues[name].queue_arguments
            Queue(name, old, routing_key=OLD_EXCHANGE, queue_arguments=arguments)(connection.default_channel).declare()

        # A worker of now declares its queues, and leaves the old exchange.
        for queue in app.amqp.queues.values():
            queue(connection.default_channel).declare()
        forget_old_bindings(app)
        forget_old_bindings(app)

        def lengths() -> list[int]:
            return [connection.default_channel.queue_declare(name, passive=True).message_count for name in QUEUES]

        with connection.Producer() as producer:
            for exchange, key in (("crawl", "crawl.site"), ("notify", "notify.user"), ("fanout", "fanout.post.slice")):
                producer.publish({}, exchange=exchange, routing_key=key, confirm_timeout=60)
            producer.publish({}, exchange=OLD_EXCHANGE, routing_key=OLD_EXCHANGE)
        wait_until(lambda: lengths() == [1, 1, 1], "a message each")
        app.send_task("crawl_site", (1,))
        app.send_task("debug_task", queue=NOTIFY_QUEUE)
        app.send_task("sweep")
        wait_until(lambda: lengths() == [2, 2, 2], "two messages each")
