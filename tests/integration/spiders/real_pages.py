"""The saved real pages beside the project (or in the folder REAL_PAGES), and what their index expects of each."""

import html
import os
import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(os.environ.get("REAL_PAGES") or Path(__file__).parents[4] / "shared" / "real")


@dataclass(frozen=True, kw_only=True)
class Expected:
    """One row of the index."""

    file: str
    count: int
    distinct: int | None
    new: int | None
    gone: int | None
    # Title and link; empty where the index does not tell.
    first: tuple[str, str] = ("", "")
    last: tuple[str, str] = ("", "")

    @property
    def body(self) -> bytes:
        return (FOLDER / self.file).read_bytes()


def expectations(folder: str) -> dict[str, Expected]:
    """The index's rows for "listings" or "feeds", by file; empty where the pages are not there."""
    index = FOLDER / "INDEX.md"
    if not index.exists():
        return {}
    rows = [line.strip("|").split(" | ") for line in index.read_text().splitlines() if line.startswith(f"| {folder}/")]
    return {(found := _expected(row)).file: found for row in rows}


def _expected(row: list[str]) -> Expected:
    cells = [cell.strip() for cell in row]
    # The second table of listings has the count, and then what was wrong with them once.
    place = next(place for place in range(len(cells) - 1, -1, -1) if re.match(r"\*\*\d+\*\*", cells[place]))
    count = cells[place]

    def number(pattern: str) -> int | None:
        found = re.search(pattern, count)
        return int(found[1]) if found else None

    return Expected(
        file=cells[0],
        count=number(r"\*\*(\d+)\*\*") or 0,
        distinct=number(r"(\d+) distinct"),
        new=number(r"\*\*(\d+) new"),
        gone=number(r"(\d+) gone"),
        first=_title_and_link(cells[place + 1]),
        last=_title_and_link(cells[-1]),
    )


def _title_and_link(cell: str) -> tuple[str, str]:
    title, separator, link = cell.rpartition(" — ")
    if not separator:
        return "", ""
    return html.unescape(title), "" if "no href" in link else link.strip("`")
