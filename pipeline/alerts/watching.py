"""One look at how things stand, and a message to each destination about what changed since it was last told.

Beat's task looks every ALERT_S. A thread in each worker looks when nobody has for three times as long: so somebody
tells that beat has stopped, or that no dispatcher takes its ticks.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from redis import Redis

from pipeline.alerts.deciding import Facts, news
from pipeline.alerts.facts import gather
from pipeline.alerts.sending import Letter, Sent, send
from pipeline.locks import HeldElsewhereError, held
from pipeline.outage import Outage
from pipeline.resources import now
from pipeline.settings import Settings
from storage.session import Database

logger = logging.getLogger(__name__)

TOLD_KEY = "crawlpush:alerts:told:"
"""A hash per destination: subject -> state, as it was last told."""
LOOKED_KEY = "crawlpush:alerts:looked"
"""When somebody last looked."""
KEPT = timedelta(days=30)
LOG = "log"
"""The memory of what the log was told."""
LOGGED = frozenset({"site", "flood", "channel", "vendor"})
"""Kinds of conditions of which whoever brings them about has logged a line already."""
LEASE_S = 60.0
"""Longer than all sending may take."""
TAKE_OVER_AFTER = 3
"""So many intervals without a look make a worker look itself."""


def look(database: Database, redis: Redis, settings: Settings, *, beat_ticks: bool) -> None:
    """Tell every destination what changed. One process at a time; a destination that cannot be reached is told later.

    Each destination has a memory of its own, written after its letter went. A process that dies in between, or a
    Redis that forgets, makes it hear once more what it knows.
    """
    try:
        with held(redis, "alerts", seconds=LEASE_S):
            redis.set(LOOKED_KEY, now().isoformat(), ex=KEPT)
            facts = gather(database, redis, backlog_s=settings.alert_backlog_s, beat_ticks=beat_ticks)
            _tell_log(redis, facts)
            _tell(redis, settings.alert_destinations, facts)
    except HeldElsewhereError:
        return


def _tell_log(redis: Redis, facts: Facts) -> None:
    """Log what else nobody says: one line when it begins and one when it ends, by whichever process looks."""
    silent = replace(
        facts,
        conditions={name: found for name, found in facts.conditions.items() if name.partition(" ")[0] not in LOGGED},
    )
    found = news(_told(redis, LOG), silent)
    for message in found.messages:
        logger.warning("operation", extra={"fields": {"news": message}})
    if found.messages:
        _remember(redis, LOG, found.told)


def _told(redis: Redis, url: str) -> dict[str, str]:
    known: dict[bytes, bytes] = redis.hgetall(_key(url))  # type: ignore[assignment]
    return {subject.decode(errors="replace"): state.decode(errors="replace") for subject, state in known.items()}


def _remember(redis: Redis, url: str, memory: Mapping[Any, Any]) -> None:
    with redis.pipeline() as pipeline:
        pipeline.delete(_key(url))
        if memory:
            pipeline.hset(_key(url), mapping=memory)
            pipeline.expire(_key(url), KEPT)
        pipeline.execute()


def _tell(redis: Redis, urls: Sequence[str], facts: Facts) -> None:
    letters: list[Letter] = []
    told: list[Mapping[str, str]] = []
    for url in urls:
        found = news(_told(redis, url), facts)
        if found.messages:
            letters.append(letter(url, found.messages))
            told.append(found.told)
    if not letters:
        return
    for sent, one, memory in zip(send(letters), letters, told, strict=True):
        if sent.ok:
            _remember(redis, one.url, memory)
        _log(sent)


def letter(url: str, messages: Sequence[str]) -> Letter:
    """All that changed, in one letter."""
    title = "crawlpush" if len(messages) == 1 else f"crawlpush: {len(messages)} changes"
    return Letter(url=url, title=title, body="\n".join(messages))


def _log(sent: Sent) -> None:
    if sent.ok:
        logger.info("alert sent", extra={"fields": {"scheme": sent.scheme}})
    else:
        logger.warning("alert not sent", extra={"fields": {"scheme": sent.scheme, "error": sent.reason}})


def _key(url: str) -> str:
    return TOLD_KEY + hashlib.sha256(url.encode()).hexdigest()[:16]


@dataclass
class Silence:
    """For how long a mark has not changed, on a clock that nobody sets."""

    mark: bytes | None
    since: float

    def lasts(self, mark: bytes | None, at: float) -> float:
        """Seconds, given the mark as it is now."""
        if mark != self.mark:
            self.mark, self.since = mark, at
        return at - self.since


def start_thread(database: Database, redis: Redis, settings: Settings) -> threading.Event:
    """Begin to watch whether somebody looks; the event ends it."""
    over = threading.Event()

    def watch() -> None:
        silence = Silence(mark=None, since=time.monotonic())
        outage = Outage("alerts")
        while not over.wait(settings.alert_s / 2):
            try:
                mark: bytes | None = redis.get(LOOKED_KEY)  # type: ignore[assignment]
                if silence.lasts(mark, time.monotonic()) > TAKE_OVER_AFTER * settings.alert_s:
                    look(database, redis, settings, beat_ticks=False)
            except Exception as error:
                # Whatever a look meets, the thread must live on: it is the last one that tells anybody.
                outage.failed(error)
            else:
                outage.over()

    threading.Thread(target=watch, name="alerts", daemon=True).start()
    return over
