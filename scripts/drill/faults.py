"""Injects the faults of a plan into a running installation, and repairs them afterwards."""

import math
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from redis import Redis
from sqlalchemy.engine import make_url

from scripts.drill.hold_database import HeldDatabase
from scripts.drill.in_flight import InFlight
from scripts.drill.plan import GATEWAY_FAULTS, NOTIFIERS, Fault, Kind
from scripts.testbed import database as questions
from scripts.testbed.crawls import Crawls, children
from scripts.testbed.installation import Installation

if sys.platform == "linux":
    import resource

SECOND_BEAT = "beat-2"


class FaultInjector:
    """Begins and ends faults; everything that it has broken is whole again after `heal`."""

    def __init__(self, running: Installation, crawls: Crawls, *, usual_faults: Mapping[str, Any]) -> None:
        """usual_faults: what the gateway does at all times, such as answering after some milliseconds."""
        self._on = running.on
        self._supervisor = running.supervisor
        self._crawls = crawls
        self._database = running.database
        self._usual_faults = usual_faults
        self._holder: HeldDatabase | None = None
        self._limited: dict[int, tuple[int, int]] = {}
        self._faulty = False
        self.database_away = False
        self.done: dict[Kind, int] = dict.fromkeys(Kind, 0)
        # Sends in the hands of notifiers that were killed, or that could not record them.
        self._in_flight = InFlight(lambda: questions.claimed(running.database))
        self._beginnings: dict[Kind, Callable[[Fault], bool]] = {
            Kind.KILL: self._kill,
            Kind.TERMINATE: self._terminate,
            Kind.REDIS: self._lose_redis,
            Kind.DATABASE: self._lose_database,
            Kind.DISK: self._fill_disk,
            Kind.GATEWAY: self._disturb_gateway,
            Kind.SECOND_BEAT: self._start_second_beat,
            Kind.SCHEDULE: self._change_schedule,
        }
        self._endings: dict[Kind, Callable[[], None]] = {
            Kind.REDIS: self._restore_redis,
            Kind.DATABASE: self._restore_database,
            Kind.DISK: self._empty_disk,
            Kind.GATEWAY: self.calm_gateway,
            Kind.SECOND_BEAT: self._stop_second_beat,
        }

    def begin(self, fault: Fault) -> bool:
        """Let it happen; False when what it hits is not there at this moment."""
        happened = self._beginnings[fault.kind](fault)
        self.done[fault.kind] += happened
        return happened

    def lasts(self, fault: Fault) -> bool:
        """Whether its end is somebody's to bring about: a process that was killed comes back by itself."""
        return fault.kind in self._endings

    def end(self, fault: Fault) -> None:
        """Repair what a lasting fault broke."""
        self._endings[fault.kind]()

    def heal(self) -> None:
        """Repair whatever is broken still."""
        for end in self._endings.values():
            end()

    def calm_gateway(self) -> None:
        """Let the gateway do nothing but the usual."""
        self._on.gateway.set_faults(**self._usual_faults)
        self._faulty = False

    def _kill(self, fault: Fault) -> bool:
        crawler = self._supervisor.pid("crawler")
        if fault.what == "crawl":
            return _kill_one(self._crawls.one(crawler))
        if fault.what == "forkserver":
            return _kill_one(min(children(crawler), default=None) if crawler else None)
        if self._supervisor.pid(fault.what) is None:
            return False
        if fault.what in NOTIFIERS:
            with self._supervisor.frozen(NOTIFIERS):
                self._note_in_flight()
                self._supervisor.kill(fault.what, restart_after_s=fault.seconds)
        else:
            self._supervisor.kill(fault.what, restart_after_s=fault.seconds)
        return True

    def _note_in_flight(self) -> None:
        # While the database is away nothing more is claimed, and what was claimed before was noted when it went.
        if not self.database_away:
            self._in_flight.note(time.monotonic())

    def in_flight(self) -> int:
        """Sends that were in flight at all losses, when there will be no more of them."""
        self._in_flight.look(math.inf)
        return self._in_flight.count

    def look(self) -> None:
        """Find out what was in flight at the latest losses; call it often, and some time after the last of them."""
        if not self.database_away:
            self._in_flight.look(time.monotonic())

    def _terminate(self, fault: Fault) -> bool:
        if self._supervisor.pid(fault.what) is None:
            return False
        self._supervisor.terminate(fault.what, restart_after_s=fault.seconds)
        return True

    def _lose_redis(self, fault: Fault) -> bool:
        redis = self._on.redis
        if not redis.is_running:
            return False
        if fault.what == "flushed":
            with Redis.from_url(self._on.redis_url) as client:
                client.flushall()
        elif fault.what == "restarted":
            redis.stop()
        else:
            redis.kill(lose_data="data" in fault.what)
        return True

    def _restore_redis(self) -> None:
        if not self._on.redis.is_running:
            self._on.redis.start()

    def _lose_database(self, fault: Fault) -> bool:
        if self.database_away or self._limited:
            return False
        if self._on.postgres is not None:
            with self._supervisor.frozen(NOTIFIERS):
                self._note_in_flight()
                self._on.postgres.halt(at_once=fault.what == "stopped at once")
        else:
            # The lock comes first: somebody who is frozen may hold it.
            self._holder = self._hold_lock()
            self._note_in_flight()
        self.database_away = True
        return True

    def _hold_lock(self) -> HeldDatabase:
        holder = HeldDatabase(str(make_url(self._on.database_url).database))
        holder.start()
        return holder

    def _restore_database(self) -> None:
        if self._on.postgres is not None and self.database_away:
            self._on.postgres.resume()
        if self._holder is not None:
            self._holder.stop()
            self._holder = None
        self.database_away = False

    def _fill_disk(self, _fault: Fault) -> bool:
        """Let no process write another byte to a file, which is how a full disk looks from inside."""
        if sys.platform != "linux" or self.database_away:
            return False
        crawler = self._supervisor.pid("crawler")
        for pid in (*self._supervisor.pids, *(children(crawler) if crawler else ())):
            with suppress(ProcessLookupError):
                _, hard = limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
                self._limited[pid] = limits
        self._note_in_flight()
        return True

    def _empty_disk(self) -> None:
        if sys.platform == "linux":
            for pid, limits in self._limited.items():
                with suppress(ProcessLookupError):
                    resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        self._limited.clear()

    def _disturb_gateway(self, fault: Fault) -> bool:
        if self._faulty:
            return False
        self._on.gateway.set_faults(**{**self._usual_faults, **GATEWAY_FAULTS[fault.what]})
        self._faulty = True
        return True

    def _start_second_beat(self, _fault: Fault) -> bool:
        if self._supervisor.pid(SECOND_BEAT) is not None:
            return False
        self._supervisor.start(SECOND_BEAT)
        return True

    def _stop_second_beat(self) -> None:
        if self._supervisor.pid(SECOND_BEAT) is not None:
            self._supervisor.terminate(SECOND_BEAT)

    def _change_schedule(self, fault: Fault) -> bool:
        if self.database_away:
            return False
        site, _, schedule = fault.what.partition(" ")
        questions.set_schedule(self._database, site, schedule)
        return True


def _kill_one(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
