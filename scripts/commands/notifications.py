"""`crawlpush notifications`."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import click
from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from pipeline.delivery.telling import waits_until, words
from pipeline.resources import now
from pipeline.settings import get_settings
from scripts.asking import Ask, asks_first
from scripts.errors import CommandError
from scripts.lists import before_option, cut, list_options
from scripts.output import ID, in_words, json_option, local_time, open_database, show_record, show_rows
from storage import claims, inbox, outgoing, overview, sites, users
from storage import notifications as stored
from storage.inbox import NotificationRow
from storage.models import NOTIFICATION_STATUSES, Notification
from storage.parts import Bound, Part, conditions


@click.group()
def notifications() -> None:
    """What is owed to whom, and what became of it."""


def _of_whom(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --user and --site to a command."""
    return click.option("--user", help="Only this user's.")(click.option("--site", help="Only of this site.")(command))


@notifications.command("list")
@_of_whom
@click.option("--post", type=ID, help="Only of this post.")
@click.option("--status", type=click.Choice(NOTIFICATION_STATUSES))
@list_options()
def list_notifications(
    user: str | None, site: str | None, post: int | None, status: str | None, part: Part, *, as_json: bool
) -> None:
    """List the newest notifications with the outcome on each device."""
    with open_database().reading() as session:
        which = _chosen(session, user, site, part)
        rows = [
            {
                "id": row.id,
                "user": row.user,
                "site": row.site,
                "post": row.post_id,
                "title": row.title,
                "phrase": row.phrase,
                **_status(row, as_json=as_json),
                "devices": row.devices,
                "attempts": row.attempts,
                "reason": row.reason,
                "gone": row.gone_at,
                "also_on": [each.site for each in row.also_on],
                "created": row.created_at,
                "sent": row.sent_at,
            }
            for row in inbox.listing(session, *which, post_id=post, status=status, limit=part.limit)
        ]
        rest = cut(session, Notification, part, rows, *which, newest_first=True, post_id=post, status=status)
    show_rows(
        rows,
        as_json=as_json,
        empty="no notifications yet",
        narrow=("id", "user", "title", "status", "created"),
        whole=("status",),
        cut=rest,
    )


def _chosen(session: Session, user: str | None, site: str | None, part: Part) -> list[ColumnElement[bool]]:
    """The conditions of what the options name. Raises UnknownUserError or UnknownSiteError."""
    which = conditions(session, Notification, part)
    if user is not None:
        which.append(Notification.user_id == users.by_external_id(session, user).id)
    if site is not None:
        which.append(stored.of_site(sites.by_name(session, site).id))
    return which


def _status(row: NotificationRow, *, as_json: bool) -> dict[str, Any]:
    """The status, and until when it waits for its user's time: in words on a screen."""
    if as_json:
        return {"status": row.status, "waits_until": waits_until(row)}
    return {"status": words(row, get_settings().display_zone or now().astimezone().tzinfo or UTC, at=now())}


@notifications.command()
@click.argument("notification", type=ID)
@json_option
def show(notification: int, *, as_json: bool) -> None:
    """Show a notification as a phone shows it, and what became of it on each device."""
    # Here: it loads the matcher, which the other commands need not wait for.
    from pipeline.delivery.compose import compose

    with open_database().reading() as session:
        found = inbox.listing(session, notification_id=notification, limit=1)
        if not found:
            raise CommandError(f"there is no notification {notification}: `crawlpush notifications list` shows them")
        (row,) = found
        post = outgoing.post_texts(session, [row.post_id])[row.post_id]
    message = compose(post, _claimed(row), _phone(row))
    show_record(
        {
            "title": message.title,
            "body": message.body,
            "opens": message.url,
            "picture": message.image,
            "sound": message.sound,
            "manner": message.interruption,
            "replaces_what_has": message.tag,
            "user": row.user,
            "site": row.site,
            "phrase": row.phrase,
            **_status(row, as_json=as_json),
            "reason": row.reason,
            "devices": row.devices,
            "created": row.created_at,
            "sent": row.sent_at,
            "read": row.read_at,
        },
        as_json=as_json,
    )


def _claimed(row: inbox.NotificationRow) -> claims.Claimed:
    # What the number on the app's icon would be is known when it is sent.
    return claims.Claimed(
        id=row.id,
        post_id=row.post_id,
        user_id=0,
        user=row.user,
        attempts=row.attempts,
        created_at=row.created_at,
        phrase=row.phrase,
        badge=0,
        reached=False,
    )


def _phone(row: inbox.NotificationRow) -> outgoing.Target:
    """Some phone: a post says the same on each."""
    return outgoing.Target(
        notification_id=row.id,
        device_id=0,
        platform="console",
        token="",
        environment=None,
        last_seen_at=row.created_at,
        attempts=0,
    )


@notifications.command()
@click.argument("user")
def read(user: str) -> None:
    """Mark all of a user's notifications as read, which clears their badge."""
    with open_database().writing() as session:
        count = inbox.mark_read(session, users.by_external_id(session, user).id, now=now())
    click.echo(f"{count} notifications of {user} marked as read")


@notifications.command()
@_of_whom
@before_option()
@asks_first
def retry(*, ask: Ask, **which: Any) -> None:
    """Make failed notifications pending again; they are sent within seconds."""
    count = _change(partial(stored.redrive, now=now()), "failed", "send {} again", ask, **which)
    click.echo(f"{count} failed notifications are pending again")


@notifications.command()
@_of_whom
@before_option()
@asks_first
def drop(*, ask: Ask, **which: Any) -> None:
    """Give up what is pending, for example after a long outage; nothing is sent for it any more."""
    count = _change(stored.drop_pending, "pending", "give up {}", ask, **which)
    click.echo(f"{count} pending notifications dropped")


def _change(
    change: Callable[..., int],
    status: str,
    what: str,
    ask: Ask,
    *,
    user: str | None,
    site: str | None,
    before: Bound | None,
) -> int:
    """Change the notifications of a status that the options name, after a question with their number."""
    database = open_database()
    with database.reading() as session:
        which = _chosen(session, user, site, Part(before=before))
        found = overview.how_many(session, Notification, *which, status=status)
    if found.count:
        named = {"of": user or "all users", "from": site, "before": before}
        words = [f"{word} {_shown(value)}" for word, value in named.items() if value is not None]
        ask(what.format(f"{in_words(found)} {status} notifications {' '.join(words)}"))
    with database.writing() as session:
        return change(session, *which)


def _shown(value: Bound) -> str:
    return local_time(value) if isinstance(value, datetime) else str(value)
