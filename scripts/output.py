"""How commands show things: a table for a person, JSON for a program, and one sentence for what went wrong."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import click

from pipeline import startup
from pipeline.basics.text import printable
from pipeline.settings import get_settings
from storage.session import Database

Row = Mapping[str, Any]
Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Add --json to a command."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def limit_option(command: Command) -> Command:
    """Add --limit to a command that lists."""
    return click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")(
        command
    )


def open_database() -> Database:
    """The database, checked to be there and migrated. Raises NotReadyError."""
    settings = get_settings()
    startup.check_database(settings)
    return Database(settings.database)


def show_rows(rows: Iterable[Row], *, as_json: bool, empty: str) -> None:
    """Print rows as a table, or as a JSON list; `empty` is said when there are none."""
    listed = list(rows)
    if as_json:
        click.echo(json.dumps([_plain(row) for row in listed], ensure_ascii=False, indent=2))
        return
    if not listed:
        click.echo(empty)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in listed[0]:
        table.add_column(Text(name.replace("_", " ")), overflow="fold")
    for row in listed:
        # As Text, which is shown as it is: in a plain string "[/b]" would be markup.
        table.add_row(*(Text(_text(value)) for value in row.values()))
    # A pipe or a file has no width; cutting lines there would lose what somebody wants to grep for.
    console = Console() if Console().is_terminal else Console(width=240)
    console.print(table)


def show_record(record: Row, *, as_json: bool) -> None:
    """Print one record as lines of `name: value`, or as a JSON object."""
    if as_json:
        click.echo(json.dumps(_plain(record), ensure_ascii=False, indent=2))
        return
    width = max(len(name) for name in record)
    for name, value in record.items():
        click.echo(f"{name.replace('_', ' '):<{width}}  {_text(value)}")


def local_time(at: datetime | None, zone: str | None = None) -> str:
    """A moment in a time zone, by default the configured one, to the second."""
    if at is None:
        return "-"
    return at.astimezone(ZoneInfo(zone or get_settings().display_timezone)).strftime("%Y-%m-%d %H:%M:%S %Z")


def shortened_token(token: str) -> str:
    """Enough of a device token to tell two apart, too little to use one."""
    return f"{token[:4]}…{token[-2:]}" if len(token) > 8 else "…"


def _text(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return local_time(value)
        case str():
            return printable(value)
        case Mapping():
            return ", ".join(f"{key}={_text(item)}" for key, item in value.items()) or "-"
        case Sequence():
            return ", ".join(_text(item) for item in value) or "-"
        case _:
            return str(value)


def _plain(row: Row) -> dict[str, Any]:
    return {name: _json_value(value) for name, value in row.items()}


def _json_value(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case tuple():
            return [_json_value(item) for item in value]
        case _:
            return value
