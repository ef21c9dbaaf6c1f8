"""Celery's consumer, which goes on after any trouble of the broker: it waits, however long, and says so in two lines.

Celery's own gives up after a number of tries, and ends at once where the broker is there but answers with an error: a
Redis that became a replica, is full, cannot save, or still loads its data.
"""

import atexit
import logging
import threading
import time
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from celery.worker.consumer import consumer as celerys
from celery.worker.consumer import mingle
from celery.worker.state import maybe_shutdown
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from pipeline import signs
from pipeline.celery import NOTIFY_QUEUE
from pipeline.outage import LONGEST_WAIT_S, Outage
from pipeline.settings import get_settings

if TYPE_CHECKING:
    # Celery's stubs know nothing of the inside that is leaned on here.
    class _Consumer(Any): ...  # type: ignore[misc]

    class _Blueprint(Any):  # type: ignore[misc]
        default_steps: tuple[str, ...]

else:
    _Consumer = celerys.Consumer
    _Blueprint = _Consumer.Blueprint

CONNECTION_RETRY: str = vars(celerys)["CONNECTION_RETRY"]
HELLO_S = 0.6
"""How long a worker that starts waits for answers of others, however many these are; with Celery it is a second."""
WELL_AFTER_S = 2.0
"""A connection on which nothing went wrong for so long is a good one."""


class Consumer(_Consumer):
    """Reads the queues of one worker."""

    class Blueprint(_Blueprint):
        """Celery's steps, but for the one in which workers listen to each other: it costs a connection, for nothing."""

        default_steps = tuple(step for step in _Blueprint.default_steps if not step.endswith(":Gossip"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # An answer that is an error says no more than a broken connection does: not now.
        errors: tuple[type[BaseException], ...] = (*self.conninfo.connection_errors, *self.conninfo.channel_errors)
        self.connection_errors = (*errors, OperationalError, RedisError)
        self._outage = Outage("broker")
        self._soon_well: Any = None
        settings = get_settings()
        self._signs = signs.Signs(settings.data_dir, self.hostname)
        signs.forget_old(settings.data_dir, now=time.time())
        self._next_sign: Any = None
        atexit.register(self._signs.end)

    def ensure_connected(self, conn: Any) -> Any:
        """Connect, however long it takes. Raises WorkerShutdown when the worker is to stop meanwhile."""
        conn.ensure_connection(
            lambda error, _: self._failed(error),
            max_retries=None,
            interval_start=1,
            interval_step=1,
            interval_max=LONGEST_WAIT_S,
            callback=self._while_away,
        )
        self.first_connection_attempt = False
        return conn

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """See Celery: the way to a connection failed elsewhere than above."""
        self._wait(self._failed(exc))

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """See Celery: the connection broke, or what was asked over it was refused."""
        wait_s = self._failed(exc)
        super().on_connection_error_after_connected(exc)
        self._wait(wait_s)

    def on_ready(self) -> None:
        """See Celery: from here on it waits for messages."""
        super().on_ready()
        self._signs.give()
        if self._next_sign is not None:
            self._next_sign.cancel()
        # By the loop that reads the queues: a timer of its own would say so while that one hangs.
        timer = self.timer if self.hub is None else self.hub
        self._next_sign = timer.call_repeatedly(signs.EVERY_S, self._signs.give)
        if self.hub is None:
            self._outage.over()
        elif self._outage.lasts:
            self._soon_well = self.hub.call_later(WELL_AFTER_S, self._outage.over)

    def _failed(self, error: Exception) -> int:
        if self._soon_well is not None:
            self._soon_well.cancel()
            self._soon_well = None
        return self._outage.failed(error)

    def _wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self._while_away()
            time.sleep(1)

    def _while_away(self) -> None:
        maybe_shutdown()
        self._signs.give("its broker")


def _hello(_step: Any, consumer: Any) -> dict[str, Any]:
    """What the other workers know, as Celery's Mingle asks them when a worker starts, but within HELLO_S."""
    inspect = consumer.app.control.inspect(timeout=HELLO_S, connection=consumer.connection)
    loading = threading.Thread(target=_load_channels, args=(consumer.app,), name="load-channels", daemon=True)
    loading.start()
    replies: dict[str, Any] = inspect.hello(consumer.hostname, list(consumer.controller.state.revoked)) or {}
    loading.join()
    replies.pop(consumer.hostname, None)
    return replies


def _load_channels(app: Any) -> None:
    """Load the vendors' libraries where they are used, while nothing else is done: 15 MB that only notifiers need."""
    if NOTIFY_QUEUE in app.amqp.queues.consume_from:
        import_module("pipeline.push.channels")


vars(mingle)["Mingle"].send_hello = _hello


def _is_news(record: logging.LogRecord) -> bool:
    """False for what Celery says at each try; the lines of Outage are said instead."""
    return CONNECTION_RETRY not in (record.msg, *(record.args or ()))


logging.getLogger(celerys.__name__).addFilter(_is_news)
# What the next major version of Celery will do with tasks under way, said at each loss of a connection.
warnings.filterwarnings("ignore", message=r"\s*In Celery 5\.1 we introduced an optional breaking change")
