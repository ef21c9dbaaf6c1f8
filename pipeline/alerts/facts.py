"""How things stand, for the alerts: sites, floods, channels, beat, and how old the queues' messages are."""

from redis import Redis

from pipeline.alerts.deciding import Condition, Facts
from pipeline.broker import queue_state
from pipeline.broker.publish import BrokerError
from pipeline.celery import app
from pipeline.crawling.health import IDS_CHANGE
from pipeline.resources import now
from pipeline.scheduling import heartbeat
from storage import channel_health, channels, overview, sites
from storage.models import Site
from storage.session import Database

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
