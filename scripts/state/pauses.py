"""Pauses by an operator: the words in which a command is told of one, and those in which it is shown."""

from collections.abc import Sequence

import click

from pipeline.push.message import Platform
from scripts.output import Command, local_time
from storage.pauses import Activity, Paused, Scope


def pause_options(command: Command) -> Command:
    """Add what is paused or resumed to a command: the same words for both."""
    for decorator in (
        click.option(
            "--channel", type=click.Choice([str(platform) for platform in Platform]), help="Only pushes over this road."
        ),
        click.option("--site", help="Only this site's crawls, or the pushes of its posts."),
        click.argument("what", type=click.Choice(["crawl", "push", "all"])),
    ):
        command = decorator(command)
    return command


def pause_scopes(what: str, site: str | None, channel: str | None) -> Sequence[Scope]:
    """The scopes that the words of a command name. Raises UsageError when they cannot be together."""
    if channel is not None and what != "push":
        raise click.UsageError(f"--channel is about pushes, not {what}: say `push`, or leave it out")
    if channel is not None and site is not None:
        raise click.UsageError("either --site or --channel: a pause is about a site's pushes or about a channel")
    activities: tuple[Activity, ...] = ("crawl", "push")
    return [Scope(activity=a, site=site, channel=channel) for a in activities if what in (a, "all")]


def scope_words(scope: Scope) -> str:
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
        f"{scope_words(scope)} are paused by an operator since {local_time(paused.since)} "
        f"(`crawlpush resume {scope.activity}{option}`)"
    )
