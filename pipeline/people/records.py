"""Records in files: CSV with a header line, or JSON Lines. Reading gives each record with its line number."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal, TextIO

from pipeline.errors import PipelineError

Format = Literal["csv", "jsonl"]
FORMATS: tuple[Format, ...] = ("csv", "jsonl")
LONGEST_LINE = 1_000_000
"""Bytes; what is longer is no record, and must not fill the memory."""


class RecordsError(PipelineError, ValueError):
    """A file that cannot be read as a whole, with the reason."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """A line of a file, read or refused."""

    # Counted from 1, the header line of a CSV file included; of a record over several lines the first.
    line: int
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    # Why the line is no record.
    problem: str | None = None


def format_of(name: str, chosen: str | None) -> Format:
    """The format of a file: the chosen one, else what its name ends with. Raises RecordsError."""
    ending = (chosen or name.rpartition(".")[2]).lower()
    match ending:
        case "csv":
            return "csv"
        case "jsonl" | "ndjson":
            return "jsonl"
        case _:
            raise RecordsError(f"the format of {name} is not clear: add --format csv or --format jsonl")


def read(stream: BinaryIO, kind: Format, columns: Sequence[str], *, done: Callable[[int], object]) -> Iterator[Record]:
    """The records of a stream. `done` is told the bytes of each line. Raises RecordsError for a bad header."""
    numbered = enumerate(_lines(stream, done), 1)
    return _read_csv(numbered, columns) if kind == "csv" else _read_jsonl(numbered, columns)


def _lines(stream: BinaryIO, done: Callable[[int], object]) -> Iterator[str | None]:
    """Lines as text; None for one that is not UTF-8 or too long."""
    first = True
    while line := stream.readline(LONGEST_LINE):
        done(len(line))
        whole = True
        while len(line) >= LONGEST_LINE and not line.endswith(b"\n"):
            line, whole = stream.readline(LONGEST_LINE), False
            done(len(line))
        try:
            # Spreadsheets write a byte order mark.
            text = line.decode("utf-8-sig" if first else "utf-8")
        except UnicodeDecodeError:
            whole, text = False, ""
        first = False
        yield text if whole else None


_UNREADABLE = (
    "it is not UTF-8 (Excel in Korea writes CP949: save the file as CSV UTF-8 there), "
    f"or longer than {LONGEST_LINE} bytes"
)


def _read_jsonl(lines: Iterable[tuple[int, str | None]], columns: Sequence[str]) -> Iterator[Record]:
    for number, line in lines:
        if line is None:
            yield Record(line=number, problem=_UNREADABLE)
        elif line.strip():
            yield _from_json(number, line, columns)


def _from_json(number: int, line: str, columns: Sequence[str]) -> Record:
    try:
        values = json.loads(line)
    # A number of ten thousand digits is a ValueError, brackets in brackets a RecursionError.
    except (ValueError, RecursionError):
        return Record(line=number, problem="it is not JSON")
    if not isinstance(values, dict):
        return Record(line=number, problem="it is not a JSON object")
    if unknown := sorted(set(values) - set(columns)):
        return Record(line=number, problem=f"it has unknown fields: {', '.join(unknown)[:200]}")
    return Record(line=number, values=values)


def _read_csv(lines: Iterable[tuple[int, str | None]], columns: Sequence[str]) -> Iterator[Record]:
    at = 0
    bad: list[int] = []

    def readable() -> Iterator[str]:
        nonlocal at
        for at, line in lines:
            if line is None:
                bad.append(at)
            yield line or "\n"

    reader = csv.reader(readable(), strict=True)
    header = _header(reader, columns)
    while True:
        start = at + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Record(line=start, problem=f"it is not CSV: {error}")
            continue
        if bad:
            yield Record(line=bad.pop(), problem=_UNREADABLE)
        elif row and len(row) != len(header):
            yield Record(line=start, problem=f"it has {len(row)} columns, the header has {len(header)}")
        elif row:
            yield Record(line=start, values=dict(zip(header, row, strict=True)))


def _header(reader: Iterator[list[str]], columns: Sequence[str]) -> list[str]:
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise RecordsError(f"the header line is not CSV: {error}") from None
    unknown = [name for name in header if name not in columns]
    if unknown or columns[0] not in header or len(set(header)) != len(header):
        raise RecordsError(
            f"the first line of a CSV file names its columns, from {', '.join(columns)}; it names "
            f"{', '.join(header)[:200] or 'none'}"
        )
    return header


def write(stream: TextIO, kind: Format, columns: Sequence[str], records: Iterable[Mapping[str, Any]]) -> int:
    """Write records in the format that `read` takes, and return how many there were."""
    count = 0
    writer = csv.writer(stream, lineterminator="\n")
    if kind == "csv":
        writer.writerow(columns)
    for record in records:
        count += 1
        if kind == "csv":
            writer.writerow([_csv_value(record.get(name)) for name in columns])
        else:
            values = {name: value for name, value in record.items() if value not in (None, [], "")}
            stream.write(json.dumps(values, ensure_ascii=False) + "\n")
    return count


def _csv_value(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list():
            # No phrase holds a line break, and spreadsheets show one line of a cell below the other.
            return "\n".join(value)
        case _:
            return str(value)
