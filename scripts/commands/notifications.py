"""`crawlpush notifications`."""

import click

from pipeline.resources import now
from scripts.output import ID, ask, in_words, limit_option, open_database, show_rows, table_options, yes_option
from storage import notifications as stored
from storage import overview, users
from storage.models import NOTIFICATION_STATUSES, Notification


@click.group()
def notifications() -> None:
    """What is owed to whom, and what became of it."""


@notifications.command("list")
@click.option("--user", help="Only this user's.")
@click.option("--post", type=ID, help="Only of this post.")
@click.option("--status", type=click.Choice(NOTIFICATION_STATUSES))
@limit_option
@table_options
def list_notifications(
    user: str | None, post: int | None, status: str | None, limit: int | None, *, as_json: bool
) -> None:
    """List the newest notifications with the outcome on each device."""
    with open_database().reading() as session:
        user_id = users.by_external_id(session, user).id if user else None
        rows = [
            {
                "id": row.id,
                "user": row.user,
                "site": row.site,
                "post": row.post_id,
                "title": row.title,
                "phrase": row.phrase,
                "status": row.status,
                "devices": row.devices,
                "attempts": row.attempts,
                "reason": row.reason,
                "also_on": [each.site for each in row.also_on],
                "created": row.created_at,
                "sent": row.sent_at,
            }
            for row in stored.listing(session, user_id=user_id, post_id=post, status=status, limit=limit)
        ]
        total = (
            overview.how_many(session, Notification, user_id=user_id, post_id=post, status=status)
            if len(rows) == limit
            else None
        )
    show_rows(
        rows,
        as_json=as_json,
        empty="no notifications yet",
        narrow=("id", "user", "title", "status", "created"),
        total=total,
    )


@notifications.command()
@click.argument("user")
def read(user: str) -> None:
    """Mark all of a user's notifications as read, which clears their badge."""
    with open_database().writing() as session:
        count = stored.mark_read(session, users.by_external_id(session, user).id, now=now())
    click.echo(f"{count} notifications of {user} marked as read")


@notifications.command()
def retry() -> None:
    """Make failed notifications pending again; they are sent within seconds."""
    with open_database().writing() as session:
        count = stored.redrive(session, now=now())
    click.echo(f"{count} failed notifications are pending again")


@notifications.command()
@yes_option
def drop(*, yes: bool) -> None:
    """Give up what is pending, for example after a long outage; nothing is sent for it any more."""
    with open_database().reading() as session:
        pending = overview.how_many(session, Notification, status="pending")
    if pending.count:
        ask(f"Give up {in_words(pending)} pending notifications of all users?", yes=yes)
    with open_database().writing() as session:
        count = stored.drop_pending(session)
    click.echo(f"{count} pending notifications dropped")
