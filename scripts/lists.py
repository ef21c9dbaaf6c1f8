"""Long lists, all in one way: which part is shown, and how one sees the rest."""

import shlex
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import wraps
from typing import Any

import click
from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from pipeline.basics.durations import parse_duration
from pipeline.resources import now
from scripts.output import ID, Row, in_words, limit_option, moment, table_options
from storage import overview
from storage.parts import Bound, Part
from storage.types import Base


class BoundType(click.ParamType[Bound]):
    """A row of a list by its id (or name, where the list shows names), a length of time ago, or a moment.

    A moment is on the clock of DISPLAY_TIMEZONE or the machine's, unless it names its offset.
    """

    name = "row_or_time"

    def __init__(self, *, named: bool) -> None:
        self.named = named

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Bound:
        """The id, the name, or the moment in UTC."""
        text = str(value).strip()
        if text.isascii() and text.isdigit():
            return text if self.named else ID.convert(int(text), param, ctx)
        try:
            seconds = parse_duration(text)
            if seconds is not None:
                return now() - timedelta(seconds=seconds)
            return moment(text)
        except (ValueError, OverflowError):
            if self.named and text:
                return text
            what = "a name of the list" if self.named else "an id of the list"
            self.fail(f"{value!r} is not understood: give {what}, 2h (ago), or 2026-12-01 09:00", param, ctx)


_METAVAR = {True: "NAME|TIME", False: "ID|TIME"}


def before_option(*, named: bool = False) -> Callable[[Any], Any]:
    """Add --before to a command."""
    return click.option(
        "--before", type=BoundType(named=named), metavar=_METAVAR[named], help="Only what came before it."
    )


def list_options(*, named: bool = False, limit: int = 50) -> Callable[[Any], Any]:
    """Add to a command what every list has, --json and --wide too; the command is given `part`.

    named: its rows are known by names, not by numbers. limit: so many rows are shown unless told; 0: all.
    """

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            "--after",
            "--since",
            type=BoundType(named=named),
            metavar=_METAVAR[named],
            help='Only what came after it; TIME: "2h" (ago), "2026-12-01 09:00".',
        )
        @before_option(named=named)
        @click.option("--match", metavar="TEXT", help="Only where a name or title holds this text.")
        @limit_option(default=limit)
        @table_options
        @wraps(command)
        def run(*, after: Bound | None, before: Bound | None, match: str | None, limit: int | None, **rest: Any) -> Any:
            # Titles are stored so, and some keyboards type Hangul in pieces.
            text = unicodedata.normalize("NFC", match) if match else None
            return command(part=Part(after=after, before=before, match=text, limit=limit), **rest)

        shown: Callable[..., Any] = run
        return shown

    return add


def cut(
    session: Session,
    table: type[Base],
    part: Part,
    rows: Sequence[Row],
    *which: ColumnElement[bool],
    newest_first: bool = False,
    **columns: Any,
) -> str | None:
    """Of how many rows these are a part, and how the next are seen; None where they are all.

    which, columns: what all of them have, as overview.how_many takes it. The first column of a row is its id or name.
    """
    if len(rows) != part.limit:
        return None
    total = overview.how_many(session, table, *which, **columns)
    if total.count <= len(rows):
        return None
    last = shlex.quote(str(_first(rows[-1])))
    option = "--before" if newest_first else "--after"
    return f"{len(rows)} of {in_words(total)}, --limit 0 for all, {option} {last} for the next"


def _first(row: Mapping[str, Any]) -> Any:
    return next(iter(row.values()))
