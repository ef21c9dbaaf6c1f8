"""The report of `crawlpush status` as JSON: one flat object, in which what could not be learnt is missing. Pure."""

from collections.abc import Mapping
from typing import Any

from pipeline.state.report import Activity, ChannelNews, DatabaseNews, RedisNews, Report
from storage.overview import Amount, Precision


def plain(report: Report) -> dict[str, Any]:
    """The report for `json.dumps`; moments are still datetimes."""
    return {
        "at": report.at,
        **(_of_database(report.database) if report.database else {}),
        **(_of_redis(report.redis) if report.redis else {}),
        **(
            {"queues": {name: vars(queue) for name, queue in report.queues.items()}}
            if report.queues is not None
            else {}
        ),
        "problems": [*report.problems],
        "needs_a_person": report.needs_a_person,
    }


def _of_database(news: DatabaseNews) -> dict[str, Any]:
    return {
        "sites": [vars(site) for site in news.sites],
        **{name: _amount(amount) for name, amount in news.counts.amounts.items()},
        "last_day": _activity(news.counts.last_day),
        "last_hour": _activity(news.last_hour),
        "owed": {name: _amount(value) for name, value in vars(news.owed).items()},
        "failed": {**news.failed},
        "channels": [_channel(channel) for channel in news.channels],
        "pauses": [{**vars(paused.scope), "since": paused.since} for paused in news.pauses],
    }


def _of_redis(news: RedisNews) -> dict[str, Any]:
    return {
        "failed_tasks": [vars(failed) for failed in news.failed_tasks],
        "heartbeat": news.heartbeat,
        "beat_problem": news.beat_problem,
        "dispatcher_problem": news.dispatcher_problem,
        "brought_back": news.brought_back and vars(news.brought_back),
    }


def _channel(news: ChannelNews) -> dict[str, Any]:
    fault, trouble = news.fault, news.trouble
    return {
        "channel": news.channel,
        "state": "paused" if fault else "open",
        "since": fault and fault.paused_at,
        "until": fault and fault.paused_until,
        "code": fault and fault.code,
        "reason": fault and fault.reason,
        "trouble_since": trouble and trouble.trouble_since,
        "trouble": trouble and trouble.trouble_code,
        "refused": dict(news.refused),
    }


def _activity(seen: Activity) -> dict[str, Any]:
    return {"posts": _amount(seen.posts), "pushes": {what: _amount(count) for what, count in seen.pushes.items()}}


def _amount(value: Any) -> Any:
    """A number, or several by name; with its precision only where it is not exact."""
    if isinstance(value, Mapping):
        return {name: _amount(amount) for name, amount in value.items()}
    if not isinstance(value, Amount):
        return value
    if value.precision is Precision.EXACT:
        return value.count
    return {"count": value.count, "precision": str(value.precision)}
