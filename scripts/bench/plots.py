"""The plots of the report."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.bench.plotting import new_figure
from scripts.bench.tables import number, read_table

THROUGHPUT, LATENCY, FAIRNESS = "throughput.png", "latency.png", "fairness.png"
SHOWS = {
    THROUGHPUT: "Users served a second, against the audience",
    LATENCY: "Seconds from the crawl that sees a post to its pushes, against the audience",
    FAIRNESS: "Queue length and progress of two posts",
}
"""What each file beside the page shows."""
Points = Sequence[tuple[float, float]]


def throughput(blocks: Mapping[str, str]) -> dict[str, Points]:
    """The curves of the throughput, from the page's blocks: users a second by audience. Pure."""
    return _with_points(
        {
            "fan-out: readers found, rows committed, messages in Redis": points(blocks, "audience", "per_s"),
            "the whole way: recorded deliveries": points(blocks, "endtoend", "per_s"),
        }
    )


def latency(blocks: Mapping[str, str]) -> dict[str, Points]:
    """The curves of the latency, from the page's blocks: seconds from the crawl's start, by audience. Pure."""
    return _with_points(
        {
            "to the last push, recorded": points(blocks, "endtoend", "total_s"),
            "to the first push, recorded": points(blocks, "endtoend", "first_s"),
        }
    )


def points(blocks: Mapping[str, str], block: str, column: str) -> Points:
    """(audience, figure) of each row of a block's table that has both. Pure."""
    rows = read_table(blocks.get(block, ""))
    pairs = ((number(row.get("users", "")), number(row.get(column, ""))) for row in rows)
    return [(users, value) for users, value in pairs if users and value]


def draw(path: Path, curves: Mapping[str, Points], *, ylabel: str) -> None:
    """Draw curves against the audience as a PNG, both axes logarithmic. Raises ClickException without matplotlib."""
    figure = new_figure(9, 5)
    axes = figure.subplots()
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
