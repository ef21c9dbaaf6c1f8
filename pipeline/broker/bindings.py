"""What older versions left on a broker: all queues bound to one exchange, so that a message to it reached each."""

from typing import Any

from celery import Celery

OLD_EXCHANGE = "fanout_tasks"
"""Its name, and that of its one routing key."""


def forget_old_bindings(app: Celery) -> None:
    """Take the queues off the old exchange. Safe at any time, and when there is none; raises the broker's errors."""
    with app.connection_for_write() as connection:
        channel: Any = connection.default_channel
        if hasattr(channel, "keyprefix_queue"):
            with channel.conn_or_acquire() as client:
                client.delete(channel.keyprefix_queue % OLD_EXCHANGE)
            return
        for queue in app.amqp.queues:
            channel.queue_unbind(queue, exchange=OLD_EXCHANGE, routing_key=OLD_EXCHANGE)
