"""`crawlpush channels`."""

import click

from pipeline.push.message import Platform
from scripts.output import json_option, open_database, show_rows
from storage import channels as stored


@click.group()
def channels() -> None:
    """The roads to the phones: FCM, APNs, console."""


@channels.command("list")
@json_option
def list_channels(*, as_json: bool) -> None:
    """Show which channels are paused, since when and why."""
    with open_database().reading() as session:
        paused = {state.name: state for state in stored.paused(session)}
    rows = [
        {
            "channel": name,
            "state": "paused" if name in paused else "open",
            "since": paused[name].paused_at if name in paused else None,
            "code": paused[name].code if name in paused else None,
            "reason": paused[name].reason if name in paused else None,
        }
        for name in Platform
    ]
    show_rows(rows, as_json=as_json, empty="")


@channels.command()
@click.argument("channel", type=click.Choice(list(Platform)))
def resume(channel: str) -> None:
    """Open a paused channel at once; what waits for it is sent within a minute."""
    with open_database().writing() as session:
        was_paused = stored.resume(session, channel)
    click.echo(f"{channel} is open" + ("" if was_paused else " (it was not paused)"))
