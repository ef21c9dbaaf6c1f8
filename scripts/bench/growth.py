"""How the cost of a crawl, of matching, of publishing and of sending grows with their number."""

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import linear_regression
from typing import Any

from scripts.bench import apart
from scripts.errors import CommandError


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Something whose cost grows."""

    # What it is counted in.
    unit: str
    # Function of a module: (sizes, runs) -> median seconds of each size. Imported when it is called, because what one
    # of them imports connects to the servers that its settings name at that moment.
    measure: str
    sizes: tuple[int, ...]
    quick: tuple[int, ...]
    runs: int = 3
    # What one round of the work takes; a run of so many is what tells the start-up. One of fewer costs a round too, and
    # what a round costs whatever its size comes again with the next.
    least: int = 1


SUBJECTS: Mapping[str, Subject] = {
    # No crawl has more than 50 pages, so its smallest size is also what tells the start-up.
    "crawl": Subject(
        unit="pages", measure="scripts.bench.crawl:cpu_by_pages", sizes=(1, 5, 16, 50), quick=(1, 3, 10, 30), runs=7
    ),
    "match": Subject(
        unit="users",
        measure="scripts.bench.audience:seconds_by_users",
        sizes=(2_000, 6_000, 24_000, 100_000),
        quick=(2_000, 6_000, 20_000, 60_000),
        least=2_000,
    ),
    "fanout": Subject(
        unit="messages",
        measure="scripts.bench.fanout:seconds_by_messages",
        sizes=(3_000, 10_000, 30_000, 100_000),
        quick=(300, 1_000, 3_000, 10_000),
    ),
    "notify": Subject(
        unit="notifications",
        measure="scripts.bench.notify:seconds_by_notifications",
        sizes=(500, 1_500, 5_000, 15_000),
        quick=(50, 150, 500, 1_500),
    ),
}


def measure_growth(only: Sequence[str] = (), *, quick: bool = False) -> dict[str, dict[str, Any]]:
    """Measure each at four sizes, several times by turns, and fit how its cost grows; `only` some of them.

    sizes, in `unit`; seconds: the median of `runs` at each (of a crawl, CPU of its child: the board is served on the
    same cores; of the others, time). one_s: the same of the least that is done at once (one, of matching a
    slice). start_s: what a run costs whatever its size.
    exponent: k of cost = start + unit * size^k; 1 means that twice as many cost twice as much (scripts.bench.growth).
    quick: small sizes, once each, which say that it works and nothing else. On a busy machine they may cost less than
    a start did a moment before: then no start_s and no exponent are given. Raises FitError when that is so of others.
    """
    names = [name for name in SUBJECTS if name in only or not only]
    if len(names) == 1:
        return {names[0]: _measured(SUBJECTS[names[0]], quick=quick)}
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        found |= apart.figures(["growth", "--only", name, *(["--quick"] if quick else []), "--json"])
    return found


def _measured(subject: Subject, *, quick: bool) -> dict[str, Any]:
    module, _, function = subject.measure.partition(":")
    measure: Callable[[Sequence[int], int], dict[int, float]] = getattr(importlib.import_module(module), function)
    sizes, runs = (subject.quick, 1) if quick else (subject.sizes, subject.runs)
    costs = measure(sorted({subject.least, *sizes}), runs)
    seconds = [costs[size] for size in sizes]
    one_s = costs[subject.least]
    growth: Growth | None
    try:
        growth = fitted([size // subject.least for size in sizes], seconds, one_s=one_s)
    except FitError:
        if not quick:
            raise
        growth = None
    return {
        "unit": subject.unit,
        "runs": runs,
        "sizes": list(sizes),
        "seconds": [round(cost, 4) for cost in seconds],
        "one_s": round(one_s, 4),
        "start_s": growth and round(growth.start_s, 4),
        "exponent": growth and round(growth.exponent, 3),
    }


ROUNDS = 1000
"""Where size 1 is among the sizes, each round takes a sixth off what is missing; else it is done after a few."""
CLOSE = 1e-12


class FitError(CommandError, ValueError):
    """Costs that no exponent can be read from."""


@dataclass(frozen=True, kw_only=True)
class Growth:
    """What was fitted."""

    # Seconds that a run costs whatever its size.
    start_s: float
    exponent: float


def fitted(sizes: Sequence[int], seconds: Sequence[float], *, one_s: float) -> Growth:
    """Fit the costs (`seconds`) of runs of these sizes, by least squares in log-log with the start-up taken off.

    one_s: the cost of a run of size 1, measured as the others are. That is the start-up and one unit; the unit is what
    the fit says, so the two are found together, in rounds. The other way, to read the start-up off a straight line
    through the costs, would take for granted what is asked, that k is 1. Raises FitError.
    """
    if len(sizes) != len(seconds) or len(set(sizes)) < 2 or min(sizes) < 1:
        raise FitError(f"{len(seconds)} costs of the sizes {', '.join(map(str, sizes))} give no exponent")
    start_s = 0.0
    for _ in range(ROUNDS):
        exponent, unit_s = _line(sizes, seconds, start_s)
        found = max(one_s - unit_s, 0.0)
        if abs(found - start_s) <= CLOSE * one_s:
            break
        start_s = found
    return Growth(start_s=start_s, exponent=exponent)


def _line(sizes: Sequence[int], seconds: Sequence[float], start_s: float) -> tuple[float, float]:
    """The exponent, and the cost of one unit, when so much is start-up."""
    if min(seconds) <= start_s:
        raise FitError(f"a run costs {min(seconds):.3g} s, and to start one {start_s:.3g} s: the sizes are too small")
    x = [math.log(size) for size in sizes]
    y = [math.log(cost - start_s) for cost in seconds]
    line = linear_regression(x, y)
    return line.slope, math.exp(line.intercept)
