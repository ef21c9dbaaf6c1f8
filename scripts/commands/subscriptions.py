"""`crawlpush subscriptions`."""

from typing import Any

import click

from pipeline.delivery.asking import timing_of
from pipeline.people import entries, storing
from pipeline.people.importing import subscription_importer
from pipeline.resources import now
from pipeline.settings import get_settings
from scripts.files.importing import export_options, import_options, run_export, run_import
from scripts.lists import cut, list_options
from scripts.output import ID, open_database, show_rows
from storage import export, sites, users
from storage import subscriptions as stored
from storage.models import PACES, Subscription
from storage.parts import Part, conditions
from storage.subscriptions import AS_INSTALLATION


@click.group()
def subscriptions() -> None:
    """What the users want to hear of."""


@subscriptions.command("list")
@click.option("--user", help="Only this user's.")
@list_options()
def list_subscriptions(user: str | None, part: Part, *, as_json: bool) -> None:
    """List subscriptions."""
    with open_database().reading() as session:
        which = conditions(session, Subscription, part)
        user_id = users.by_external_id(session, user).id if user else None
        rows = [
            {
                "id": row.id,
                "user": row.user,
                "phrase": row.phrase or "(every post)",
                "kind": row.kind,
                "site": row.site or "(every site)",
                "exclude": row.exclude,
                "body": row.match_body,
                "title_only": row.title_only,
                "pace": row.pace,
            }
            for row in stored.listing(session, *which, user_id=user_id, limit=part.limit)
        ]
        rest = cut(session, Subscription, part, rows, *which, user_id=user_id)
    show_rows(rows, as_json=as_json, empty="no subscriptions: `crawlpush subscriptions add` makes one", cut=rest)


@subscriptions.command()
@click.argument("user")
@click.argument("phrase", required=False)
@click.option("--site", help="Only on this site. Without a phrase: every post of it.")
@click.option("--exclude", multiple=True, help="Not when this phrase occurs too; may be repeated.")
@click.option("--kind", type=click.Choice(["word", "substring"]), help="Match whole words, or parts of words.")
@click.option("--body", is_flag=True, help="Look in the body too, not in the title only.")
@click.option("--title-only", is_flag=True, help="Not in the body, even where the site looks there.")
@click.option(
    "--pace",
    type=click.Choice([*PACES, AS_INSTALLATION]),
    help="How often it may push: at once, hourly, daily, never (inbox); default: as the user's digests say.",
)
def add(
    user: str,
    phrase: str | None,
    site: str | None,
    exclude: tuple[str, ...],
    kind: str | None,
    *,
    body: bool,
    title_only: bool,
    pace: str | None,
) -> None:
    """Subscribe a user to a phrase, or to any of up to ten: "알바 | 아르바이트".

    Latin letters match whole words, Korean, Japanese and Chinese also inside words; several words must all occur;
    "a phrase in quotes" must occur as it is. Adding it again changes the rest of it.
    """
    keyword = entries.keyword_text(phrase, kind) if phrase is not None else None
    excluded = [entries.keyword_text(text, None) for text in exclude]
    with open_database().writing() as session:
        subscription, new = stored.add(
            session,
            users.by_external_id(session, user).id,
            keyword=keyword,
            site_id=sites.by_name(session, site).id if site else None,
            exclude=excluded,
            match_body=body,
            title_only=title_only,
            pace=pace,
            limit=get_settings().subscriptions_per_user,
            now=now(),
        )
        if pace is not None:
            storing.hold(session, [subscription.user_id], timing=timing_of(get_settings()), now=now())
    what = f"{keyword.text!r}" if keyword else "every post"
    where = f" on {site}" if site else ""
    click.echo(f"subscription {subscription.id}: {user} to {what}{where}{'' if new else ' (was there)'}")


@subscriptions.command()
@click.argument("subscription", type=ID)
def remove(subscription: int) -> None:
    """Remove a subscription by its id."""
    with open_database().writing() as session:
        stored.remove(session, subscription)
    click.echo(f"subscription {subscription} is gone")


@subscriptions.command("import")
@import_options
@click.option("--add-users", is_flag=True, help="Add users that are not there, instead of refusing the line.")
def import_subscriptions(file: str, *, add_users: bool, **options: Any) -> None:
    """Add the subscriptions in FILE (CSV or JSON Lines; - is standard input), as `subscriptions add` does.

    Columns: user, phrase, kind, site, exclude, body, title_only, pace. In CSV the excluded phrases stand one per line
    in their cell.
    """
    settings = get_settings()
    importer = subscription_importer(
        limit=settings.subscriptions_per_user, add_users=add_users, timing=timing_of(settings)
    )
    run_import(importer, file, **options)


@subscriptions.command("export")
@export_options
def export_subscriptions(file: str, chosen: str | None) -> None:
    """Write all subscriptions to FILE, in the form that `subscriptions import` takes."""
    run_export(file, chosen, entries.SUBSCRIPTION_COLUMNS, entries.subscription_record, export.subscriptions)
