"""`crawlpush bench all`: every benchmark, one after the other, and the page that reports them."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.bench import apart, machine, page, plots, plotting
from scripts.bench.errors import BenchmarkError
from scripts.bench.report import QUICK, TITLES, Result, Stamp, block, machine_block, summary_block, verdicts
from scripts.bench.suite import NAMES, Arguments, Benchmark
from scripts.bench.targets import Figures
from scripts.errors import CommandError

Run = Callable[[Arguments], Figures]


class ReportError(CommandError, RuntimeError):
    """A report that cannot be written, or must not be."""


@dataclass(kw_only=True)
class Everything:
    """What was measured, and what could not be."""

    machine: Mapping[str, str]
    stamp: Stamp
    results: list[Result] = field(default_factory=list)
    # Benchmark, or what else went wrong, -> why.
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def targets(self) -> list[dict[str, Any]]:
        """Each figure that has a target, beside it."""
        return [verdict.to_json() for verdict in verdicts(self.results)]

    def to_json(self) -> dict[str, Any]:
        """As `bench all --json` prints it; `figures` has one mapping for each command."""
        return {
            "machine": self.machine,
            "quick": self.stamp.quick,
            "benchmarks": {
                result.benchmark.name: {
                    "commands": result.benchmark.command_lines,
                    "medians": result.benchmark.medians_of(result.runs),
                    "figures": result.runs,
                }
                for result in self.results
            },
            "targets": self.targets,
            "failed": self.failed,
        }


def run_all(
    benchmarks: Sequence[Benchmark],
    *,
    report: Path | None,
    quick: bool,
    say: Callable[[str], None],
    run: Run | None = None,
) -> Everything:
    """Run benchmarks one after the other, each in a process of its own; one that fails is named, and the next follows.

    The report is written after each, so that what was measured survives whatever comes. `say` is told how far it is.
    run: runs a command, by default in a process. Raises ReportError before anything runs.
    """
    if report is not None:
        check_report(report, quick=quick)
    described = machine.describe()
    stamp = Stamp(
        date=described["date"],
        product=described["crawlpush"],
        processor=described["processor"],
        cores=machine.cores(),
        quick=quick,
    )
    everything = Everything(machine=described, stamp=stamp)
    whole = {benchmark.name for benchmark in benchmarks} == set(NAMES)
    for benchmark in benchmarks:
        try:
            everything.results.append(Result(benchmark=benchmark, runs=_runs(benchmark, say, run or apart.figures)))
        except BenchmarkError as error:
            everything.failed[benchmark.name] = str(error)
            say(f"{benchmark.name} failed: {error}")
            continue
        if report is not None:
            _report(report, everything, whole=whole)
    measured = {result.benchmark.name for result in everything.results}
    if report is not None and measured & set(PICTURES) and not plotting.can_draw():
        say(f"The plots are left as they are: {plotting.NEEDS}")
    return everything


def check_report(path: Path, *, quick: bool) -> None:
    """Raise ReportError when the report could not be written there, or when a quick trial would replace figures."""
    folder = path.resolve().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ReportError(f"the report cannot be written: there is no folder {folder} that one may write to")
    try:
        written = page.blocks(page.read(path))
    except page.PageError as error:
        raise ReportError(f"{path}: {error}") from None
    if quick and any(body and QUICK not in body for name, body in written.items() if name in NAMES):
        raise ReportError(f"{path} has figures to go by, which a quick trial would replace: name another file")


def _runs(benchmark: Benchmark, say: Callable[[str], None], run: Run) -> list[Figures]:
    found = []
    for arguments, line in zip(benchmark.commands, benchmark.command_lines, strict=True):
        say(line)
        found.append(run(arguments))
    return found


def _report(path: Path, everything: Everything, *, whole: bool) -> None:
    """Bring the page up to date with all that was measured so far."""
    try:
        # Read again each time: a person may have written on it meanwhile.
        before = page.read(path)
        page.write(path, _page(before, path.parent, everything, whole=whole))
        _draw(path, everything)
    except (page.PageError, OSError, ImportError) as error:
        # The next one tries again.
        everything.failed["report"] = f"{path}: {error}"
    else:
        everything.failed.pop("report", None)


def _page(before: str, folder: Path, everything: Everything, *, whole: bool) -> str:
    older = page.blocks(before)
    bodies: dict[str, str] = {}
    # The other blocks' figures may come from another machine: each says which.
    if whole or "machine" not in older:
        bodies["machine"] = machine_block(everything.machine)
    bodies["summary"] = summary_block(everything.results, everything.stamp, older.get("summary", ""))
    for result in everything.results:
        bodies[result.benchmark.name] = block(result, everything.stamp, _pictures(result.benchmark.name, folder))
    titles = {**TITLES, **{result.benchmark.name: result.benchmark.title for result in everything.results}}
    return page.with_blocks(before, bodies, titles)


PICTURES = {"audience": plots.THROUGHPUT, "fairness": plots.FAIRNESS, "endtoend": plots.LATENCY}
"""The plot under each block's figures."""


def _pictures(name: str, folder: Path) -> dict[str, str]:
    file = PICTURES.get(name)
    return {file: plots.SHOWS[file]} if file and (plotting.can_draw() or (folder / file).exists()) else {}


def _draw(path: Path, everything: Everything) -> None:
    """Draw what is new, from the page: so the plots show what stands there, also what was measured before."""
    measured: set[str] = {result.benchmark.name for result in everything.results}
    if not measured & {"audience", "endtoend"} or not plotting.can_draw():
        return
    written = page.blocks(page.read(path))
    if throughput := plots.throughput(written):
        plots.draw(path.parent / plots.THROUGHPUT, throughput, ylabel="users a second")
    if "endtoend" in measured and (latency := plots.latency(written)):
        plots.draw(path.parent / plots.LATENCY, latency, ylabel="seconds from the start of the crawl")
