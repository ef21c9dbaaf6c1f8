"""`crawlpush pause`: hold crawls or pushes back."""

import click

from pipeline.resources import now
from scripts.output import open_database
from scripts.state.pauses import pause_options, pause_scopes, scope_words
from storage import pauses, sites


@click.command()
@pause_options
def pause(*, what: str, site: str | None, channel: str | None) -> None:
    """Hold back crawls, pushes or both, until they are resumed. Nothing is lost.

    A crawl that runs is broken off and done again; posts that are found are still matched; notifications wait, and
    those whose time to live ends meanwhile are skipped.
    """
    with open_database().writing() as session:
        for scope in pause_scopes(what, site, channel):
            if site is not None:
                sites.by_name(session, site)
            began = pauses.begin(session, scope, now=now())
            click.echo(f"{scope_words(scope)} are paused{'' if began else ' already'}")
