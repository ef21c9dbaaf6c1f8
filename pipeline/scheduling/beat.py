"""Celery's scheduler with a heartbeat, and with an answer to a clock that is set back."""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

from celery.beat import Scheduler, Service
from redis.exceptions import RedisError

from pipeline import resources, signs
from pipeline.outage import Outage
from pipeline.scheduling import heartbeat
from pipeline.settings import get_settings

logger = logging.getLogger(__name__)

HEARTBEAT_EVERY_S = 5.0
END_WITHIN_S = 5.0
"""For how long a tick may go on after a signal: a broker that swallows what it is sent would hold beat for longer."""
SET_BACK = timedelta(seconds=2)
"""A clock that was corrected by less than this stops nothing for longer than that."""


class HeartbeatScheduler(Scheduler):
    """Celery's in-memory scheduler; what is due stands in the database, so beat has nothing to remember."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._last_tick: datetime | None = None
        self._last_heartbeat = float("-inf")
        self._broker = Outage("broker")
        self._redis = Outage("redis")
        self._is_asleep = self._is_ending = False
        # For so many seconds, or until beat is to end.
        self.sleep: Callable[[float], object] = time.sleep
        self._signs = signs.Signs(get_settings().data_dir, f"beat@{socket.gethostname()}")

    def end_at_signals(self) -> None:
        """Let SIGTERM and SIGINT end beat between two ticks, in place of Celery's handler.

        That one closes the connection and raises SystemExit wherever the signal finds it. In the middle of a publish
        it would wait for a lock that it holds itself; in a finaliser Python forgets the exception, and beat goes on.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)

    def _end(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if not self._is_ending:
            self._is_ending = True
            self._signs.end()
            # Beat has nothing to remember, so that nothing is lost if it ends in the middle of a tick after all.
            signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
            signal.setitimer(signal.ITIMER_REAL, END_WITHIN_S)
        if self._is_asleep:
            # A second signal must not raise it again, while Python ends.
            self._is_asleep = False
            raise SystemExit

    def tick(self, *arguments: Any, **options: Any) -> float:
        """Send what is due, say that we live, and sleep until the next tick. Raises SystemExit after a signal."""
        delay = self.tick_once(*arguments, **options)
        self._is_asleep = True
        if self._is_ending:
            raise SystemExit
        self.sleep(max(delay, 0))
        self._is_asleep = False
        # Celery need not sleep then, where a signal would find its own code.
        return 0.0

    def close(self) -> None:
        """See Celery: the last tick is done."""
        self._is_ending = True
        self._signs.end()
        super().close()

    def tick_once(self, *arguments: Any, **options: Any) -> float:
        """Send what is due, and say that we live. Returns the seconds until the next tick."""
        now = resources.now()
        if self._last_tick is not None and now < self._last_tick - SET_BACK:
            self._start_anew(now)
        self._last_tick = now
        delay: float = super().tick(*arguments, **options)
        if time.monotonic() - self._last_heartbeat >= HEARTBEAT_EVERY_S:
            self._record(now)
        return delay

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send one tick. What could not be sent is not made good: the next tick comes soon."""
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except Exception as error:
            self._broker.failed(error.__cause__ or error)
        else:
            self._broker.over()

    def _ensure_connected(self) -> Any:
        """Connect when there is something to send: a beat that waited for its broker here would miss its heartbeats."""
        return self.connection

    def _start_anew(self, now: datetime) -> None:
        """Let every entry begin now: Celery would wait until the old time comes round again."""
        logger.warning("clock was set back", extra={"fields": {"seconds": self._seconds_back(now)}})
        for entry in self.schedule.values():
            entry.last_run_at = entry.default_now()
        self._heap = None

    def _seconds_back(self, now: datetime) -> int:
        return int((self._last_tick - now).total_seconds()) if self._last_tick else 0

    def _record(self, now: datetime) -> None:
        if not self._is_ending:
            self._signs.give()
        redis = resources.redis()
        heap: list[Any] = self._heap or []
        upcoming = {event.entry.name: datetime.fromtimestamp(event.time, UTC) for event in heap}
        try:
            heartbeat.record(redis, at=now, upcoming=upcoming)
            heartbeat.begin_to_wait(redis, at=now)
            if self._last_heartbeat == float("-inf"):
                heartbeat.forget_old(redis, now=now)
        except (RedisError, OSError) as error:
            # Beat goes on without: its messages may go through another broker, and the next heartbeat comes soon.
            self._redis.failed(error)
        else:
            self._redis.over()
        self._last_heartbeat = time.monotonic()


class BeatThread(threading.Thread):
    """The beat of a worker (-B), in place of Celery's process, which would take memory of its own for the same."""

    def __init__(self, app: Any, **options: Any) -> None:
        super().__init__(name="beat", daemon=True)
        self._app = app
        self._service = Service(app, **{**options, "remote_control": False})

    def run(self) -> None:
        """Tick until it is to stop. Whatever is raised ends the thread, and the worker sees that."""
        self._app.set_current()
        vars(self._service.scheduler)["sleep"] = vars(self._service)["_is_shutdown"].wait
        self._service.start()

    def stop(self) -> None:
        """End it between two ticks. One that hangs ends with the worker: beat has nothing to remember."""
        self._service.stop()
        if self.is_alive():
            self.join(END_WITHIN_S)
