"""`crawlpush status`: everything that matters, on one screen."""

import json
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from typing import Any

import click

from pipeline.locks import open_redis
from pipeline.settings import get_settings
from pipeline.state.report import Activity, ChannelNews, DatabaseNews, RedisNews, Report, Reporter
from scripts.output import json_option, local_time
from scripts.state.screen import Line, lines
from storage.overview import Amount, Precision
from storage.session import Database

WATCH_S = 5.0


@click.command()
@click.option(
    "--watch",
    "every_s",
    type=click.FloatRange(min=0.5, max=86_400),
    is_flag=False,
    flag_value=WATCH_S,
    metavar="[SECONDS]",
    help=f"Show it again every so many seconds (default: {WATCH_S:g}) until Ctrl-C.",
)
@json_option
@click.pass_context
def status(ctx: click.Context, *, every_s: float | None, as_json: bool) -> None:
    """Sum up sites, posts, pushes, queues and channels. The exit code is 1 when something needs a person."""
    if every_s is not None and as_json:
        raise click.UsageError("--watch shows a screen, and --json prints once: choose one")
    settings = get_settings()
    with closing(Database(settings.database)) as database, open_redis(settings) as redis:
        reporter = Reporter(settings, database, redis)
        if every_s is not None:
            watch(reporter, every_s)
            return
        report = reporter.report()
    if as_json:
        click.echo(json.dumps(plain(report), ensure_ascii=False, indent=2, default=_json_value))
    else:
        for line in lines(report):
            click.echo(click.style(line, fg=line.color) if line.color else line)
    if report.needs_a_person:
        ctx.exit(1)


def watch(reporter: Reporter, every_s: float) -> None:
    """Show the screen in place until Ctrl-C; one below the other where there is no terminal."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    color = click.get_current_context().color
    console = Console(no_color=color is False or None)
    try:
        if not console.is_terminal:
            while True:
                click.echo("".join(f"{line}\n" for line in _screen(reporter.report())))
                time.sleep(every_s)
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                screen = [Text(f"{line}\n", line.color or "") for line in _screen(reporter.report())]
                live.update(Text.assemble(*screen), refresh=True)
                time.sleep(every_s)
    except KeyboardInterrupt:
        return


def _screen(report: Report) -> list[Line]:
    return [Line.of(f"crawlpush, {local_time(report.at)} (Ctrl-C ends this)"), Line.of(""), *lines(report)]


def _json_value(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


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
