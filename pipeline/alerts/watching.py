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

from pipeline.alerts.deciding import Condition, Facts, news
from pipeline.alerts.sending import Letter, Sent, send
from pipeline.broker import queue_state
from pipeline.broker.publish import BrokerError
from pipeline.celery import app
from pipeline.crawling.health import IDS_CHANGE
from pipeline.locks import HeldElsewhereError, held
from pipeline.outage import Outage
from pipeline.resources import now
from pipeline.scheduling import heartbeat
from pipeline.settings import Settings
from storage import channel_health, channels, overview, sites
from storage.models import Site
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


FALLS_BELOW = 0.5
"""A backlog is over when the oldest message is younger than this part of the bound."""


def _trouble_of(site: Site) -> str:
    see = f"see `crawlpush sites show {site.name}`"
    if site.trouble == IDS_CHANGE:
        return f"the ids of site {site.name} change; {see}"
    why = "recovering" if site.good_runs else site.advice or f"{site.empty_runs} crawls without a post"
    if site.failures:
        why = f"{site.failures} failed crawls"
    return f"site {site.name} is {site.trouble}: {why}; {see}"


def gather(database: Database, redis: Redis, *, backlog_s: float, beat_ticks: bool) -> Facts:
    """Look at everything. Raises what the database or Redis raises; a broker that is away makes backlogs unknown.

    beat_ticks: the caller was called by beat, which therefore lives, whatever Redis has forgotten.
    """
    conditions: dict[str, Condition] = {}
    with database.reading() as session:
        held = overview.held_posts(session)
        watched = [site for site in sites.all_sites(session) if site.enabled]
        for site in watched:
            if site.trouble:
                conditions[f"site {site.name}"] = Condition(state=site.trouble, sentence=_trouble_of(site))
            if count := held.get(site.id):
                sentence = (
                    f"site {site.name}: {count} posts are held, far more than usual; "
                    f"`crawlpush sites release {site.name}` or drop"
                )
                conditions[f"flood {site.name}"] = Condition(state="held", sentence=sentence)
        for channel in channels.paused(session):
            sentence = f"channel {channel.name} is paused: {channel.code} {channel.reason}"
            conditions[f"channel {channel.name}"] = Condition(state="paused", sentence=sentence)
        for vendor in channel_health.troubled(session):
            why = " ".join(word for word in (vendor.trouble_code, vendor.trouble_detail) if word)
            sentence = f"the vendor of channel {vendor.name} takes nothing: {why}"
            conditions[f"vendor {vendor.name}"] = Condition(state="trouble", sentence=sentence)
    beats = heartbeat.beats(redis)
    problem = None if beat_ticks else heartbeat.problem(beats, now())
    if problem:
        conditions["beat"] = Condition(state="stale", sentence=problem)
    idle = None if beat_ticks else heartbeat.dispatcher_problem(beats, heartbeat.last_tick(redis), now())
    if idle:
        conditions["dispatcher"] = Condition(state="stale", sentence=idle)
    unknown = set()
    try:
        conditions |= _backlogs(database, redis, backlog_s)
    except BrokerError:
        unknown.add("backlog")
    return Facts(conditions=conditions, unknown=frozenset(unknown), sites=frozenset(site.name for site in watched))


def _backlogs(database: Database, redis: Redis, bound_s: float) -> dict[str, Condition]:
    at = now()
    ages = {
        state.name: state.age_s(at)
        for state in (queue_state.queue_state(app, database, redis, task) for task in queue_state.TASKS)
    }
    return {
        f"backlog {name}": Condition(
            state="late",
            sentence=f"the oldest message of {name} has waited for {age / 60:.0f} minutes; see `crawlpush status`",
            begins=age > bound_s,
        )
        for name, age in ages.items()
        if age > bound_s * FALLS_BELOW
    }
