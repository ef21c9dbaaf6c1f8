"""What `crawlpush status` and the page of operators know.

Each part is learnt by itself, so that one server that is away hides no other's news.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pipeline import startup
from pipeline.broker.publish import BrokerError
from pipeline.crawling.health import IDS_CHANGE, health_of
from pipeline.delivery.push_config import push_config
from pipeline.push.config import configured
from pipeline.resources import now
from pipeline.scheduling import heartbeat
from pipeline.settings import Settings
from pipeline.upkeep import brought_back, failed_tasks
from pipeline.upkeep.brought_back import BroughtBack
from pipeline.upkeep.failed_tasks import FailedTask
from storage import channel_health, channels, overview, pauses
from storage.models import ChannelHealth, ChannelState
from storage.overview import Amount, Owed, SiteState
from storage.pauses import Paused
from storage.session import Database

if TYPE_CHECKING:
    from celery import Celery

TROUBLED = frozenset({"held", "broken", "suspect", IDS_CHANGE})
"""Healths of a site that need a person."""
COUNT_AGAIN_AFTER = timedelta(minutes=1)
"""What takes a while to count is not counted for each picture of `--watch`."""


@dataclass(frozen=True, kw_only=True)
class SiteNews:
    """How a site stands."""

    name: str
    health: str
    trouble_since: datetime | None
    last_crawl: datetime | None
    # Why the last crawl ended, or its status while it has not.
    result: str | None
    next_crawl: datetime | None
    # At most overview.POSTS_COUNTED, which then means "that many or more".
    posts: int
    # Posts that wait for an operator's word.
    held: int


@dataclass(frozen=True, kw_only=True)
class Activity:
    """What came in and what went out since a moment."""

    posts: Amount
    # By platform and outcome, such as "fcm delivered".
    pushes: Mapping[str, Amount]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What takes a while to count."""

    at: datetime
    # Of users, devices, subscriptions and phrases.
    amounts: Mapping[str, Amount]
    last_day: Activity


@dataclass(frozen=True, kw_only=True)
class ChannelNews:
    """A push channel: the fault for which it is paused, its vendor's trouble, and the phones that are refused alone."""

    channel: str
    fault: ChannelState | None
    trouble: ChannelHealth | None = None
    # The vendor's code -> how many phones.
    refused: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DatabaseNews:
    """What the database says."""

    sites: Sequence[SiteNews]
    counts: Counts
    last_hour: Activity
    owed: Owed
    # Why the latest notifications failed -> how many.
    failed: Mapping[str, int]
    channels: Sequence[ChannelNews]
    pauses: Sequence[Paused]


@dataclass(frozen=True, kw_only=True)
class RedisNews:
    """What Redis says."""

    failed_tasks: Sequence[FailedTask]
    # When the latest beat last ticked.
    heartbeat: datetime | None
    beat_problem: str | None
    dispatcher_problem: str | None = None
    # What a wrong clock left behind, where that was mended lately.
    brought_back: BroughtBack | None = None


