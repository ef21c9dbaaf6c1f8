"""What the blocks of the report's page say. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.bench.suite import Benchmark
from scripts.bench.tables import read_table, shown, table
from scripts.bench.targets import TARGETS, Figures, Target

QUICK = "**A quick trial with small sizes, no figures to go by.**"
WHAT = "what"
"""The column of the summary that tells its rows apart."""
ENDTOEND = (
    "users",
    "total_s",
    "crawl_s",
    "fanout_s",
    "first_s",
    "per_s",
    "second_s",
    "largest_mb",
    "lost",
    "shown_twice",
    "peak_mb",
)
"""Columns of the table of `bench endtoend`, whose JSON has more."""
COLUMNS = (WHAT, "seen", "target", "met", "seen on")
TITLES = {"machine": "", "summary": ""}
"""Of the blocks that belong to no benchmark: they stand at the top."""


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """When and with what the figures were measured."""

    date: str
    product: str
    processor: str
    cores: int
    quick: bool = False

    @property
    def words(self) -> str:
        """All of it in a sentence that goes on."""
        cores = "one core" if self.cores == 1 else f"{self.cores} cores"
        return f"Seen on {self.date} with crawlpush {self.product} on {cores} of {self.processor}"


@dataclass(frozen=True, kw_only=True)
class Result:
    """The figures of a benchmark, one mapping for each of its commands."""

    benchmark: Benchmark
    runs: Sequence[Figures]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A figure beside its target."""

    target: Target
    value: float

    @property
    def met(self) -> bool:
        """Whether it is as it shall be."""
        return self.target.is_met(self.value)

    def to_json(self) -> dict[str, Any]:
        """As `bench all --json` has it."""
        return {
            "benchmark": self.target.benchmark,
            "figure": self.target.figure,
            "what": self.target.what,
            "seen": self.value,
            "target": self.target.words,
            "met": self.met,
        }

    def row(self, date: str) -> dict[str, str]:
        """As the summary has it; what misses its target is bold."""
        seen = f"{shown(self.value)}{self.target.unit}"
        return {
            WHAT: self.target.what,
            "seen": seen if self.met else f"**{seen}**",
            "target": self.target.words,
            "met": "yes" if self.met else "**no**",
            "seen on": date,
        }


def verdicts(results: Sequence[Result]) -> list[Verdict]:
    """Each figure that has a target, in the order of the targets."""
    runs = {result.benchmark.name: result.runs for result in results}
    values = ((target, target.value(runs.get(target.benchmark, ()))) for target in TARGETS)
    return [Verdict(target=target, value=value) for target, value in values if value is not None]


def machine_block(machine: Mapping[str, str]) -> str:
    """The machine, and the versions of what ran on it."""
    return table([{"machine": name, "": value} for name, value in machine.items()])


def summary_block(results: Sequence[Result], stamp: Stamp, older: str) -> str:
    """The table of targets: new rows in place of the older ones of the same name, the other older ones as they are.

    Rows that no target has are a person's, and come last.
    """
    new = {verdict.target.what: verdict.row(_date(stamp)) for verdict in verdicts(results)}
    old = {row[WHAT]: row for row in read_table(older) if row.get(WHAT)}
    rows = [new.get(target.what) or old.get(target.what) for target in TARGETS]
    known = {target.what for target in TARGETS}
    found = [row for row in (*rows, *(row for what, row in old.items() if what not in known)) if row]
    return table(found, COLUMNS)


def block(result: Result, stamp: Stamp, pictures: Mapping[str, str]) -> str:
    """A benchmark's commands, when they ran, and their figures; under them pictures, as file name -> what it shows."""
    commands = "\n".join(f"    {line}" for line in result.benchmark.command_lines)
    seen = f"{stamp.words}: {result.benchmark.medians_of(result.runs)}."
    parts = [commands, f"{QUICK} {seen}" if stamp.quick else seen, _figures(result)]
    parts += [f"![{shows}]({file})" for file, shows in pictures.items()]
    return "\n\n".join(parts)


def _figures(result: Result) -> str:
    first = result.runs[0]
    match result.benchmark.name:
        case "endtoend":
            return table(result.runs, ENDTOEND)
        case "audience":
            return table(first["audiences"])
        case "growth":
            return table([{"cost of": name, **figures} for name, figures in first.items()])
        case "notify-sqlite" | "notify-postgres":
            stock = first["stock"]
            own = {name: value for name, value in first.items() if name in stock}
            rest = {name: value for name, value in first.items() if name != "stock" and name not in stock}
            rows = [{"transport": "bulk", **own}, {"transport": "stock", **stock}]
            return f"{table(rows)}\n\n{_pairs(rest)}"
        case _:
            return _pairs(first)


def _pairs(figures: Figures) -> str:
    return table([{"figure": f"`{name}`", "seen": value} for name, value in figures.items()])


def _date(stamp: Stamp) -> str:
    return "a quick trial" if stamp.quick else stamp.date
