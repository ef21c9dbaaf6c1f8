"""`crawlpush pause` and `crawlpush resume`: hold crawls or pushes back, and let them go again."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from pipeline.push.message import Platform
from pipeline.resources import now
from scripts.output import local_time, open_database
from storage import pauses, sites
from storage.pauses import Activity, Paused, Resumed, Scope

Command = TypeVar("Command", bound=Callable[..., Any])


def _what(command: Command) -> Command:
    """What is paused or resumed: the same words for both."""
    for decorator in (
        click.option(
            "--channel", type=click.Choice([str(platform) for platform in Platform]), help="Only pushes over this road."
        ),
        click.option("--site", help="Only this site's crawls, or the pushes of its posts."),
        click.argument("what", type=click.Choice(["crawl", "push", "all"])),
    ):
        command = decorator(command)
    return command


@click.command()
@_what
def pause(*, what: str, site: str | None, channel: str | None) -> None:
    """Hold back crawls, pushes or both, until they are resumed. Nothing is lost.

    A crawl that runs is broken off and done again; posts that are found are still matched; notifications wait, and
    those whose time to live ends meanwhile are skipped.
    """
    with open_database().writing() as session:
        for scope in _scopes(what, site, channel):
            if site is not None:
                sites.by_name(session, site)
            began = pauses.begin(session, scope, now=now())
            click.echo(f"{words(scope)} are paused{'' if began else ' already'}")


@click.command()
@_what
def resume(*, what: str, site: str | None, channel: str | None) -> None:
    """Let go what `pause` with the same words holds. What is due goes out at once, no faster than usual."""
    runs: list[int] = []
    with open_database().writing() as session:
        for scope in _scopes(what, site, channel):
            if site is not None:
                sites.by_name(session, site)
            resumed = pauses.end(session, scope, now=now())
            click.echo(_resumed(scope, resumed))
            runs += resumed.runs if resumed else ()
        others = pauses.in_force(session)
    _enqueue(runs)
    for paused in others:
        click.echo(still_paused(paused))


def _scopes(what: str, site: str | None, channel: str | None) -> Sequence[Scope]:
    if channel is not None and what != "push":
        raise click.UsageError(f"--channel is about pushes, not {what}: say `push`, or leave it out")
    if channel is not None and site is not None:
        raise click.UsageError("either --site or --channel: a pause is about a site's pushes or about a channel")
    activities: tuple[Activity, ...] = ("crawl", "push")
    return [Scope(activity=a, site=site, channel=channel) for a in activities if what in (a, "all")]


def _enqueue(runs: Sequence[int]) -> None:
    if not runs:
        return
    from pipeline.tasks.crawl import enqueue_crawls

    try:
        enqueue_crawls(runs)
    except (RedisError, BrokerError, OSError):
        click.echo("Redis cannot be reached: the sweep sends for these crawls when it is back")


def words(scope: Scope) -> str:
    """What a scope is about."""
    if scope.activity == "crawl":
        return f"crawls of {scope.site}" if scope.site else "all crawls"
    if scope.site:
        return f"pushes of posts of {scope.site}"
    return f"pushes over {scope.channel}" if scope.channel else "all pushes"


def still_paused(paused: Paused) -> str:
    """A pause that is in force, and how to end it."""
    scope = paused.scope
    option = f" --site {scope.site}" if scope.site else f" --channel {scope.channel}" if scope.channel else ""
    return (
        f"{words(scope)} are paused by an operator since {local_time(paused.since)} "
        f"(`crawlpush resume {scope.activity}{option}`)"
    )


def _resumed(scope: Scope, resumed: Resumed | None) -> str:
    if resumed is None:
        return f"{words(scope)} were not paused"
    if scope.activity == "crawl":
        return f"{words(scope)} go on; {len(resumed.runs)} owed crawls are enqueued, the next tick finds what is due"
    return f"{words(scope)} go on; {resumed.notifications} notifications waited for this and go out now"
