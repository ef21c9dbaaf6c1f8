"""A small Celery app, for workers on each transport: `celery -A tests.support.transport_app worker`.

TRANSPORT_URL and TRANSPORT (stock, sturdy or bulk) say what it reads, and how; NOTES is the folder where it notes what
it did, which is no Redis, because that may be away meanwhile.
"""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from celery import Celery

from pipeline.locks import SOCKET_OPTIONS
from pipeline.worker.plain import Call
from pipeline.worker.pool import BatchTask, TaskPool
from tests.support.broker import QUEUE, transport_name

URL = os.environ.get("TRANSPORT_URL", "redis://127.0.0.1:1/0")
NOTES = Path(os.environ.get("NOTES", "."))
THREADS = 4

app = Celery("transport_app")
app.conf.update(
    broker_url=URL,
    broker_transport=transport_name(URL, os.environ.get("TRANSPORT", "stock")),
    broker_heartbeat=int(os.environ.get("HEARTBEAT_S", "20")),
    # py-amqp takes none of these.
    broker_transport_options={}
    if URL.startswith("amqp")
    else {
        "visibility_timeout": int(os.environ.get("VISIBILITY_S", "3600")),
        "unacked_restore_throttle": 1,
        "unacked_restore_interval": 1,
        **SOCKET_OPTIONS,
        "health_check_interval": int(os.environ.get("HEALTH_S", "10")),
        "socket_timeout": int(os.environ.get("ANSWER_S", "10")),
    },
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,
    worker_consumer="pipeline.worker.consumer:Consumer",
    task_serializer="json",
    accept_content=["json"],
    task_acks_late=True,
    task_ignore_result=True,
    task_default_queue=QUEUE,
    worker_pool=os.environ.get("POOL", "threads"),
    worker_concurrency=THREADS,
    worker_prefetch_multiplier=10,
)


def _note(kind: str, number: int) -> None:
    # One write to a file opened for appending: lines of several threads do not mix.
    with (NOTES / kind).open("a") as file:
        file.write(f"{number}\n")


@app.task(name="note")
def note(number: int, seconds: float = 0.0, held: bool = False) -> None:
    """Note that this number was begun, and after a time, or once a file `released` is there, that it was done."""
    _note("begun", number)
    time.sleep(seconds)
    while held and not (NOTES / "released").exists():
        time.sleep(0.02)
    _note("done", number)


class Pool(TaskPool):
    """The notifiers' pool, which notes that it is stopped."""

    def on_stop(self) -> None:
        """See Celery."""
        (NOTES / "stopping").touch()
        super().on_stop()


class Together(BatchTask):
    """Does `note` for each of the calls that wait together; a negative number fails them all."""

    abstract = True

    def do(self, calls: Sequence[Call]) -> Mapping[Call, None]:
        """Note them all."""
        numbers = [call[0] for call in calls if type(call[0]) is int]
        for number in numbers:
            _note("begun", number)
        while not (NOTES / "released").exists():
            time.sleep(0.02)
        if any(number < 0 for number in numbers):
            raise ValueError("a negative number")
        for number in numbers:
            _note("done", number)
        return dict.fromkeys(call for call in calls if call[0] in numbers)


@app.task(name="together", base=Together, bind=True)
def together(self: Together, number: int) -> None:
    """Note this number with others, once a file `released` is there."""
    self.outcome(number)
