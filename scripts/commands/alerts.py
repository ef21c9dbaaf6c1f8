"""`crawlpush alerts`: messages to the people who run it."""

import click

from pipeline.settings import get_settings
from scripts.errors import CommandError


@click.group()
def alerts() -> None:
    """Messages to the operators: a site is broken, a channel paused, beat gone, a queue too old."""


@alerts.command()
@click.pass_context
def test(ctx: click.Context) -> None:
    """Send one message to each of ALERT_URLS, and say whether it went. The exit code is 1 when one did not."""
    from pipeline.alerts.sending import send
    from pipeline.alerts.watching import letter

    urls = get_settings().alert_destinations
    if not urls:
        raise CommandError("ALERT_URLS is not set: name where alerts go, such as mailto://... or slack://... (Apprise)")
    answers = send([letter(url, ["This is a test: alerts of crawlpush reach you."]) for url in urls])
    for answer in answers:
        click.echo(f"{answer.scheme}: " + ("sent" if answer.ok else f"not sent: {answer.reason}"))
    if not all(answer.ok for answer in answers):
        ctx.exit(1)
