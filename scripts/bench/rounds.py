"""The same at several sizes, by turns, so that a machine that slows down meanwhile does so for all of them."""

from collections.abc import Callable, Sequence
from statistics import median

OFTEN = 5


def by_turns(sizes: Sequence[int], runs: int, measure: Callable[[int], float]) -> dict[int, float]:
    """Measure each size so many times, and give the median of each.

    The smallest is measured five times as often: it costs little, and what is small is lost in the noise first.
    """
    found: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(runs):
        for size, values in found.items():
            values.extend(measure(size) for _ in range(OFTEN if size == min(found) else 1))
    return {size: median(values) for size, values in found.items()}
