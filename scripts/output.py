"""How commands show things: a table for a person, JSON for a program, and one sentence for what went wrong."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import click

from pipeline import startup
from pipeline.basics.durations import exact_duration
from pipeline.basics.text import printable
from pipeline.resources import now
from pipeline.settings import get_settings
from scripts.ago import since
from storage.overview import Amount, Precision
from storage.session import Database

Row = Mapping[str, Any]
Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Add --json to a command."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def table_options(command: Command) -> Command:
    """Add --json and --wide to a command that shows a table; show_rows looks itself whether --wide was given."""
    wide = click.option(
        "--wide", is_flag=True, expose_value=False, callback=_keep_wide, help="Show every column, and cut nothing."
    )
    return json_option(wide(command))


def _keep_wide(ctx: click.Context, _option: click.Parameter, is_wide: bool) -> None:
    ctx.meta[_WIDE] = is_wide


_WIDE = f"{__name__}.wide"
LARGEST_ID = 2**63 - 1
"""What a database's column holds."""


class Number(click.IntRange):
    """A whole number that a database's column holds."""

    name = "number"

    def __init__(self, least: int) -> None:
        super().__init__(least, LARGEST_ID)

    def _describe_range(self) -> str:
        """See click, which has all digits stand in each page of help."""
        return f"{self.min} to 2^63-1"


ID = Number(1)
"""The number of a post, a device, a notification."""


def moment(text: str) -> datetime:
    """The moment of a date and a time of day. Raises ValueError or OverflowError for anything else."""
    found = datetime.fromisoformat(text)
    # Without a zone a datetime is understood as the machine's.
    return found.replace(tzinfo=found.tzinfo or get_settings().display_zone).astimezone(UTC)


class Moment(click.ParamType[datetime]):
    """A date and a time of day, on the clock of DISPLAY_TIMEZONE or the machine's, unless it names its offset."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment, in UTC."""
        if isinstance(value, datetime):
            return value
        try:
            return moment(value)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no moment: write it like 2026-12-01 23:30", param, ctx)


def limit_option(*, default: int = 50) -> Callable[[Command], Command]:
    """Add --limit to a command that lists; None is all."""
    return click.option(
        "--limit",
        type=Number(0),
        default=default,
        show_default=True,
        callback=lambda _ctx, _option, value: value or None,
        help="At most so many; 0: all.",
    )


def open_database() -> Database:
    """The database, checked to be there and migrated. Raises NotReadyError."""
    settings = get_settings()
    startup.check_database(settings)
    return Database(settings.database)


def show_rows(
    rows: Iterable[Row],
    *,
    as_json: bool,
    empty: str,
    narrow: Sequence[str] = (),
    whole: Collection[str] = (),
    cut: str | None = None,
) -> None:
    """Print rows as a table, or as a JSON list; `empty` is said when there are none.

    narrow: the columns that are shown without --wide; default: all. whole: those in which nothing is cut.
    cut: what is said when these are not all (scripts.lists).
    """
    listed = list(rows)
    if as_json:
        click.echo(json.dumps([_plain(row) for row in listed], ensure_ascii=False, indent=2))
        if cut is not None:
            # The list itself keeps its shape, for those who parse it.
            click.echo(cut, err=True)
        return
    if not listed:
        click.echo(empty)
        return
    context = click.get_current_context(silent=True)
    is_wide = context is not None and context.meta.get(_WIDE, False)
    names = list(listed[0]) if is_wide or not narrow else narrow
    at = now()
    cells = [[_cell(name, row[name], None if is_wide else at) for name in names] for row in listed]

    # Here: it loads a library, which a command that shows no table need not wait for.
    from scripts.tables import table_lines

    head, *lines = table_lines(
        [_label(name) for name in names], cells, width=None if is_wide else _screen_width(), whole=whole
    )
    click.echo(click.style(head, bold=True))
    for line in lines:
        click.echo(line)
    if cut is not None:
        click.echo(cut)


def in_words(amount: Amount) -> str:
    """A number as people write it, with a sign or a word where it is not exact."""
    match amount.precision:
        case Precision.EXACT:
            return f"{amount.count:,}"
        case Precision.AT_LEAST:
            return f"{amount.count:,}+"
        case Precision.ABOUT:
            return f"about {amount.count:,}"


def _screen_width() -> int | None:
    """Columns of the screen; None for a pipe or a file: what is cut there is lost to whoever looks for it."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() or os.environ.get("COLUMNS") else None


def show_record(record: Row, *, as_json: bool) -> None:
    """Print one record as lines of `name: value`, an item of a list on each, or as a JSON object."""
    if as_json:
        click.echo(json.dumps(_plain(record), ensure_ascii=False, indent=2))
        return
    width = max(len(_label(name)) for name in record)
    for name, value in record.items():
        first, *others = _items(name, value) or ["-"]
        click.echo(f"{_label(name):<{width}}  {first}")
        for item in others:
            click.echo(f"{'':<{width}}  {item}")


def local_time(at: datetime | None, zone: str | None = None) -> str:
    """A moment in a time zone, by default that of DISPLAY_TIMEZONE or the machine's, to the second."""
    return "-" if at is None else _local(at, zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def _local(at: datetime, zone: str | None = None) -> datetime:
    return at.astimezone(ZoneInfo(zone) if zone else get_settings().display_zone)


def shortened_token(token: str) -> str:
    """Enough of a device token to tell two apart, too little to use one."""
    return f"{token[:4]}…{token[-2:]}" if len(token) > 8 else f"… ({len(token)} characters)"


def _label(name: str) -> str:
    return name.removesuffix(_SECONDS).replace("_", " ")


_SECONDS = "_s"
"""The end of a name whose value is seconds: JSON has the number, a person the duration."""


def _cell(name: str, value: Any, at: datetime | None) -> str:
    """What stands in a table; moments as seen from `at`, if that is given."""
    if at is not None and isinstance(value, datetime):
        return since(_local(value), at)
    return ", ".join(_items(name, value)) or "-"


def _items(name: str, value: Any) -> list[str]:
    """The lines of a value."""
    match value:
        case int() | float() if name.endswith(_SECONDS):
            return [exact_duration(value)]
        case Mapping():
            return [f"{key}={_text(item)}" for key, item in value.items()]
        case Sequence() if not isinstance(value, str):
            return [_text(item) for item in value]
        case _:
            return [_text(value)]


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
