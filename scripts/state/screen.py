"""The screen of `crawlpush status`: what is in trouble line by line, what is well summed up. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from pipeline.basics.durations import rounded_duration
from pipeline.basics.text import printable
from pipeline.push.message import Platform
from pipeline.state.report import TROUBLED, Activity, ChannelNews, DatabaseNews, QueueNews, Report, SiteNews
from pipeline.upkeep.brought_back import BroughtBack
from pipeline.upkeep.failed_tasks import FailedTask
from scripts.ago import since
from scripts.output import in_words, local_time
from scripts.state.pauses import still_paused
from storage.overview import Amount

SITES_LISTED = 12
"""So many sites have a line each, those in trouble first."""
TASKS_LISTED = 5
READERS = {"crawl_tasks": "crawler", "fanout_tasks": "dispatcher", "notify_tasks": "notifier"}
"""The process of the Procfile that reads a queue."""

When = Callable[[datetime | None], str]


class Line(str):
    """A line of the screen, and the color in which a terminal shows it: red where it needs a person."""

    __slots__ = ("color",)
    color: str | None

    @classmethod
    def of(cls, text: str, color: str | None = None) -> "Line":
        """A line without whatever a terminal would obey, in the color that it has already, or else this one."""
        line = cls(printable(text))
        line.color = getattr(text, "color", color)
        return line


def _red(text: str) -> Line:
    return Line.of(text, "red")


def _yellow(text: str) -> Line:
    return Line.of(text, "yellow")


def lines(report: Report, *, when: When = local_time) -> list[Line]:
    """The screen; `when` says a moment."""
    said: list[str] = [_red(problem) for problem in report.problems]
    if report.database:
        said += _of_database(report.database, report.at, when)
    if report.queues is not None:
        queues = "queues: " + ", ".join(_queue(name, queue) for name, queue in report.queues.items())
        said.append(_red(queues) if any(queue.late for queue in report.queues.values()) else queues)
    if report.database:
        said += _channels(report.database.channels, when)
        said += [_yellow(still_paused(pause)) for pause in report.database.pauses]
    if report.redis:
        said += [_red(problem) for problem in (report.redis.beat_problem, report.redis.dispatcher_problem) if problem]
        if not report.redis.beat_problem:
            said.append(f"beat: last heartbeat {when(report.redis.heartbeat)}")
        said += map(_yellow, _brought_back(report.redis.brought_back, when))
        said += map(_yellow, _failed_tasks(report.redis.failed_tasks, when))
    return [Line.of(line) for line in said]


def _of_database(news: DatabaseNews, at: datetime, when: When) -> list[str]:
    return [
        _people(news.counts.amounts),
        "",
        *_sites(news.sites, at, when),
        "",
        _activity("last hour", news.last_hour),
        _activity("last day", news.counts.last_day),
        *_owed(news, at, when),
    ]


def _people(amounts: Mapping[str, Amount]) -> str:
    users, devices, subscriptions, phrases = (
        in_words(amounts[name]) for name in ("users", "devices", "subscriptions", "phrases")
    )
    return f"{users} users, {devices} devices, {subscriptions} subscriptions to {phrases} phrases"


def _sites(sites: Sequence[SiteNews], at: datetime, when: When) -> Iterator[str]:
    healths = Counter(site.health for site in sites)
    summary = ", ".join(f"{count} {word}" for word, count in healths.most_common())
    yield f"sites: {len(sites)}" + (f" ({summary})" if summary else "")
    crawled = [(site.last_crawl, site) for site in sites if site.last_crawl]
    if crawled:
        last_at, last = max(crawled, key=lambda each: each[0])
        yield f"last crawl: {last.name} at {when(last_at)} ({last.result})"
    waiting = [(site.next_crawl, site) for site in sites if site.next_crawl]
    if waiting:
        next_at, following = min(waiting, key=lambda each: each[0])
        due = sum(moment <= at for moment, _ in waiting)
        yield f"next crawl: {following.name} at {when(next_at)}" + (f" ({due} due)" if due else "")
    troubled = [site for site in sites if site.health in TROUBLED]
    # With few sites each has its line; with many, only what a person has to look at.
    listed = troubled + [s for s in sites if s not in troubled] if len(sites) <= SITES_LISTED else troubled
    for site in listed[:SITES_LISTED]:
        yield _red(_site(site, at)) if site in troubled else _site(site, at)
    if len(listed) > SITES_LISTED:
        yield f"  and {len(listed) - SITES_LISTED} more in trouble: `crawlpush sites list`"


def _site(site: SiteNews, at: datetime) -> str:
    held = f", {site.held} held (`crawlpush sites release {site.name}` or drop)" if site.held else ""
    began, last, following = (
        since(moment, at) if moment else None for moment in (site.trouble_since, site.last_crawl, site.next_crawl)
    )
    crawled = f"crawled {last} ({site.result})" if last else "never crawled"
    trouble = f" (began {began})" if began else ""
    return (
        f"  {site.name:<16} {site.health:<8}{trouble} {crawled}, next {following or 'never'}, {site.posts} posts{held}"
    )


def _activity(words: str, seen: Activity) -> str:
    pushes = ", ".join(f"{in_words(count)} {what}" for what, count in seen.pushes.items()) or "no pushes"
    return f"{words}: {in_words(seen.posts)} new posts; {pushes}"


def _owed(news: DatabaseNews, at: datetime, when: When) -> Iterator[str]:
    owed = news.owed
    overdue = owed.due_since is not None and owed.due_since <= at
    since = f" (due since {when(owed.due_since)})" if overdue else ""
    yield (
        f"owed: {in_words(owed.runs)} crawls, {in_words(owed.fan_outs)} fan-outs, "
        f"{in_words(owed.pending)} notifications{since}; "
        f"{in_words(owed.sending)} being sent, {in_words(owed.failed)} failed"
    )
    if owed.waiting:
        waiting = ", ".join(f"{in_words(count)} {reason}" for reason, count in owed.waiting.items())
        yield f"  wait for their users' time: {waiting}"
    for reason, count in news.failed.items():
        yield f"  failed because of {reason}: {count:,}"


def _queue(name: str, queue: QueueNews) -> str:
    oldest = f", the oldest for {rounded_duration(queue.oldest_s)}" if queue.oldest_s else ""
    late = f" (late: does a {READERS[name]} run?)" if queue.late else ""
    return f"{name} {queue.length:,} waiting{oldest}{late}"


def _channels(channels: Sequence[ChannelNews], when: When) -> Iterator[str]:
    opened = [channel.channel for channel in channels if not channel.fault]
    if opened:
        yield f"channels open: {', '.join(opened)}"
    if absent := [platform for platform in Platform if platform not in {each.channel for each in channels}]:
        yield f"not set up: {', '.join(absent)}"
    for channel in channels:
        if fault := channel.fault:
            yield _red(
                f"channel {channel.channel} is paused since {when(fault.paused_at)}, next try "
                f"{when(fault.paused_until)}: {fault.code} {fault.reason} "
                f"(`crawlpush channels resume {channel.channel}`)"
            )
        if trouble := channel.trouble:
            yield _red(
                f"channel {channel.channel}: its vendor takes nothing since {when(trouble.trouble_since)}: "
                f"{trouble.trouble_code} {trouble.trouble_detail}"
            )
        for code, count in channel.refused.items():
            refused = f"{count:,} phones are refused because of {code}, the others are not"
            yield _yellow(f"channel {channel.channel}: {refused}")


def _failed_tasks(failed: Sequence[FailedTask], when: When) -> Iterator[str]:
    for task in failed[:TASKS_LISTED]:
        ids = ", ".join(map(str, task.ids))
        yield (
            f"task failed for good {task.times} times, last {when(task.at)}: {task.task}({ids}), "
            f"{task.reason} (the sweep asks for it again)"
        )
    if len(failed) > TASKS_LISTED:
        yield f"and {len(failed) - TASKS_LISTED} more reasons why tasks failed: `crawlpush status --json`"


def _brought_back(mended: BroughtBack | None, when: When) -> Iterator[str]:
    if mended:
        yield (
            f"times too far ahead were brought back, {mended.count:,} of them, last {when(mended.at)}: a machine's "
            "clock was wrong"
        )
