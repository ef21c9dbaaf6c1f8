"""`crawlpush status`: everything that matters, on one screen."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import click
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from pipeline import failed_tasks, heartbeat, verdict
from pipeline.locks import open_redis
from pipeline.resources import now
from pipeline.settings import get_settings
from scripts.output import json_option, local_time, open_database
from scripts.pausing import still_paused
from storage import channels, overview, pauses
from storage.overview import SiteState
from storage.pauses import Paused, Scope


@click.command()
@json_option
@click.pass_context
def status(ctx: click.Context, *, as_json: bool) -> None:
    """Sum up sites, posts, pushes, queues and channels. The exit code is 1 when something needs a person."""
    report = gather()
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False, indent=2, default=_json_value))
    else:
        for line in lines(report):
            click.echo(line)
    if report["needs_a_person"]:
        ctx.exit(1)


def gather() -> dict[str, Any]:
    """Everything that `status` says, as plain data."""
    at = now()
    with open_database().reading() as session:
        states = overview.site_states(session)
        report: dict[str, Any] = {
            "sites": [_site(state) for state in states],
            **overview.counts(session),
            "last_hour": _activity(session, at - timedelta(hours=1)),
            "last_day": _activity(session, at - timedelta(days=1)),
            "owed": overview.owed(session).__dict__,
            "failed": {reason or "unknown": count for reason, count in overview.failure_reasons(session, limit=5)},
            "paused_channels": [
                {"channel": c.name, "since": c.paused_at, "code": c.code, "reason": c.reason}
                for c in channels.paused(session)
            ],
            "pauses": [
                {"activity": p.scope.activity, "site": p.scope.site, "channel": p.scope.channel, "since": p.since}
                for p in pauses.in_force(session)
            ],
        }
    report["queues"] = _queues()
    report["failed_tasks"] = _failed_tasks()
    report["beat_problem"] = beat_problem()
    report["needs_a_person"] = needs_a_person(report)
    return report


def _activity(session: Any, since: datetime) -> dict[str, Any]:
    return {"posts": overview.posts_since(session, since), "pushes": dict(overview.pushes_since(session, since))}


def _site(state: SiteState) -> dict[str, Any]:
    site, run = state.site, state.last_run
    return {
        "name": site.name,
        "health": health(state),
        "last_crawl": run.finished_at or run.started_at if run else None,
        "result": (run.finish_reason or run.status) if run else None,
        "next_crawl": max(filter(None, (site.next_crawl_at, site.suspended_until)), default=None)
        if site.enabled
        else None,
        "posts": state.posts,
        "held": state.held_posts,
    }


def health(state: SiteState) -> str:
    """One word for a site: off, held, broken, suspect, recovering, new or well."""
    if not state.site.enabled:
        return "off"
    if state.held_posts:
        return "held"
    word = verdict.health(trouble=state.site.trouble, failures=state.site.failures, empty_runs=state.site.empty_runs)
    return "new" if word == "well" and not state.site.baseline_done else word


def _queues() -> dict[str, int | None]:
    from pipeline.celery import CRAWL_QUEUE, FANOUT_QUEUE, NOTIFY_QUEUE, app
    from pipeline.publish import queue_length

    lengths: dict[str, int | None] = {}
    for queue in (CRAWL_QUEUE, FANOUT_QUEUE, NOTIFY_QUEUE):
        try:
            lengths[queue] = queue_length(app, queue)
        except (RedisError, BrokerError, OSError):
            lengths[queue] = None
    return lengths


def beat_problem() -> str | None:
    """What is wrong with beat; None when nothing is, or when Redis, where its heartbeat stands, does not answer."""
    try:
        with open_redis(get_settings()) as redis:
            return heartbeat.problem(heartbeat.beats(redis), now())
    except (RedisError, OSError):
        return None


def _failed_tasks() -> list[dict[str, Any]]:
    try:
        with open_redis(get_settings()) as redis:
            return [failed.__dict__ for failed in failed_tasks.recent(redis)]
    except (RedisError, OSError):
        # That Redis is away is said of the queues.
        return []


def needs_a_person(report: Mapping[str, Any]) -> bool:
    """Whether something will not get well by itself."""
    return (
        any(site["health"] in {"held", "broken", "suspect"} for site in report["sites"])
        or bool(report["paused_channels"])
        or bool(report["beat_problem"])
        or None in report["queues"].values()
    )


def lines(report: Mapping[str, Any]) -> list[str]:
    """The screen."""
    said = [_count_line(report), ""]
    said += [_site_line(site) for site in report["sites"]]
    if report["sites"]:
        said.append("")
    for words, key in (("last hour", "last_hour"), ("last day", "last_day")):
        pushes = ", ".join(f"{count} {what}" for what, count in report[key]["pushes"].items()) or "no pushes"
        said.append(f"{words}: {report[key]['posts']} new posts; {pushes}")
    owed = report["owed"]
    oldest = f", the oldest since {_when(owed['oldest_pending'])}" if owed["oldest_pending"] else ""
    said.append(
        f"owed: {owed['runs']} crawls, {owed['fan_outs']} fan-outs, {owed['pending']} notifications{oldest}; "
        f"{owed['sending']} being sent, {owed['failed']} failed"
    )
    said += [f"  failed because of {reason}: {count}" for reason, count in report["failed"].items()]
    said.append("queues: " + ", ".join(f"{q} {_length(n)}" for q, n in report["queues"].items()))
    if report["beat_problem"]:
        said.append(report["beat_problem"])
    said += [_failed_task_line(failed) for failed in report["failed_tasks"]]
    for channel in report["paused_channels"]:
        said.append(
            f"channel {channel['channel']} is paused since {_when(channel['since'])}: {channel['code']} "
            f"{channel['reason']} (`crawlpush channels resume {channel['channel']}`)"
        )
    for paused in report["pauses"]:
        scope = Scope(activity=paused["activity"], site=paused["site"], channel=paused["channel"])
        said.append(still_paused(Paused(scope=scope, since=paused["since"])))
    return said


def _failed_task_line(failed: Mapping[str, Any]) -> str:
    ids = ", ".join(map(str, failed["ids"]))
    return (
        f"task failed for good {failed['times']} times, last {_when(failed['at'])}: {failed['task']}({ids}), "
        f"{failed['reason']} (the sweep asks for it again)"
    )


def _site_line(site: Mapping[str, Any]) -> str:
    held = f", {site['held']} held" if site["held"] else ""
    return (
        f"  {site['name']:<20} {site['health']:<8} last {_when(site['last_crawl'])} ({site['result'] or 'never'})"
        f"  next {_when(site['next_crawl'])}  {site['posts']} posts{held}"
    )


def _count_line(report: Mapping[str, Any]) -> str:
    return (
        f"{len(report['sites'])} sites, {report['users']} users, {report['devices']} devices, "
        f"{report['subscriptions']} subscriptions to {report['phrases']} phrases"
    )


def _when(at: datetime | None) -> str:
    return local_time(at) if at else "never"


def _length(length: int | None) -> str:
    return "cannot be reached" if length is None else f"{length} waiting"


def _json_value(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
