"""Injects the faults of a plan into a running installation, and repairs them afterwards."""

import math
import os
import signal
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from sqlalchemy.exc import OperationalError

from scripts.drill.api_reader import ApiReader
from scripts.drill.clocks import Clocks
from scripts.drill.database_faults import DatabaseFaults
from scripts.drill.in_flight import LEASE_S, InFlight
from scripts.drill.kinds import CRAWL, FORKSERVER, GATEWAY_FAULTS, NOTIFIERS, Kind
from scripts.drill.plan import Fault
from scripts.drill.redis_faults import RedisFaults
from scripts.testbed import database as questions
from scripts.testbed.crawls import Crawls, children
from scripts.testbed.installation import Installation
from scripts.testbed.population import SITES
from scripts.testbed.verdict import Pair

SECOND_BEAT = "beat-2"
OF_THE_DATABASE = (Kind.DATABASE, Kind.READ_ONLY, Kind.TABLE_LOCK, Kind.DISK)


class FaultInjector:
    """Begins and ends faults; everything that it has broken is whole again after `heal`."""

    def __init__(
        self,
        running: Installation,
        crawls: Crawls,
        reader: ApiReader,
        *,
        usual_faults: Mapping[str, Any],
        odd: Mapping[str, str],
        spared: Collection[str],
    ) -> None:
        """usual_faults: what the gateway does at all times, such as answering after some milliseconds.

        odd: the tokens of the phones that only some failures of the gateway hit, by the names that stand for them.
        spared: tokens of phones that are not removed.
        """
        self._running, self._crawls, self._reader = running, crawls, reader
        self._supervisor = running.supervisor
        self._usual_faults, self._odd, self._spared = usual_faults, odd, spared
        self._frozen_pids: dict[str, int] = {}
        self._faulty = False
        # Tokens of the phones that were removed: what they show is as it comes.
        self.removed: set[str] = set()
        self.done: dict[Kind, int] = dict.fromkeys(Kind, 0)
        # Sends in the hands of notifiers that were killed, or that could not record them.
        self._in_flight = InFlight(lambda: questions.claimed(running.database))
        self._redis = RedisFaults(running.on, running.proxies["redis"])
        self._clocks = Clocks(self._supervisor, running.on.folder)
        self._database = DatabaseFaults(running, self._in_flight, self._notifiers_stand_still, self._pids)
        self._beginnings: dict[Kind, Callable[[Fault], bool]] = {
            Kind.KILL: self._kill,
            Kind.TERMINATE: self._terminate,
            Kind.FREEZE: self._freeze,
            Kind.REDIS: lambda fault: self._redis.lose(fault.what),
            Kind.REDIS_ERRORS: lambda fault: self._redis.answer_errors(fault.what),
            Kind.HALF_OPEN: self._swallow,
            Kind.CLOCK: self._set_clock_wrong,
            Kind.GATEWAY: self._disturb_gateway,
            Kind.DEVICE: self._remove_device,
            Kind.SECOND_BEAT: self._start_second_beat,
            Kind.SCHEDULE: self._change_schedule,
            Kind.NEW_IDS: self._change_ids,
            **dict.fromkeys(OF_THE_DATABASE, lambda fault: self._database.begin(fault.kind, fault.what)),
        }
        self._endings: dict[Kind, Callable[[], None]] = {
            Kind.FREEZE: self._thaw,
            Kind.REDIS: self._redis.restore,
            Kind.REDIS_ERRORS: self._redis.answer_well,
            Kind.CLOCK: self._clocks.set_right,
            Kind.GATEWAY: self.calm_gateway,
            Kind.SECOND_BEAT: self._stop_second_beat,
            Kind.NEW_IDS: self._keep_ids,
            **dict.fromkeys(OF_THE_DATABASE, self._database.end),
        }

    def begin(self, fault: Fault) -> bool:
        """Let it happen; False when what it hits is not there, or the database does not let us, at this moment."""
        try:
            happened = self._beginnings[fault.kind](fault)
        except OperationalError:
            # On SQLite a process that stands still may keep the lock.
            happened = False
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

    @property
    def database_away(self) -> bool:
        """Whether the database answers no questions."""
        return self._database.away

    def calm_gateway(self) -> None:
        """Let the gateway do nothing but the usual."""
        self._running.on.gateway.set_faults(**self._usual_faults)
        self._faulty = False

    def in_flight(self) -> Mapping[Pair, int]:
        """Sends that were in flight at all losses, when there will be no more of them."""
        self._in_flight.look(math.inf)
        return self._in_flight.sends

    def look(self) -> None:
        """Find out what was in flight at the latest losses; call it often, and some time after the last of them."""
        if not self.database_away:
            self._in_flight.look(time.monotonic())

    @contextmanager
    def _notifiers_stand_still(self) -> Iterator[None]:
        # One that is stopped already stays so afterwards.
        with self._supervisor.frozen([name for name in NOTIFIERS if name not in self._frozen_pids]):
            yield

    def _pids(self) -> list[int]:
        crawler = self._supervisor.pid("crawler")
        return [*self._supervisor.pids, *(children(crawler) if crawler else ())]

    def _kill(self, fault: Fault) -> bool:
        crawler = self._supervisor.pid("crawler")
        if fault.what == CRAWL:
            return _signal(self._crawls.one(crawler), signal.SIGKILL)
        if fault.what == FORKSERVER:
            return _signal(min(children(crawler), default=None) if crawler else None, signal.SIGKILL)
        if self._supervisor.pid(fault.what) is None:
            return False
        if fault.what in NOTIFIERS:
            with self._notifiers_stand_still():
                self._database.note_in_flight()
                self._supervisor.kill(fault.what, restart_after_s=fault.seconds)
        else:
            self._supervisor.kill(fault.what, restart_after_s=fault.seconds)
        self._frozen_pids.pop(fault.what, None)
        return True

    def _terminate(self, fault: Fault) -> bool:
        if self._supervisor.pid(fault.what) is None or fault.what in self._frozen_pids:
            return False
        self._supervisor.terminate(fault.what, restart_after_s=fault.seconds)
        return True

    def _freeze(self, fault: Fault) -> bool:
        pid = self._crawls.one(self._supervisor.pid("crawler")) if fault.what == CRAWL else None
        pid = pid or self._supervisor.pid(fault.what)
        if pid is None:
            return False
        if fault.what == "web":
            self._reader.expect_silence()
        if not _signal(pid, signal.SIGSTOP):
            return False
        self._frozen_pids[fault.what] = pid
        # In less time its claims do not end: what it has sent is recorded as soon as it goes on.
        if fault.what in NOTIFIERS and fault.seconds > LEASE_S:
            self._database.note_in_flight()
        return True

    def _thaw(self) -> None:
        for pid in self._frozen_pids.values():
            _signal(pid, signal.SIGCONT)
        self._frozen_pids.clear()

    def _swallow(self, fault: Fault) -> bool:
        with self._notifiers_stand_still():
            if fault.what == "database":
                if not self._database.writable:
                    return False
                self._database.note_in_flight()
            self._running.proxies[fault.what].swallow()
        return True

    def _set_clock_wrong(self, fault: Fault) -> bool:
        name, _, ahead = fault.what.partition(" ")
        if not self._terminate(replace(fault, what=name, seconds=0.0)):
            return False
        self._clocks.set_wrong(name, ahead)
        return True

    def _disturb_gateway(self, fault: Fault) -> bool:
        if self._faulty:
            return False
        fields = dict(GATEWAY_FAULTS[fault.what])
        for answer in fields.pop("answers", ()):
            name, _, code = answer.partition("=")
            fields.setdefault("answers", []).append(f"{self._odd[name]}={code}")
        self._running.on.gateway.set_faults(**{**self._usual_faults, **fields})
        self._faulty = True
        return True

    def _remove_device(self, _fault: Fault) -> bool:
        if not self._database.writable:
            return False
        token = questions.remove_busy_device(self._running.database, spared=self._spared)
        if token is not None:
            self.removed.add(token)
        return token is not None

    def _start_second_beat(self, _fault: Fault) -> bool:
        if self._supervisor.pid(SECOND_BEAT) is not None:
            return False
        self._supervisor.start(SECOND_BEAT)
        return True

    def _stop_second_beat(self) -> None:
        if self._supervisor.pid(SECOND_BEAT) is not None:
            self._supervisor.terminate(SECOND_BEAT)

    def _change_schedule(self, fault: Fault) -> bool:
        if not self._database.writable:
            return False
        site, _, schedule = fault.what.partition(" ")
        questions.set_schedule(self._running.database, site, schedule)
        return True

    def _change_ids(self, fault: Fault) -> bool:
        self._running.set_new_ids(fault.what, True)
        return True

    def _keep_ids(self) -> None:
        for site in SITES:
            self._running.set_new_ids(site, False)


def _signal(pid: int | None, number: signal.Signals) -> bool:
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False
