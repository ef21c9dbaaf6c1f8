"""The page that reports the benchmarks. A program writes some of its blocks, a person the rest. Pure.

<!-- bench:crawl -->
what the program wrote last
<!-- /bench:crawl -->
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from scripts.bench.suite import NAMES, Benchmark
from scripts.bench.targets import TARGETS, Figures, flat
from scripts.errors import CommandError

HEAD = """\
# Benchmarks

`crawlpush bench all --report` writes what is between the markers of this page, and leaves the rest alone.
"""
QUICK = "**A quick trial with small sizes, no figures to go by.**"
COLUMNS = ("what", "seen", "target", "met", "seen on")
"""Of the summary; the first tells its rows apart."""
_MARKER = re.compile(r"^<!-- (?P<end>/?)bench:(?P<name>[a-z0-9-]+) -->$", re.MULTILINE)


class ReportError(CommandError):
    """A report that cannot be written, or must not be."""


@dataclass(kw_only=True)
class Results:
    """What was measured, and what could not be."""

    # What `machine.describe` says.
    machine: Mapping[str, str]
    quick: bool
    # The figures of each benchmark, one mapping for each of its commands.
    runs: dict[str, list[Figures]] = field(default_factory=dict)
    benchmarks: dict[str, Benchmark] = field(default_factory=dict)
    # Benchmark, or what else went wrong, -> why.
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def targets(self) -> list[dict[str, Any]]:
        """Each figure that has a target, beside it, in the order of the targets."""
        values = ((target, target.value(self.runs.get(target.benchmark, ()))) for target in TARGETS)
        return [
            {
                "benchmark": target.benchmark,
                "figure": target.figure,
                "what": target.what,
                "seen": value,
                "unit": target.unit,
                "target": target.words,
                "met": target.is_met(value),
            }
            for target, value in values
            if value is not None
        ]

    def to_json(self) -> dict[str, Any]:
        """As `bench all --json` prints it; `figures` has one mapping for each command."""
        return {
            "machine": self.machine,
            "quick": self.quick,
            "benchmarks": {
                name: {
                    "commands": benchmark.command_lines,
                    "medians": benchmark.medians_of(self.runs[name]),
                    "figures": self.runs[name],
                }
                for name, benchmark in self.benchmarks.items()
            },
            "targets": self.targets,
            "failed": self.failed,
        }


def check_page(page: str, *, quick: bool) -> None:
    """Raise ReportError where blocks cannot be told apart, or where a quick trial would replace figures to go by."""
    written = blocks(page)
    if quick and any(body and QUICK not in body for name, body in written.items() if name in NAMES):
        raise ReportError("the page has figures to go by, which a quick trial would replace: name another file")


def updated(page: str, results: Results, *, whole: bool) -> str:
    """The page with the blocks of what was measured. whole: all was measured, on this machine. Raises ReportError."""
    older = blocks(page)
    bodies: dict[str, str] = {}
    # The other blocks' figures may come from another machine: each says which.
    if whole or "machine" not in older:
        bodies["machine"] = table([{"machine": name, "": value} for name, value in results.machine.items()])
    bodies["summary"] = _summary(results, older.get("summary", ""))
    for name, benchmark in results.benchmarks.items():
        bodies[name] = _block(benchmark, results.runs[name], results)
    return with_blocks(page, bodies, {name: benchmark.title for name, benchmark in results.benchmarks.items()})


def blocks(page: str) -> dict[str, str]:
    """What is between the markers, by name, in the order of the page. Raises ReportError."""
    return {name: page[begin:end].strip("\n") for name, (begin, end) in _spans(page).items()}


def with_blocks(page: str, bodies: Mapping[str, str], titles: Mapping[str, str]) -> str:
    """The page with these blocks in place of its own; those that it lacks come at its end, under their titles."""
    spans = _spans(page)
    # From the end, so that what is still to be replaced stays where it was.
    for name, (begin, end) in reversed(spans.items()):
        if name in bodies:
            page = f"{page[:begin]}\n{bodies[name]}\n\n{page[end:]}"
    page = page if page.strip() else HEAD
    for name, body in bodies.items():
        if name not in spans:
            title = f"## {titles[name]}\n\n" if titles.get(name) else ""
            page = f"{page.rstrip()}\n\n{title}<!-- bench:{name} -->\n\n{body}\n\n<!-- /bench:{name} -->\n"
    return page


def pictures(results: Results) -> dict[str, str]:
    """The curves of what was measured, as SVG, by their addresses beside the page."""
    drawn = {}
    for name, benchmark in results.benchmarks.items():
        if benchmark.curve is not None:
            figures, across, up = benchmark.curve
            points = [(row[across], row[up]) for row in results.runs[name][0][figures] if row[up] > 0]
            drawn[_picture(benchmark)] = log_log(points, across=across, up=up)
    return drawn


def _picture(benchmark: Benchmark) -> str:
    return f"pictures/{benchmark.name}.svg"


def _spans(page: str) -> dict[str, tuple[int, int]]:
    """Where each block's content begins, after its marker's line, and where it ends."""
    found: dict[str, tuple[int, int]] = {}
    opened: re.Match[str] | None = None
    for marker in _MARKER.finditer(page):
        name = marker["name"]
        if opened is None and not marker["end"] and name not in found:
            opened = marker
        elif opened is not None and marker["end"] and opened["name"] == name:
            found[name] = (opened.end() + 1, marker.start())
            opened = None
        else:
            line = page.count("\n", 0, marker.start()) + 1
            raise ReportError(f"line {line}: {marker[0]} is not where it belongs: each block begins and ends once")
    if opened is not None:
        raise ReportError(f"{opened[0]} has no end: <!-- /bench:{opened['name']} --> is missing")
    return found


def _summary(results: Results, older: str) -> str:
    """The table of targets: new rows in place of the older ones of the same name, the other older ones as they are.

    Rows that no target has are a person's, and come last.
    """
    date = "a quick trial" if results.quick else results.machine["date"]
    rows = {row["what"]: row for row in read_table(older) if row.get("what")}
    for found in results.targets:
        seen = f"{_text(found['seen'])}{found['unit']}"
        rows[found["what"]] = {
            "what": found["what"],
            "seen": seen if found["met"] else f"**{seen}**",
            "target": found["target"],
            "met": "yes" if found["met"] else "**no**",
            "seen on": date,
        }
    order = dict.fromkeys([*(target.what for target in TARGETS), *rows])
    return table([rows[what] for what in order if what in rows], COLUMNS)


def _block(benchmark: Benchmark, runs: Sequence[Figures], results: Results) -> str:
    """A benchmark's commands, when and with what they ran, and their figures: a column for each command."""
    machine = results.machine
    cores = "one core" if machine["cores"] == "1" else f"{machine['cores']} cores"
    seen = (
        f"{QUICK + ' ' if results.quick else ''}Seen on {machine['date']} with crawlpush {machine['crawlpush']} on "
        f"{cores} of {machine['processor']}: {benchmark.medians_of(runs)}."
    )
    # What is wanted stands in the summary.
    columns = [flat({name: value for name, value in run.items() if name != "targets"}) for run in runs]
    heads = ["seen"] if len(runs) == 1 else [f"run {number}" for number in range(1, len(runs) + 1)]
    rows = [
        {"figure": f"`{name}`", **{head: run.get(name, "") for head, run in zip(heads, columns, strict=True)}}
        for name in dict.fromkeys(name for run in columns for name in run)
    ]
    commands = "\n".join(f"    {line}" for line in benchmark.command_lines)
    drawn = f"\n\n![{benchmark.title}]({_picture(benchmark)})" if benchmark.curve else ""
    return f"{commands}\n\n{seen}\n\n{table(rows)}{drawn}"


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> str:
    """Rows as a table of Markdown; its columns are by default the first one's keys, and a row may lack some."""
    columns = list(columns or rows[0])
    lines = [columns, ["---"] * len(columns), *([_text(row.get(name, "")) for name in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def read_table(text: str) -> list[dict[str, str]]:
    """The rows of the first table in a text, by its columns; none when there is no table."""
    found = re.search(r"^\|.*(?:\n\|.*)*", text, re.MULTILINE)
    columns, _, *rows = [_cells(line) for line in found[0].splitlines()] if found and "\n" in found[0] else ([], [])
    return [dict(zip(columns, row, strict=False)) for row in rows]


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().removeprefix("|"))[:-1]]


def _text(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return f"{value:,}"
        case str():
            return value.replace("|", "\\|")
        case list() | tuple():
            return " / ".join(_text(item) for item in value)
        case _:
            return str(value)


WIDTH, HEIGHT, MARGIN = 560, 320, 56
INK, GRID, CURVE = "#333333", "#dddddd", "#0b6bcb"


def log_log(points: Sequence[tuple[float, float]], *, across: str, up: str) -> str:
    """An SVG of the points, joined, over the dotted line on which twice as much costs twice as much.

    points: both numbers above 0, by the first. across, up: what the numbers are.
    """
    decades = [_decades([point[axis] for point in points]) for axis in (0, 1)]

    def place(x: float, y: float) -> str:
        (left, right), (low, high) = decades
        at_x = MARGIN + (math.log10(x) - left) / (right - left) * (WIDTH - 2 * MARGIN)
        at_y = HEIGHT - MARGIN - (math.log10(y) - low) / (high - low) * (HEIGHT - 2 * MARGIN)
        return f"{at_x:.1f},{at_y:.1f}"

    def line(begin: str, end: str, colour: str, dashes: str = "") -> str:
        (x1, y1), (x2, y2) = begin.split(","), end.split(",")
        dotted = f' stroke-dasharray="{dashes}"' if dashes else ""
        return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}"{dotted}/>'

    def label(at: str, text: str, dx: float, dy: float, anchor: str) -> str:
        x, y = map(float, at.split(","))
        return f'<text x="{x + dx:.1f}" y="{y + dy:.1f}" text-anchor="{anchor}">{escape(text)}</text>'

    (left, right), (low, high) = decades
    parts = []
    for power in range(left, right + 1):
        foot = place(10**power, 10**low)
        parts += [line(foot, place(10**power, 10**high), GRID), label(foot, f"{10**power:,}", 0, 18, "middle")]
    for power in range(low, high + 1):
        side = place(10**left, 10**power)
        parts += [line(side, place(10**right, 10**power), GRID), label(side, f"{10**power:,g}", -8, 4, "end")]
    (first_x, first_y), (last_x, _) = points[0], points[-1]
    # As far as the picture goes.
    end_x = min(last_x, first_x * 10**high / first_y)
    parts.append(line(place(first_x, first_y), place(end_x, first_y * end_x / first_x), INK, "2 4"))
    parts.append(f'<polyline points="{" ".join(place(*point) for point in points)}" fill="none" stroke="{CURVE}"/>')
    for x, y in points:
        at = place(x, y)
        at_x, at_y = at.split(",")
        beside = (8, 16, "start") if x < last_x or len(points) == 1 else (-8, -8, "end")
        parts += [f'<circle cx="{at_x}" cy="{at_y}" r="3" fill="{CURVE}"/>', label(at, f"{y:,.3g}", *beside)]
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(across)}</text>')
    parts.append(f'<text x="{MARGIN}" y="24">{escape(up)}</text>')
    style = f'font-family="sans-serif" font-size="12" fill="{INK}"'
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    ground = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n' + "\n".join([ground, *parts]) + "\n</svg>\n"


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten that enclose the values: two different ones."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)
