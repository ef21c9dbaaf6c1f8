"""The screen of `crawlpush status`: what is in trouble line by line, what is well summed up. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline.basics.durations import rounded_duration
from pipeline.basics.text import printable
from scripts.output import local_time
from scripts.state.pauses import still_paused
from scripts.state.report import TROUBLED
from storage.pauses import Paused, Scope

SITES_LISTED = 12
"""So many sites have a line each, those in trouble first."""
TASKS_LISTED = 5

Data = Mapping[str, Any]


def lines(report: Data, *, when: Callable[[datetime | None], str] = local_time) -> list[str]:
    """The screen; `when` says a moment."""
    said = [*report["problems"]]
    if "sites" in report:
        said += [_people(report), "", *_sites(report["sites"], report["at"], when), ""]
        said += [_activity(words, report[key]) for words, key in (("last hour", "last_hour"), ("last day", "last_day"))]
        said += _owed(report, when)
    if "queues" in report:
        said.append("queues: " + ", ".join(_queue(name, state) for name, state in report["queues"].items()))
    if "channels" in report:
        said += _channels(report["channels"], when)
    if "pauses" in report:
        said += _pauses(report["pauses"])
    if "beat_problem" in report:
        said.append(report["beat_problem"] or f"beat: last heartbeat {when(report['heartbeat'])}")
        said += _failed_tasks(report["failed_tasks"], when)
    return [printable(line) for line in said]


def amount(value: Any) -> str:
    """A number as people write it, with a word where it is not exact."""
    if not isinstance(value, Mapping):
        return f"{value:,}"
    return f"{value['count']:,}+" if value["precision"] == "at least" else f"{value['precision']} {value['count']:,}"


def _people(report: Data) -> str:
    users, devices, subscriptions, phrases = (
        amount(report[name]) for name in ("users", "devices", "subscriptions", "phrases")
    )
    return f"{users} users, {devices} devices, {subscriptions} subscriptions to {phrases} phrases"


def _sites(sites: Sequence[Data], at: datetime, when: Callable[[datetime | None], str]) -> Iterator[str]:
    healths = Counter(site["health"] for site in sites)
    summary = ", ".join(f"{count} {word}" for word, count in healths.most_common())
    yield f"sites: {len(sites)}" + (f" ({summary})" if summary else "")
    crawled = [site for site in sites if site["last_crawl"]]
    if crawled:
        last = max(crawled, key=lambda site: site["last_crawl"])
        yield f"last crawl: {last['name']} at {when(last['last_crawl'])} ({last['result']})"
    waiting = [site for site in sites if site["next_crawl"]]
    if waiting:
        following = min(waiting, key=lambda site: site["next_crawl"])
        due = sum(site["next_crawl"] <= at for site in waiting)
        yield f"next crawl: {following['name']} at {when(following['next_crawl'])}" + (f" ({due} due)" if due else "")
    troubled = [site for site in sites if site["health"] in TROUBLED]
    # With few sites each has its line; with many, only what a person has to look at.
    listed = troubled + [s for s in sites if s not in troubled] if len(sites) <= SITES_LISTED else troubled
    yield from (_site(site, when) for site in listed[:SITES_LISTED])
    if len(listed) > SITES_LISTED:
        yield f"  and {len(listed) - SITES_LISTED} more in trouble: `crawlpush sites list`"


def _site(site: Data, when: Callable[[datetime | None], str]) -> str:
    held = f", {site['held']} held (`crawlpush sites release {site['name']}` or drop)" if site["held"] else ""
    since = f" since {when(site['trouble_since'])}" if site["trouble_since"] else ""
    return (
        f"  {site['name']:<20} {site['health']:<8}{since} last {_or_never(site['last_crawl'], when)} "
        f"({site['result'] or 'never'})  next {_or_never(site['next_crawl'], when)}  {site['posts']} posts{held}"
    )


def _activity(words: str, seen: Data) -> str:
    pushes = ", ".join(f"{amount(count)} {what}" for what, count in seen["pushes"].items()) or "no pushes"
    return f"{words}: {amount(seen['posts'])} new posts; {pushes}"


def _owed(report: Data, when: Callable[[datetime | None], str]) -> Iterator[str]:
    owed = report["owed"]
    overdue = owed["due_since"] is not None and owed["due_since"] <= report["at"]
    since = f" (due since {when(owed['due_since'])})" if overdue else ""
    yield (
        f"owed: {amount(owed['runs'])} crawls, {amount(owed['fan_outs'])} fan-outs, "
        f"{amount(owed['pending'])} notifications{since}; "
        f"{amount(owed['sending'])} being sent, {amount(owed['failed'])} failed"
    )
    for reason, count in report["failed"].items():
        yield f"  failed because of {reason}: {count:,}"


def _queue(name: str, state: Data) -> str:
    oldest = f", the oldest for {rounded_duration(state['oldest_s'])}" if state["oldest_s"] else ""
    return f"{name} {state['length']:,} waiting{oldest}"


def _channels(channels: Sequence[Data], when: Callable[[datetime | None], str]) -> Iterator[str]:
    opened = [channel["channel"] for channel in channels if channel["state"] == "open"]
    if opened:
        yield f"channels open: {', '.join(opened)}"
    for channel in channels:
        if channel["state"] == "paused":
            yield (
                f"channel {channel['channel']} is paused since {when(channel['since'])}, next try "
                f"{when(channel['until'])}: {channel['code']} {channel['reason']} "
                f"(`crawlpush channels resume {channel['channel']}`)"
            )


def _pauses(pauses: Sequence[Data]) -> Iterator[str]:
    for paused in pauses:
        scope = Scope(activity=paused["activity"], site=paused["site"], channel=paused["channel"])
        yield still_paused(Paused(scope=scope, since=paused["since"]))


def _failed_tasks(failed: Sequence[Data], when: Callable[[datetime | None], str]) -> Iterator[str]:
    for task in failed[:TASKS_LISTED]:
        ids = ", ".join(map(str, task["ids"]))
        yield (
            f"task failed for good {task['times']} times, last {when(task['at'])}: {task['task']}({ids}), "
            f"{task['reason']} (the sweep asks for it again)"
        )
    if len(failed) > TASKS_LISTED:
        yield f"and {len(failed) - TASKS_LISTED} more reasons why tasks failed: `crawlpush status --json`"


def _or_never(at: datetime | None, when: Callable[[datetime | None], str]) -> str:
    return when(at) if at else "never"
