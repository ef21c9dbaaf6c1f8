"""`crawlpush health`: whether the processes of this machine live, for a health check that costs next to nothing."""

import time

import click

from pipeline import signs
from pipeline.basics.place import place
from pipeline.setting_layers import data_dir


@click.command()
@click.argument("name", required=False)
@click.pass_context
def health(ctx: click.Context, name: str | None) -> None:
    """Say whether workers and beat live, by what each wrote into DATA_DIR in the last minute.

    NAME is one of crawler, dispatcher, notifier, beat, or a node such as crawler@host; default: all that run here. The
    exit code is 1 when one does not live.
    """
    folder = data_dir()
    found = signs.chosen(signs.signs(folder), name)
    if not found:
        raise click.ClickException(
            f"there is no sign of life of {name or 'any process'} in {folder / signs.FOLDER}: "
            "is it started, and with this DATA_DIR?"
        )
    verdicts = [
        signs.verdict(sign, now=time.monotonic(), here=place(), is_alive=signs.is_alive(sign.pid)) for sign in found
    ]
    for _, sentence in verdicts:
        click.echo(sentence)
    if not all(is_well for is_well, _ in verdicts):
        ctx.exit(1)
