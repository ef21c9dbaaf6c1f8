"""`crawlpush resume`: let go what `crawlpush pause` holds back."""

from collections.abc import Sequence

import click
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from pipeline.resources import now
from scripts.output import open_database
from scripts.state.pauses import pause_options, pause_scopes, scope_words, still_paused
from storage import pauses, sites
from storage.pauses import Resumed, Scope


@click.command()
@pause_options
def resume(*, what: str, site: str | None, channel: str | None) -> None:
    """Let go what `pause` with the same words holds. What is due goes out at once, no faster than usual."""
    runs: list[int] = []
    with open_database().writing() as session:
        for scope in pause_scopes(what, site, channel):
            if site is not None:
                sites.by_name(session, site)
            resumed = pauses.end(session, scope, now=now())
            click.echo(_resumed(scope, resumed))
            runs += resumed.runs if resumed else ()
        others = pauses.in_force(session)
    _enqueue(runs)
    for paused in others:
        click.echo(still_paused(paused))


def _enqueue(runs: Sequence[int]) -> None:
    if not runs:
        return
    from pipeline.tasks.crawl import enqueue_crawls

    try:
        enqueue_crawls(runs)
    except (RedisError, BrokerError, OSError):
        click.echo("Redis cannot be reached: the sweep sends for these crawls when it is back")


def _resumed(scope: Scope, resumed: Resumed | None) -> str:
    if resumed is None:
        return f"{scope_words(scope).removeprefix('all ')} were not paused"
    if scope.activity == "crawl":
        return (
            f"{scope_words(scope)} go on; {len(resumed.runs)} owed crawls are enqueued, the next tick finds what is due"
        )
    return f"{scope_words(scope)} go on; {resumed.notifications} notifications waited for this and go out now"
