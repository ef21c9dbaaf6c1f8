"""`crawlpush status`: everything that matters, on one screen."""

import json
import time
from contextlib import closing
from datetime import datetime
from typing import Any

import click

from pipeline.locks import open_redis
from pipeline.settings import get_settings
from pipeline.state.report import Report, Reporter
from scripts.output import json_option, local_time
from scripts.state.plain import plain
from scripts.state.screen import lines
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
            click.echo(line)
    if report.needs_a_person:
        ctx.exit(1)


def watch(reporter: Reporter, every_s: float) -> None:
    """Show the screen in place until Ctrl-C; one below the other where there is no terminal."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console()
    try:
        if not console.is_terminal:
            while True:
                click.echo(f"{_screen(reporter.report())}\n")
                time.sleep(every_s)
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(Text(_screen(reporter.report())), refresh=True)
                time.sleep(every_s)
    except KeyboardInterrupt:
        return


def _screen(report: Report) -> str:
    return "\n".join([f"crawlpush, {local_time(report.at)} (Ctrl-C ends this)", "", *lines(report)])


def _json_value(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
