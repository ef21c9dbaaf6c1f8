"""`crawlpush bench`: what things cost, each beside its alternative in the same run."""

import json
from collections.abc import Mapping
from typing import Any

import click

from scripts.output import json_option, show_record


@click.group()
def bench() -> None:
    """Measure. Each benchmark starts what it needs by itself, on loopback, in a temporary folder."""


@bench.command()
@click.option("--runs", type=click.IntRange(1, 100), default=7, show_default=True)
@json_option
def crawl(runs: int, *, as_json: bool) -> None:
    """A one-page crawl in a child of the forkserver, beside a whole `scrapy crawl` of the same page."""
    from scripts.bench.crawl import measure_crawl

    _show(measure_crawl(runs=runs), as_json=as_json)


def _show(figures: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(figures, indent=2))
    else:
        show_record(figures, as_json=False)
