"""`crawlpush prune`."""

from dataclasses import asdict

import click

from pipeline.resources import now
from pipeline.settings import get_settings
from pipeline.upkeep import retention
from scripts.output import json_option, open_database, show_record


@click.command()
@click.option("--dry-run", is_flag=True, help="Only count.")
@json_option
def prune(*, dry_run: bool, as_json: bool) -> None:
    """Remove old crawl runs, notifications, deliveries and unused phrases, as happens each night.

    What is old is said by RETENTION_RUNS_DAYS, RETENTION_NOTIFICATIONS_DAYS, RETENTION_DELIVERIES_DAYS and
    RETENTION_POST_TEXTS_DAYS. Posts stay known, so that nothing old is new again, and what is still owed stays too.
    """
    old = retention.moments(get_settings(), now())
    database = open_database()
    removed = retention.prunable(database, old) if dry_run else retention.prune(database, old)
    show_record({**asdict(removed), "removed": not dry_run}, as_json=as_json)
