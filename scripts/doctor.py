"""`crawlpush doctor`: what is wrong with this installation, in words, with the way out."""

from collections.abc import Sequence

import click

from pipeline import heartbeat, startup
from pipeline.crawling import missing_contact
from pipeline.locks import open_redis
from pipeline.push.channels import Finding, Level, check_credentials
from pipeline.push.clock import check_clock
from pipeline.push_settings import push_config
from pipeline.resources import now
from pipeline.settings import get_settings

_COLORS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


@click.group()
def doctor() -> None:
    """Check this installation. The exit code is 1 when something is wrong."""


@doctor.command()
@click.option("--clock/--no-clock", default=True, help="Compare the clock with FCM's, over the network.")
@click.pass_context
def push(ctx: click.Context, *, clock: bool) -> None:
    """Check the credentials of FCM and APNs (format, permissions, key id, project) and the clock."""
    config = push_config(get_settings())
    findings = check_credentials(config)
    if clock:
        findings.append(check_clock(config))
    report(ctx, findings)


@doctor.command()
@click.pass_context
def crawling(ctx: click.Context) -> None:
    """Check that beat lives, and that the sites can see whom to write to."""
    settings = get_settings()
    startup.check_redis(settings)
    with open_redis(settings) as redis:
        stale = heartbeat.problem(heartbeat.beats(redis), now())
    contact = missing_contact(settings)
    report(
        ctx,
        [
            Finding(level=Level.FAIL, sentence=stale) if stale else Finding(level=Level.OK, sentence="beat is alive"),
            Finding(level=Level.WARN, sentence=contact)
            if contact
            else Finding(level=Level.OK, sentence="the User-Agent is as it should be"),
        ],
    )


def report(ctx: click.Context, findings: Sequence[Finding]) -> None:
    """Print findings, and end with 1 when one of them is a failure."""
    for finding in findings:
        click.echo(f"{click.style(f'{finding.level:<4}', fg=_COLORS[finding.level])}  {finding.sentence}")
    if any(finding.level is Level.FAIL for finding in findings):
        ctx.exit(1)
