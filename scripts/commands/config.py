"""`crawlpush config`: the settings as every process reads them, and where each came from."""

import re
from typing import Any

import click

from pipeline.redaction import redacted
from pipeline.setting_layers import Origin
from pipeline.settings import SECRETS, Settings, load_with_origins
from scripts.output import show_rows, table_options

_URLS = frozenset({"database_url", "redis_url", "broker_url"})
_DEFAULT: Origin = "default"


@click.group()
def config() -> None:
    """The settings that are in force."""


@config.command()
@click.option("--changed", is_flag=True, help="Leave out those that have their default.")
@table_options
def show(*, changed: bool, as_json: bool) -> None:
    """Show each setting, its value without passwords, and where it was set."""
    settings, origins = load_with_origins()
    rows = [
        {"setting": name.upper(), "value": shown(name, settings), "from": origins.get(name, _DEFAULT)}
        for name in Settings.model_fields
        if not changed or name in origins
    ]
    show_rows(rows, as_json=as_json, empty="every setting has its default")


def shown(name: str, settings: Settings) -> Any:
    """The value of a setting as anybody may see it: of a secret that is set, at most where its server is."""
    value = getattr(settings, name)
    if name in _URLS and value:
        # A query may hold a password too.
        return re.sub(r"\?[^;]*", "?…", redacted(value))
    if name in SECRETS and value:
        return "…"
    return value if isinstance(value, bool | int | float | None) else str(value)
