"""Tables of a Markdown page: written from figures, and read again. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]


def table(rows: Sequence[Row], columns: Sequence[str] = ()) -> str:
    """Rows as a table; its columns are by default the first one's keys, and a row may lack some."""
    columns = list(columns or rows[0])
    lines = [columns, ["---"] * len(columns), *([_text(row.get(name, "")) for name in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def read_table(text: str) -> list[dict[str, str]]:
    """The rows of the first table in a text, by its columns; none when there is no table."""
    lines = list(_lines_of_table(text.splitlines()))
    if len(lines) < 2:
        return []
    columns = _cells(lines[0])
    return [dict(zip(columns, _cells(line), strict=False)) for line in lines[2:]]


def number(cell: str) -> float | None:
    """The number at the start of a cell, whatever stands behind it; None when there is none."""
    found = re.match(r"[*\s]*(-?[\d,]+(?:\.\d+)?)", cell)
    return float(found[1].replace(",", "")) if found and found[1].strip(",-") else None


def shown(value: float) -> str:
    """A number with commas at the thousands."""
    return f"{value:,}"


def _lines_of_table(lines: Iterable[str]) -> Iterable[str]:
    begun = False
    for line in lines:
        if line.startswith("|"):
            begun = True
            yield line
        elif begun:
            return


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().removeprefix("|"))[:-1]]


def _text(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return shown(value)
        case str():
            return value.replace("|", "\\|")
        case Mapping():
            return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
        case Sequence():
            return " / ".join(_text(item) for item in value)
        case _:
            return str(value)
