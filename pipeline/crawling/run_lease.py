"""Keeping a run's lease and its host's alive while its crawl goes on, and ending the crawl when they cannot be kept."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipeline import locks
from pipeline.outage import Outage
from pipeline.resources import now
from storage import crawl_runs, pauses
from storage.session import Database

logger = logging.getLogger(__name__)

RUN_LEASE_S = 60.0
"""A run whose worker died is closed, and its site free again, this long after the last sign of life (and a sweep)."""
RENEW_EVERY_S = 10.0


def lease_end() -> datetime:
    """Until when a lease lasts that is taken or renewed now."""
    return now() + timedelta(seconds=RUN_LEASE_S)


@dataclass(kw_only=True)
class Stop:
    """What ends one crawl early: the stop of its caller, which may be for all crawls, or one for this crawl alone."""

    everything: threading.Event
    this_crawl: threading.Event = field(default_factory=threading.Event)
    # Until when the crawl may go on, on the monotonic clock: its process ends itself then, should nobody else be
    # able to, as when the worker was stopped meanwhile.
    lease_until: float = field(default_factory=lambda: time.monotonic() + RUN_LEASE_S)
    # Held by whoever writes to the run, so that a run which was just closed does not look like a lost one.
    writing: threading.Lock = field(default_factory=threading.Lock)
    is_written: bool = False

    def is_set(self) -> bool:
        """Whether it is to end."""
        return self.everything.is_set() or self.this_crawl.is_set()


@contextmanager
def kept(
    database: Database, host_lease: locks.Lease, stop: Stop, *, run_id: int, site_id: int, site: str, owner: str
) -> Iterator[None]:
    """Renew both leases for the time of the block; stop the crawl when it is not ours any more, or paused."""
    over = threading.Event()

    def renew() -> bool:
        """Whether the crawl may go on, as the database says. Raises what the database raises."""
        until = time.monotonic() + RUN_LEASE_S
        with database.writing() as session:
            ours = crawl_runs.extend(session, run_id, owner=owner, lease_until=lease_end())
            paused = pauses.is_crawl_paused(session, site_id)
        if not ours:
            logger.warning("crawl lost its lease", extra={"fields": {"run": run_id, "site": site}})
        elif paused:
            logger.info("crawl paused", extra={"fields": {"site": site}})
        else:
            stop.lease_until = until
        return ours and not paused

    def beat() -> None:
        outage = Outage(f"lease of {site}")
        while not over.wait(RENEW_EVERY_S):
            # Whatever goes wrong with it passes, or the lease does: this thread is missed by nobody but the crawl.
            try:
                host_lease.renew()
                with stop.writing:
                    goes_on = stop.is_written or renew()
                outage.over()
            except Exception as error:
                outage.failed(error)
                goes_on = time.monotonic() < stop.lease_until
            if not goes_on:
                stop.this_crawl.set()
                return

    thread = threading.Thread(target=beat, name=f"lease-{run_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
