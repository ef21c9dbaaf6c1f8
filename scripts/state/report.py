"""What `crawlpush status` knows: each part by itself, so that one server that is away hides no other's news."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pipeline import startup
from pipeline.broker.publish import BrokerError
from pipeline.crawling.health import health_of
from pipeline.delivery.push_config import push_config
from pipeline.locks import open_redis
from pipeline.push.channels import configured
from pipeline.resources import now
from pipeline.scheduling import heartbeat
from pipeline.settings import get_settings
from pipeline.upkeep import failed_tasks
from storage import channels, overview, pauses
from storage.overview import SiteState
from storage.session import Database

TROUBLED = frozenset({"held", "broken", "suspect"})
"""Healths of a site that need a person."""
COUNT_AGAIN_AFTER = timedelta(minutes=1)
"""What takes a while to count is not counted for each picture of `--watch`."""

Report = dict[str, Any]


class Reporter:
    """Gathers the report, for `--watch` again and again over the same connections."""

    def __init__(self) -> None:
        self._settings = get_settings()
        self._database = Database(self._settings.database)
        self._redis = open_redis(self._settings)
        self._is_checked = False
        self._counted: Report = {}
        self._counted_at: datetime | None = None

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()
        self._database.close()

    def report(self) -> Report:
        """Everything that `status` says, as plain data. What could not be learnt is left out; `problems` says why."""
        problems: list[str] = []
        report: Report = {"at": now()}
        for part in (self._of_database, self._of_redis, self._of_queues):
            try:
                report |= part()
            except startup.NotReadyError as error:
                problems.append(str(error))
            except BrokerError as error:
                problems.append(str(error))
            except DBAPIError as error:
                problems.append(startup.database_sentence(error))
            except (RedisError, OSError) as error:
                problems.append(startup.redis_sentence(error))
        report["problems"] = problems
        report["needs_a_person"] = needs_a_person(report)
        return report

    def _of_database(self) -> Report:
        if not self._is_checked:
            startup.check_database(self._settings)
            self._is_checked = True
        with self._database.reading() as session:
            return {
                "sites": [_site(state) for state in overview.site_states(session)],
                **self._counts(session),
                "last_hour": _activity(session, now() - timedelta(hours=1)),
                "owed": {name: _plain(value) for name, value in overview.owed(session).__dict__.items()},
                "failed": {reason or "unknown": n for reason, n in overview.failure_reasons(session, limit=5)},
                "channels": self._channels(session),
                "pauses": [{**paused.scope.__dict__, "since": paused.since} for paused in pauses.in_force(session)],
            }

    def _counts(self, session: Session) -> Report:
        at = now()
        if self._counted_at is None or not self._counted_at <= at < self._counted_at + COUNT_AGAIN_AFTER:
            self._counted = {name: _plain(amount) for name, amount in overview.counts(session).items()}
            self._counted["last_day"] = _activity(session, at - timedelta(days=1))
            self._counted_at = at
        return self._counted

    def _channels(self, session: Session) -> list[Report]:
        """Every configured channel, and any other that is paused all the same."""
        paused = {state.name: state for state in channels.paused(session)}
        names = sorted({*configured(push_config(self._settings)), *paused})
        return [
            {
                "channel": str(name),
                "state": "paused" if name in paused else "open",
                "since": paused[name].paused_at if name in paused else None,
                "until": paused[name].paused_until if name in paused else None,
                "code": paused[name].code if name in paused else None,
                "reason": paused[name].reason if name in paused else None,
            }
            for name in names
        ]

    def _of_redis(self) -> Report:
        beats = heartbeat.beats(self._redis)
        return {
            "failed_tasks": [failed.__dict__ for failed in failed_tasks.recent(self._redis)],
            "heartbeat": beats[0].at if beats else None,
            "beat_problem": heartbeat.problem(beats, now()),
        }

    def _of_queues(self) -> Report:
        from pipeline.broker import queue_state
        from pipeline.celery import app

        at = now()
        states = [queue_state.queue_state(app, self._database, self._redis, task) for task in queue_state.TASKS]
        return {"queues": {s.name: {"length": s.length, "oldest_s": round(s.age_s(at), 1)} for s in states}}


def _activity(session: Session, since: datetime) -> Report:
    pushes = overview.pushes_since(session, since)
    return {
        "posts": _plain(overview.posts_since(session, since)),
        "pushes": {what: _plain(amount) for what, amount in pushes.items()},
    }


def _plain(value: Any) -> Any:
    """An amount as JSON has it; `precision` is there only where a number is not exact."""
    if not isinstance(value, overview.Amount):
        return value
    if value.precision is overview.Precision.EXACT:
        return value.count
    return {"count": value.count, "precision": str(value.precision)}


def _site(state: SiteState) -> Report:
    site, run = state.site, state.last_run
    return {
        "name": site.name,
        "health": health_of(site, held_posts=state.held_posts),
        "trouble_since": site.trouble_since,
        "last_crawl": run.finished_at or run.started_at if run else None,
        "result": (run.finish_reason or run.status) if run else None,
        "next_crawl": max(filter(None, (site.next_crawl_at, site.suspended_until)), default=None)
        if site.enabled
        else None,
        "posts": state.posts,
        "held": state.held_posts,
    }


def needs_a_person(report: Mapping[str, Any]) -> bool:
    """Whether something will not get well by itself."""
    sites: Sequence[Report] = report.get("sites", ())
    return (
        bool(report["problems"])
        or any(site["health"] in TROUBLED for site in sites)
        or any(channel["state"] == "paused" for channel in report.get("channels", ()))
        or bool(report.get("beat_problem"))
    )
