"""`crawlpush channels`."""

import click

from pipeline.push.message import Platform
from pipeline.resources import now
from scripts.output import open_database, show_rows, table_options
from scripts.state.pauses import still_paused
from storage import channels as stored
from storage import pauses


@click.group()
def channels() -> None:
    """The roads to the phones: FCM, APNs, console."""


@channels.command("list")
@table_options
def list_channels(*, as_json: bool) -> None:
    """Show which channels are paused, since when and why; one that only an operator's pause closes is held."""
    with open_database().reading() as session:
        paused = {state.name: state for state in stored.paused(session)}
        held = pauses.closed(session).held
    rows = [
        {
            "channel": name,
            "state": "paused" if name in paused else "held" if held & {"push", name} else "open",
            "since": paused[name].paused_at if name in paused else None,
            "code": paused[name].code if name in paused else None,
            "reason": paused[name].reason if name in paused else None,
        }
        for name in Platform
    ]
    show_rows(rows, as_json=as_json, empty="")


@channels.command()
@click.argument("channel", type=click.Choice([str(platform) for platform in Platform]))
def resume(channel: str) -> None:
    """Open a paused channel at once; what waits for it is due immediately."""
    with open_database().writing() as session:
        resumed = stored.resume(session, channel, now=now())
        holding = [p for p in pauses.in_force(session) if p.scope.hold in {"push", channel}]
    for pause in holding:
        click.echo(still_paused(pause))
    if resumed is None:
        click.echo(f"{channel} had no fault" if holding else f"{channel} is open (it was not paused)")
        return
    state = "has no fault any more" if holding else "is open"
    click.echo(f"{channel} {state}; {_count(resumed.notifications, 'notification')} waited for it and go out now")
    if resumed.devices:
        click.echo(f"{_count(resumed.devices, 'device')} disabled because of {resumed.code} work again")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
