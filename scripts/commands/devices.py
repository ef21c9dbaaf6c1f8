"""`crawlpush devices`."""

from typing import Any

import click

from pipeline.people import entries
from pipeline.people.importing import device_importer
from pipeline.push.message import Platform
from pipeline.resources import now
from scripts.files.importing import export_options, import_options, run_export, run_import
from scripts.lists import cut, list_options
from scripts.output import ID, open_database, shortened_token, show_rows
from storage import export
from storage import users as stored
from storage.models import Device
from storage.parts import Part, conditions

platform_option = click.option(
    "--platform",
    type=click.Choice([str(platform) for platform in Platform]),
    required=True,
    help="fcm: Android; apns: iPhone; console: the log.",
)


@click.group()
def devices() -> None:
    """The phones that pushes go to."""


@devices.command("list")
@click.option("--user", help="Only this user's.")
@list_options()
def list_devices(user: str | None, part: Part, *, as_json: bool) -> None:
    """List devices. Tokens are shown in part only."""
    with open_database().reading() as session:
        which = conditions(session, Device, part)
        user_id = stored.by_external_id(session, user).id if user else None
        rows = [
            {
                "id": device.id,
                "user": owner,
                "platform": device.platform,
                "token": shortened_token(device.token),
                "environment": device.environment,
                "last_seen": device.last_seen_at,
                "disabled": device.disabled_reason if device.disabled_at else None,
            }
            for device, owner in stored.devices(session, *which, user_id=user_id, limit=part.limit)
        ]
        rest = cut(session, Device, part, rows, *which, user_id=user_id)
    show_rows(
        rows,
        as_json=as_json,
        empty="no devices: `crawlpush devices add` registers one",
        narrow=("id", "user", "platform", "token", "last_seen", "disabled"),
        cut=rest,
    )


@devices.command()
@click.argument("user")
@platform_option
@click.option("--token", required=True, help="The token that the app got from FCM or APNs.")
@click.option("--environment", type=click.Choice(["production", "sandbox"]), help="APNs only, if known.")
def add(user: str, platform: str, token: str, environment: str | None) -> None:
    """Register a device of a user, as an app does at each start.

    A token that was another user's moves here; one that was disabled is enabled again.
    """
    if environment and platform != "apns":
        raise click.ClickException("--environment is about APNs; leave it out for other platforms")
    with open_database().writing() as session:
        owner = stored.by_external_id(session, user)
        device, former = stored.register_device(
            session, owner.id, platform=platform, token=token, environment=environment, now=now()
        )
    moved = "; it was another user's before, who gets nothing on it any more" if former else ""
    click.echo(f"device {device.id} ({platform}) belongs to {user}{moved}")


@devices.command()
@click.argument("old")
@click.argument("new")
@platform_option
def replace(old: str, new: str, platform: str) -> None:
    """Replace a token that the vendor refreshed, OLD by NEW."""
    with open_database().writing() as session:
        device = stored.replace_token(session, platform, old, new, now=now())
    click.echo(f"device {device.id} has its new token")


@devices.command()
@click.argument("device", type=ID)
def remove(device: int) -> None:
    """Remove a device by its id."""
    with open_database().writing() as session:
        stored.remove_device(session, device)
    click.echo(f"device {device} is gone")


@devices.command("import")
@import_options
@click.option("--add-users", is_flag=True, help="Add users that are not there, instead of refusing the line.")
def import_devices(file: str, *, add_users: bool, **options: Any) -> None:
    """Register the devices in FILE (CSV or JSON Lines; - is standard input), as `devices add` does.

    Columns: user, platform, token, environment.
    """
    run_import(device_importer(add_users=add_users), file, **options)


@devices.command("export")
@export_options
def export_devices(file: str, chosen: str | None) -> None:
    """Write all enabled devices, with their tokens, to FILE, in the form that `devices import` takes."""
    run_export(file, chosen, entries.DEVICE_COLUMNS, entries.device_record, export.devices)
