"""`crawlpush sweep`: what beat does every half minute, now."""

import click

from pipeline import startup
from pipeline.settings import get_settings
from pipeline.upkeep import sweeping
from scripts.output import json_option, open_database, show_record


@click.command()
@json_option
def sweep(*, as_json: bool) -> None:
    """Enqueue again whatever is owed and nobody works on. Safe at any time."""
    from pipeline.tasks.upkeep import broker

    database = open_database()
    startup.check_redis(get_settings())
    swept = sweeping.sweep(database, broker())
    show_record(swept.__dict__, as_json=as_json)
