"""`crawlpush users`."""

from dataclasses import replace
from typing import Any

import click

from pipeline.basics.week_hours import NONE
from pipeline.delivery.asking import timing_of
from pipeline.people import entries, storing, wishes
from pipeline.people.importing import user_importer
from pipeline.resources import now
from pipeline.settings import get_settings
from scripts.asking import Ask, asks_first
from scripts.files.importing import export_options, import_options, run_export, run_import
from scripts.lists import cut, list_options
from scripts.output import in_words, json_option, local_time, open_database, show_record, show_rows
from storage import export, inbox, overview, subscriptions
from storage import users as stored
from storage.models import Device, Notification, Subscription, User
from storage.parts import Part, conditions


@click.group()
def users() -> None:
    """The people who are notified, by the ids that the app knows them by."""


@users.command("list")
@list_options(named=True)
def list_users(part: Part, *, as_json: bool) -> None:
    """List users with the numbers of their devices and subscriptions."""
    with open_database().reading() as session:
        which = conditions(session, User, part)
        rows = [
            {
                "user": user.external_id,
                "timezone": user.timezone,
                "paused": user.paused,
                "devices": devices,
                "subscriptions": subscribed,
            }
            for user, devices, subscribed in stored.listing(session, *which, limit=part.limit)
        ]
        rest = cut(session, User, part, rows, *which)
    show_rows(rows, as_json=as_json, empty="no users: `crawlpush users add ID` makes one", cut=rest)


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


@users.command("set")
@click.argument("user")
@click.option("--timezone", help="The user's IANA time zone, in which all times of day are meant.")
@click.option(
    "--quiet-hours", metavar="HOURS", help='No pushes then: "22:00-08:00", "fri,sat 23:00-09:00; 12:00-13:00", or none.'
)
@click.option("--digest", metavar="TIMES", help='All that came as one push at these times: "08:00,18:00", or none.')
@click.option("--daily-cap", metavar="NUMBER", help="Pushes a day; what is more joins the next digest. Or none.")
@click.option(
    "--urgent-passes/--no-urgent-passes",
    default=None,
    help="Whether posts of urgent sites ring in quiet hours too.",
)
@click.option("--snooze", metavar="HOW LONG", help='No pushes for "2h", or "until 2026-12-01 09:00"; or off.')
def set_user(user: str, snooze: str | None, **said: Any) -> None:
    """Change when and how often a user is notified; what is not given stays.

    "default" for hours, digest or cap is what the installation has (DEFAULT_QUIET_HOURS and the like).
    """
    if snooze is None and all(value is None for value in said.values()):
        raise click.UsageError("nothing is to be changed: give at least one option, such as --quiet-hours")
    entry = entries.user_entry({"user": user, **said})
    with open_database().writing() as session:
        zone = entry.timezone or stored.by_external_id(session, user).timezone
        until = entries.snooze(snooze, at=now(), zone=zone)
        entry = replace(entry, snooze_until=until)
        storing.store_users(session, [entry], timing=timing_of(get_settings()), now=now())
        record = {"user": user, **_manner(stored.by_external_id(session, user), as_json=False)}
    show_record(record, as_json=False)


def _manner(user: User, *, as_json: bool) -> dict[str, Any]:
    """When and how often a user is notified."""
    said = wishes.in_force(user.preferences, get_settings().default_preferences)
    snoozed = user.snooze_until if user.snooze_until and user.snooze_until > now() else None
    if as_json:
        return {"timezone": user.timezone, **vars(said), "snooze_until": snoozed}
    as_all = dict.fromkeys(said.defaults, " (default)")
    return {
        "timezone": user.timezone,
        "quiet_hours": said.quiet_hours + as_all.get("quiet_hours", ""),
        "digest": said.digest + as_all.get("digest", ""),
        "daily_cap": (f"{said.daily_cap} pushes" if said.daily_cap else NONE) + as_all.get("daily_cap", ""),
        "urgent_sites": "ring in quiet hours too" if said.urgent_passes else "wait as others do",
        "snooze_until": local_time(snoozed, user.timezone),
    }


@users.command()
@click.argument("user")
@json_option
def show(user: str, *, as_json: bool) -> None:
    """Show a user with devices and subscriptions."""
    with open_database().reading() as session:
        found = stored.by_external_id(session, user)
        owned = stored.devices(session, user_id=found.id, limit=1000)
        wanted = subscriptions.listing(session, user_id=found.id, limit=1000)
        badge = inbox.unread(session, found.id)
    record = {
        "user": found.external_id,
        **_manner(found, as_json=as_json),
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
@asks_first
def forget(user: str, *, ask: Ask) -> None:
    """Erase a user and all that is theirs: devices, subscriptions, notifications."""
    with open_database().reading() as session:
        user_id = stored.by_external_id(session, user).id
        owned = {
            each.__tablename__: in_words(overview.how_many(session, each, user_id=user_id))
            for each in (Device, Subscription, Notification)
        }
    ask(f"erase {user} with {', '.join(f'{count} {what}' for what, count in owned.items())}")
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

    Columns: user, timezone, paused, quiet_hours, digest, daily_cap, urgent_passes, snooze_until. What is left out stays
    as it is; "default" is what the installation has.
    """
    run_import(user_importer(timing=timing_of(get_settings())), file, **options)


@users.command("export")
@export_options
def export_users(file: str, chosen: str | None) -> None:
    """Write all users to FILE, in the form that `users import` takes."""
    run_export(file, chosen, entries.USER_COLUMNS, entries.user_record, export.users)
