"""How a cost grows: the exponent k of cost = start + unit * size^k. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import linear_regression

from scripts.errors import CommandError

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
