"""`crawlpush users`."""

from typing import Any

import click

from pipeline.delivery.asking import timing_of
from pipeline.people import entries
from pipeline.people.importing import user_importer
from pipeline.resources import now
from pipeline.settings import get_settings
from scripts.files.importing import export_options, import_options, run_export, run_import
from scripts.output import (
    ask,
    in_words,
    json_option,
    limit_option,
    open_database,
    show_record,
    show_rows,
    table_options,
    yes_option,
)
from storage import export, notifications, overview, subscriptions
from storage import users as stored
from storage.models import Device, Notification, Subscription, User


@click.group()
def users() -> None:
    """The people who are notified, by the ids that the app knows them by."""


@users.command("list")
@limit_option
@table_options
def list_users(limit: int | None, *, as_json: bool) -> None:
    """List users with the numbers of their devices and subscriptions."""
    with open_database().reading() as session:
        rows = [
            {
                "user": user.external_id,
                "timezone": user.timezone,
                "paused": user.paused,
                "devices": devices,
                "subscriptions": subscribed,
            }
            for user, devices, subscribed in stored.listing(session, limit=limit)
        ]
        total = overview.how_many(session, User) if len(rows) == limit else None
    show_rows(rows, as_json=as_json, empty="no users yet: `crawlpush users add ID` makes one", total=total)


@users.command()
@click.argument("user")
@click.option("--timezone", default="UTC", show_default=True, help="The user's IANA time zone.")
def add(user: str, timezone: str) -> None:
    """Add a user by the app's own id."""
    entry = entries.user_entry({"user": user, "timezone": timezone})
    with open_database().writing() as session:
        stored.add(session, entry.user, timezone=timezone, now=now())
    click.echo(
        f"user {user} added; next: `crawlpush devices add {user} ...` and `crawlpush subscriptions add {user} ...`"
    )


@users.command()
@click.argument("user")
@json_option
def show(user: str, *, as_json: bool) -> None:
    """Show a user with devices and subscriptions."""
    with open_database().reading() as session:
        found = stored.by_external_id(session, user)
        owned = stored.devices(session, user_id=found.id, limit=1000)
        wanted = subscriptions.listing(session, user_id=found.id, limit=1000)
        badge = notifications.unread(session, found.id)
    record = {
        "user": found.external_id,
        "timezone": found.timezone,
        "paused": found.paused,
        "since": found.created_at,
        "badge": badge,
        "devices": [
            f"{device.id} {device.platform}" + (f" (disabled: {device.disabled_reason})" if device.disabled_at else "")
            for device, _ in owned
        ],
        "subscriptions": [row.describe() for row in wanted],
    }
    show_record(record, as_json=as_json)


@users.command("remove")
@click.argument("user")
@yes_option
def forget(user: str, *, yes: bool) -> None:
    """Erase a user and all that is theirs: devices, subscriptions, notifications."""
    with open_database().reading() as session:
        user_id = stored.by_external_id(session, user).id
        owned = {
            each.__tablename__: in_words(overview.how_many(session, each, user_id=user_id))
            for each in (Device, Subscription, Notification)
        }
    ask(f"Erase {user} with {', '.join(f'{count} {what}' for what, count in owned.items())}?", yes=yes)
    with open_database().writing() as session:
        stored.forget(session, user)
    click.echo(f"user {user} and all that was theirs is gone")


users.add_command(forget, "forget")


@users.command()
@click.argument("user")
def pause(user: str) -> None:
    """Match no more posts for a user until `users resume`."""
    with open_database().writing() as session:
        stored.set_paused(session, user, paused=True)
        timing_of(get_settings()).change(session, stored.by_external_id(session, user).id, now=now())
    click.echo(f"user {user} is paused")


@users.command()
@click.argument("user")
def resume(user: str) -> None:
    """Match posts for a paused user again."""
    with open_database().writing() as session:
        stored.set_paused(session, user, paused=False)
    click.echo(f"user {user} is notified again")


@users.command("import")
@import_options
def import_users(file: str, **options: Any) -> None:
    """Add or change the users in FILE (CSV or JSON Lines; - is standard input).

    Columns: user, timezone, paused. What is left out stays as it is.
    """
    run_import(user_importer(), file, **options)


@users.command("export")
@export_options
def export_users(file: str, chosen: str | None) -> None:
    """Write all users to FILE, in the form that `users import` takes."""
    run_export(
        file,
        entries.USER_COLUMNS,
        lambda session: map(entries.user_record, export.users(session)),
        chosen=chosen,
    )
