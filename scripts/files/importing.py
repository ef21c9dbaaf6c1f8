"""Importing a file: record by record into batches, each one transaction; what is refused goes into a side file.

Importing again changes nothing, so an import that was stopped is simply run again, or goes on from a line.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TextIO, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from sqlalchemy.orm import Session

from pipeline.people import records
from pipeline.people.importing import Importer, import_batch
from scripts.output import json_option, open_database, show_record
from storage.session import Database

T = TypeVar("T")
BATCH = 5_000

STDIN = "-"


@dataclass(kw_only=True)
class Outcome:
    """What became of an import so far."""

    read: int = 0
    added: int = 0
    rejected: int = 0
    # Of the first line that was refused.
    first_reason: str | None = None
    # The last line of which it is known what became of it; an import that was stopped goes on after it.
    last_line: int = 0
    rejected_file: Path
    began: float = field(default_factory=time.monotonic)


def import_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The argument and the options of every import command."""
    for option in (
        json_option,
        click.option("--dry-run", is_flag=True, help="Check every line, and keep nothing."),
        click.option("--from-line", type=click.IntRange(1), default=1, help="Begin at this line of the file."),
        click.option("--rejected", type=click.Path(path_type=Path), help="Where to report lines that were refused."),
        click.option("--format", "chosen", type=click.Choice(records.FORMATS), help="If the name does not tell it."),
        click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True)),
    ):
        command = option(command)
    return command


def run_import(
    importer: Importer,
    file: str,
    *,
    chosen: str | None,
    rejected: Path | None,
    from_line: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import a file and say what became of it; the exit code is 1 when lines were refused."""
    kind = records.format_of("standard input" if file == STDIN else file, chosen)
    outcome = Outcome(rejected_file=rejected or Path(f"{'import' if file == STDIN else file}.rejected.jsonl"))
    database = open_database()
    try:
        with ExitStack() as stack:
            stream = sys.stdin.buffer if file == STDIN else stack.enter_context(Path(file).open("rb"))
            advance = stack.enter_context(_progress(stream, outcome))
            lines = records.read(stream, kind, importer.columns, done=advance)
            wanted = (record for record in lines if record.line >= from_line)
            import_records(database, importer, wanted, outcome, go_on=from_line > 1, dry_run=dry_run)
    except KeyboardInterrupt:
        raise click.ClickException(
            f"stopped; everything up to line {outcome.last_line} is dealt with. "
            f"Run it again as it was, or with --from-line {outcome.last_line + 1}"
        ) from None
    finally:
        database.close()
    _report(outcome, dry_run=dry_run, as_json=as_json)


def import_records(
    database: Database,
    importer: Importer,
    lines: Iterator[records.Record],
    outcome: Outcome,
    *,
    go_on: bool = False,
    dry_run: bool = False,
) -> None:
    """Import records, and keep `outcome` up to date; `go_on` adds to what an earlier import refused."""
    side = _SideFile(outcome, keep=go_on)
    try:
        while batch := list(islice(lines, BATCH)):
            end = import_batch(database, importer, batch, dry_run=dry_run)
            # After the commit: what the side file names is what was not stored.
            side.write(end.problems)
            outcome.read += len(batch)
            outcome.added += end.added
            outcome.last_line = batch[-1].line
    finally:
        side.close()


class _SideFile:
    """Lines that were refused: number and reason. Not the lines themselves, which may hold device tokens."""

    def __init__(self, outcome: Outcome, *, keep: bool) -> None:
        self._outcome = outcome
        self._stream: TextIO | None = None
        self._path = outcome.rejected_file
        if not keep:
            self._path.unlink(missing_ok=True)

    def write(self, problems: Mapping[int, str]) -> None:
        """Add refused lines, by number."""
        if not problems:
            return
        if self._stream is None:
            self._stream = self._path.open("a", encoding="utf-8")
        for line, reason in sorted(problems.items()):
            self._outcome.first_reason = self._outcome.first_reason or f"line {line}: {reason}"
            self._stream.write(json.dumps({"line": line, "reason": reason}, ensure_ascii=False) + "\n")
        self._stream.flush()
        self._outcome.rejected += len(problems)

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._stream is not None:
            self._stream.close()


@contextmanager
def _progress(stream: BinaryIO, outcome: Outcome) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, when somebody looks at it; gives the function that moves it on by bytes."""
    console = Console(stderr=True)
    try:
        total = os.fstat(stream.fileno()).st_size or None
    except OSError:
        total = None
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[lines]} lines"),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as progress:
        task = progress.add_task("importing", total=total, lines=0)
        seen = waiting = 0

        def advance(count: int) -> None:
            nonlocal seen, waiting
            seen, waiting = seen + 1, waiting + count
            # A bar that is told of every line costs more than the line.
            if seen % 1000 == 0:
                progress.update(task, advance=waiting, lines=outcome.read)
                waiting = 0

        yield advance


def _report(outcome: Outcome, *, dry_run: bool, as_json: bool) -> None:
    seconds = time.monotonic() - outcome.began
    record = {
        "lines": outcome.read,
        "added": outcome.added,
        "there_already": outcome.read - outcome.added - outcome.rejected,
        "rejected": outcome.rejected,
        "first_reason": outcome.first_reason,
        "rejected_file": str(outcome.rejected_file) if outcome.rejected else None,
        "seconds": round(seconds, 1),
        "kept": not dry_run,
    }
    show_record(record, as_json=as_json)
    if outcome.rejected:
        raise SystemExit(1)


def export_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The argument and the option of every export command."""
    for option in (
        click.option("--format", "chosen", type=click.Choice(records.FORMATS), help="If the name does not tell it."),
        click.argument("file", type=click.Path(dir_okay=False, allow_dash=True)),
    ):
        command = option(command)
    return command


def run_export(
    file: str,
    chosen: str | None,
    columns: Sequence[str],
    record: Callable[[T], Mapping[str, Any]],
    entries: Callable[[Session], Iterator[T]],
) -> None:
    """Write all entries of a kind, as records, to a file that only its owner can read, or to standard output."""
    kind = records.format_of("standard output" if file == STDIN else file, chosen)
    with open_database().reading() as session:
        if file == STDIN:
            records.write(sys.stdout, kind, columns, map(record, entries(session)))
            return
        # Complete or not there: whoever stops an export finds no half of it.
        part = Path(f"{file}.part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
            count = records.write(stream, kind, columns, map(record, entries(session)))
        part.replace(file)
    click.echo(f"{count} records in {file}", err=True)