@dataclass(frozen=True, kw_only=True)
class QueueNews:
    """A queue of the broker."""

    length: int
    # How long its oldest message has waited; 0 when that is not known.
    oldest_s: float
    # Whether that is longer than ALERT_BACKLOG_S.
    late: bool = False


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that `status` says. What could not be learnt is None; `problems` says why."""

    at: datetime
    problems: Sequence[str] = ()
    database: DatabaseNews | None = None
    redis: RedisNews | None = None
    queues: Mapping[str, QueueNews] | None = None

    @property
    def needs_a_person(self) -> bool:
        """Whether something will not get well by itself."""
        database, redis = self.database, self.redis
        return (
            bool(self.problems)
            or (database is not None and any(site.health in TROUBLED for site in database.sites))
            or (database is not None and any(channel.fault or channel.trouble for channel in database.channels))
            or (redis is not None and bool(redis.beat_problem or redis.dispatcher_problem))
            or any(queue.late for queue in (self.queues or {}).values())
        )


class Reporter:
    """Gathers the report, for `--watch` again and again over the same connections."""

    def __init__(self, settings: Settings, database: Database, redis: Redis, broker: "Celery | None" = None) -> None:
        """The connections stay the caller's. broker: by default that of the settings."""
        self._settings = settings
        self._database = database
        self._redis = redis
        self._broker = broker
        self._is_checked = False
        self._counts: Counts | None = None

    def report(self) -> Report:
        """The report of this moment."""
        problems: list[str] = []
        report = Report(at=now())
        for part in (self._with_database, self._with_redis, self._with_queues):
            try:
                report = part(report)
            except startup.NotReadyError as error:
                problems.append(str(error))
            except BrokerError as error:
                problems.append(str(error))
            except DBAPIError as error:
                problems.append(startup.database_sentence(error))
            except (RedisError, OSError) as error:
                problems.append(startup.redis_sentence(error))
        return replace(report, problems=problems)

    def _with_database(self, report: Report) -> Report:
        if not self._is_checked:
            startup.check_database(self._settings)
            self._is_checked = True
        with self._database.reading() as session:
            news = DatabaseNews(
                sites=[_site(state) for state in overview.site_states(session)],
                counts=self._counted(session),
                last_hour=_activity(session, now() - timedelta(hours=1)),
                owed=overview.owed(session),
                failed={reason or "unknown": n for reason, n in overview.failure_reasons(session, limit=5)},
                channels=self._channels(session),
                pauses=pauses.in_force(session),
            )
        return replace(report, database=news)

    def _counted(self, session: Session) -> Counts:
        at, last = now(), self._counts
        if last is None or not last.at <= at < last.at + COUNT_AGAIN_AFTER:
            last = Counts(at=at, amounts=overview.counts(session), last_day=_activity(session, at - timedelta(days=1)))
            self._counts = last
        return last

    def _channels(self, session: Session) -> list[ChannelNews]:
        """Every configured channel, and any other of which there is news all the same."""
        paused = {state.name: state for state in channels.paused(session)}
        troubled = {state.name: state for state in channel_health.troubled(session)}
        refused: dict[str, dict[str, int]] = {}
        for (name, code), count in channel_health.refused_devices(session).items():
            refused.setdefault(name, {})[code] = count
        names = sorted({*configured(push_config(self._settings)), *paused, *troubled, *refused})
        return [
            ChannelNews(
                channel=str(name),
                fault=paused.get(name),
                trouble=troubled.get(name),
                refused=refused.get(name, {}),
            )
            for name in names
        ]

    def _with_redis(self, report: Report) -> Report:
        beats = heartbeat.beats(self._redis)
        news = RedisNews(
            failed_tasks=failed_tasks.recent(self._redis),
            heartbeat=beats[0].at if beats else None,
            beat_problem=heartbeat.problem(beats, now()),
            brought_back=brought_back.lately(self._redis),
            dispatcher_problem=heartbeat.dispatcher_problem(beats, heartbeat.last_tick(self._redis), now()),
        )
        return replace(report, redis=news)

    def _with_queues(self, report: Report) -> Report:
        from pipeline.broker import queue_state
        from pipeline.celery import app

        at = now()
        broker = self._broker or app
        states = [queue_state.queue_state(broker, self._database, self._redis, task) for task in queue_state.TASKS]
        bound = self._settings.alert_backlog_s
        queues = {
            s.name: QueueNews(length=s.length, oldest_s=round(s.age_s(at), 1), late=s.age_s(at) > bound) for s in states
        }
        return replace(report, queues=queues)


def _activity(session: Session, since: datetime) -> Activity:
    return Activity(posts=overview.posts_since(session, since), pushes=overview.pushes_since(session, since))


def _site(state: SiteState) -> SiteNews:
    site, run = state.site, state.last_run
    following = max(filter(None, (site.next_crawl_at, site.suspended_until)), default=None)
    return SiteNews(
        name=site.name,
        health=health_of(site, held_posts=state.held_posts),
        trouble_since=site.trouble_since,
        last_crawl=run.finished_at or run.started_at if run else None,
        result=(run.finish_reason or run.status) if run else None,
        next_crawl=following if site.enabled else None,
        posts=state.posts,
        held=state.held_posts,
    )
