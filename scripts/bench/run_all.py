"""`crawlpush bench all`: every benchmark, one after the other, and the page that reports them."""

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from scripts.bench import apart, machine
from scripts.bench.errors import BenchmarkError
from scripts.bench.report import ReportError, Results, check_page, pictures, updated
from scripts.bench.suite import NAMES, Arguments, Benchmark
from scripts.bench.targets import Figures


def run_all(
    benchmarks: Sequence[Benchmark],
    *,
    report: Path | None,
    quick: bool,
    say: Callable[[str], None],
    run: Callable[[Arguments], Figures] | None = None,
) -> Results:
    """Run benchmarks one after the other, each in a process of its own; one that fails is named, and the next follows.

    The report is written after each, so that what was measured survives whatever comes. `say` is told how far it is.
    run: runs a command, by default in a process. Raises ReportError before anything runs.
    """
    if report is not None:
        _check_report(report, quick=quick)
    results = Results(machine=machine.describe(), quick=quick)
    whole = {benchmark.name for benchmark in benchmarks} == set(NAMES)
    for benchmark in benchmarks:
        try:
            runs = []
            for arguments, line in zip(benchmark.commands, benchmark.command_lines, strict=True):
                say(line)
                runs.append((run or apart.figures)(arguments))
        except BenchmarkError as error:
            results.failed[benchmark.name] = str(error)
            say(f"{benchmark.name} failed: {error}")
            continue
        results.runs[benchmark.name], results.benchmarks[benchmark.name] = runs, benchmark
        if report is not None:
            _report(report, results, whole=whole)
    return results


def _check_report(path: Path, *, quick: bool) -> None:
    """Raise ReportError when the report could not be written there, or must not be."""
    folder = path.resolve().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ReportError(f"the report cannot be written: there is no folder {folder} that one may write to")
    try:
        check_page(_read(path), quick=quick)
    except ReportError as error:
        raise ReportError(f"{path}: {error}") from None


def _report(path: Path, results: Results, *, whole: bool) -> None:
    """Bring the page up to date with all that was measured so far."""
    try:
        # Read again each time: a person may have written on it meanwhile.
        _write(path, updated(_read(path), results, whole=whole))
        for address, drawn in pictures(results).items():
            picture = path.resolve().parent / address
            picture.parent.mkdir(exist_ok=True)
            _write(picture, drawn)
    except (ReportError, OSError) as error:
        # The next one tries again.
        results.failed["report"] = f"{path}: {error}"
    else:
        results.failed.pop("report", None)


def _read(path: Path) -> str:
    with suppress(FileNotFoundError):
        return path.read_text(encoding="utf-8")
    return ""


def _write(path: Path, page: str) -> None:
    """Put the page in place in one step, so that a reader sees the old one or the new one."""
    target = path.resolve()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    part = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(page)
        # Such a file is its owner's alone; a page is read by others too.
        part.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
