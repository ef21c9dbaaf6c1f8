"""The exposition: what processes counted, how things stand, and that the shipped files speak of what is there."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from pipeline.metrics import catalogue
from pipeline.metrics.counters import Counters
from pipeline.metrics.exposition import Exposition
from pipeline.resources import now
from storage import channels
from storage.session import Database
from tests.support.builders import add_site, found, stored_posts

DEPLOY = Path(__file__).parents[4] / "deploy" / "prometheus"
pytestmark = pytest.mark.usefixtures("_app_on_redis")
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(database: Database, redis: Redis) -> Samples:
    text = generate_latest(Exposition(database, redis).registry()).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(of: Samples, name: str, **labels: str) -> float | None:
    return of.get((name, frozenset(labels.items())))


def test_the_counts_of_several_processes_add_up(database: Database, redis: Redis) -> None:
    for _ in range(2):
        process = Counters(lambda: redis)
        process.add(catalogue.PUSHES, "fcm", "sent", by=20)
        process.observe(catalogue.LATENCY, 1.5, times=20)
        process.observe(catalogue.LATENCY, 100_000)
        process.flush()
    shown = samples(database, redis)
    assert value(shown, "crawlpush_pushes_total", platform="fcm", outcome="sent") == 40
    assert value(shown, "crawlpush_post_to_push_seconds_bucket", le="1") == 0
    assert value(shown, "crawlpush_post_to_push_seconds_bucket", le="2") == 40
    assert value(shown, "crawlpush_post_to_push_seconds_bucket", le="+Inf") == 42
    assert value(shown, "crawlpush_post_to_push_seconds_sum") == pytest.approx(200_060)


def test_how_things_stand_is_read_when_it_is_asked_for(database: Database, redis: Redis) -> None:
    with database.writing() as session:
        add_site(session, "fine")
        add_site(session, "gone", trouble="broken", failures=5)
        stored_posts(session, add_site(session, "flooded"), [found(1)], fanout="held")
        channels.pause(session, "apns", code="x", reason="y", now=now(), until=now() + timedelta(minutes=1))
    shown = samples(database, redis)
    by_health = {word: value(shown, "crawlpush_sites", health=word) for word in ("well", "broken", "held", "suspect")}
    assert by_health == {"well": 1, "broken": 1, "held": 1, "suspect": 0}
    assert value(shown, "crawlpush_channel_paused", channel="apns") == 1
    assert value(shown, "crawlpush_channel_paused", channel="fcm") == 0
    assert value(shown, "crawlpush_beat_heartbeat_age_seconds") == float("inf")
    assert value(shown, "crawlpush_up", server="database") == 1


def test_a_redis_that_is_away_hides_nothing_of_the_database(database: Database) -> None:
    with Redis.from_url("redis://127.0.0.1:1/0") as away:
        shown = samples(database, away)
    assert value(shown, "crawlpush_up", server="redis") == 0
    assert value(shown, "crawlpush_sites", health="well") == 0


def test_every_metric_that_the_dashboard_and_the_rules_name_exists(database: Database, redis: Redis) -> None:
    process = Counters(lambda: redis)
    for counter in catalogue.COUNTERS:
        process.add(counter, *counter.labels)
    process.flush()
    exposed = {name for name, _ in samples(database, redis)}
    dashboard = json.loads((DEPLOY / "dashboard.json").read_text())
    shown = "\n".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    rules = "\n".join(re.findall(r"expr: (.*(?:\n {10}.*)*)", (DEPLOY / "alerts.yml").read_text()))
    for text in (shown, rules):
        named = set(re.findall(r"\bcrawlpush_\w+", text))
        assert named
        assert named <= exposed
    # And whatever is counted is on the dashboard.
    assert {f"{counter.name}_total" for counter in catalogue.COUNTERS} <= set(re.findall(r"\bcrawlpush_\w+", shown))
