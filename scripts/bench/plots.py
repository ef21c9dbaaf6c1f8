"""The plots of the report. They need matplotlib, which the extra `bench` brings."""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from scripts.bench.tables import number, read_table

THROUGHPUT, LATENCY, FAIRNESS = "throughput.png", "latency.png", "fairness.png"
SHOWS = {
    THROUGHPUT: "Users served a second, against the audience",
    LATENCY: "Seconds until the last push, against the audience",
    FAIRNESS: "Queue length and progress of two posts",
}
"""What each file beside the page shows."""
NEEDS = "drawing needs matplotlib: pip install 'crawlpush[bench]'"

Points = Sequence[tuple[float, float]]


def can_draw() -> bool:
    """Whether matplotlib is there."""
    return importlib.util.find_spec("matplotlib") is not None


def require_drawing() -> None:
    """Raise ClickException without matplotlib: before a measurement, whose figures would be lost with the plot."""
    if not can_draw():
        raise click.ClickException(NEEDS)


def throughput(blocks: Mapping[str, str]) -> dict[str, Points]:
    """The curves of the throughput, from the page's blocks: users a second by audience. Pure."""
    return _with_points(
        {
            "fan-out: readers found, rows committed, messages in Redis": points(blocks, "audience", "per_s"),
            "the whole way: recorded deliveries": points(blocks, "endtoend", "per_s"),
        }
    )


def latency(blocks: Mapping[str, str]) -> dict[str, Points]:
    """The curves of the latency, from the page's blocks: seconds by audience. Pure."""
    return _with_points({"from the start of the crawl to the last push": points(blocks, "endtoend", "total_s")})


def points(blocks: Mapping[str, str], block: str, column: str) -> Points:
    """(audience, figure) of each row of a block's table that has both. Pure."""
    rows = read_table(blocks.get(block, ""))
    pairs = ((number(row.get("users", "")), number(row.get(column, ""))) for row in rows)
    return [(users, value) for users, value in pairs if users and value]


def draw(path: Path, curves: Mapping[str, Points], *, ylabel: str) -> None:
    """Draw curves against the audience as a PNG, both axes logarithmic. Needs matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    axes: Any = figure.subplots()
    for name, curve in curves.items():
        axes.plot(*zip(*curve, strict=True), marker="o", label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("users who want the post")
    axes.set_ylabel(ylabel)
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=100)


def _with_points(curves: Mapping[str, Points]) -> dict[str, Points]:
    return {name: curve for name, curve in curves.items() if curve}
