"""One look at how things stand, and a message to each destination about what changed since it was last told.

Beat's task looks every ALERT_S. A thread in each worker looks when nobody has for three times as long: so somebody
tells that beat has stopped, or that no dispatcher takes its ticks.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from pipeline.alerts.deciding import Facts, news
from pipeline.alerts.facts import gather
from pipeline.alerts.sending import Letter, Sent, send
from pipeline.locks import HeldElsewhereError, held
from pipeline.resources import now
from pipeline.settings import Settings
from storage.session import Database

logger = logging.getLogger(__name__)

TOLD_KEY = "crawlpush:alerts:told:"
"""A hash per destination: subject -> state, as it was last told."""
LOOKED_KEY = "crawlpush:alerts:looked"
"""When somebody last looked."""
KEPT = timedelta(days=30)
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
            _tell(redis, settings.alert_destinations, facts)
    except HeldElsewhereError:
        return


def _tell(redis: Redis, urls: Sequence[str], facts: Facts) -> None:
    letters: list[Letter] = []
    told: list[Mapping[Any, Any]] = []
    for url in urls:
        known: dict[bytes, bytes] = redis.hgetall(_key(url))  # type: ignore[assignment]
        found = news({subject.decode(): state.decode() for subject, state in known.items()}, facts)
        if found.messages:
            letters.append(letter(url, found.messages))
            told.append(found.told)
    if not letters:
        return
    for sent, one, memory in zip(send(letters), letters, told, strict=True):
        if sent.ok:
            with redis.pipeline() as pipeline:
                pipeline.delete(_key(one.url))
                if memory:
                    pipeline.hset(_key(one.url), mapping=memory)
                    pipeline.expire(_key(one.url), KEPT)
                pipeline.execute()
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


def start_thread(database: Database, redis: Redis, settings: Settings) -> None:
    """Begin to watch whether somebody looks."""

    def watch() -> None:
        silence = Silence(mark=None, since=time.monotonic())
        while True:
            time.sleep(settings.alert_s / 2)
            try:
                mark: bytes | None = redis.get(LOOKED_KEY)  # type: ignore[assignment]
                if silence.lasts(mark, time.monotonic()) > TAKE_OVER_AFTER * settings.alert_s:
                    look(database, redis, settings, beat_ticks=False)
            except (RedisError, DBAPIError, OSError) as error:
                # The services' absence is logged by whoever works with them; the thread must live on.
                logger.debug("could not look for alerts", extra={"fields": {"error": type(error).__name__}})

    threading.Thread(target=watch, name="alerts", daemon=True).start()
