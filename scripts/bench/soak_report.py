"""From the samples of a soak to its figures. Pure, but for the drawing."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.bench.plotting import new_figure
from scripts.bench.trend import Point, trend

Sample = Mapping[str, Any]
"""What was seen at a moment: at_s, and what `Soak.sample` adds."""

DIGITS = {"rss_mb": 1, "pss_mb": 1, "threads": 1, "fds": 1}
"""What is told of a process over time, and with how many digits."""


def process_figures(samples: Sequence[Sample], seconds: float) -> dict[str, dict[str, float | None]]:
    """Of each process: memory, threads and open files when it is warm, at the end, at most, and their growth."""
    found: dict[str, dict[str, float | None]] = {}
    for name in dict.fromkeys(name for sample in samples for name in sample["processes"]):
        of_name = [(sample["at_s"], sample["processes"][name]) for sample in samples if name in sample["processes"]]
        figures: dict[str, float | None] = {}
        for what, digits in DIGITS.items():
            points = [(at, used[what]) for at, used in of_name if used[what] is not None]
            figures |= _named(what, points, seconds, digits)
        found[name] = figures
    return found


def server_figures(samples: Sequence[Sample], seconds: float) -> dict[str, float | None]:
    """The same of Redis and of the database."""
    figures: dict[str, float | None] = {}
    for what, digits in (("redis_mb", 2), ("redis_keys", 0), ("database_mb", 2), ("rows", 0)):
        figures |= _named(what, [(sample["at_s"], sample[what]) for sample in samples], seconds, digits)
    return figures


def _named(what: str, points: Sequence[Point], seconds: float, digits: int) -> dict[str, float | None]:
    seen = trend(points, seconds)
    values = {"warm": seen.warm, "end": seen.end, "most": seen.most, "growth_per_h": seen.growth_per_hour}
    return {f"{what}_{name}": value if value is None else round(value, digits) for name, value in values.items()}


def longest_queues(samples: Sequence[Sample]) -> dict[str, int]:
    """The most messages that waited in each queue when it was looked at."""
    names = dict.fromkeys(name for sample in samples for name in sample["queues"])
    return {name: max(sample["queues"].get(name, 0) for sample in samples) for name in names}


def memory_rows(processes: Mapping[str, Mapping[str, float | None]]) -> list[dict[str, Any]]:
    """A line for each process, for a person."""
    return [
        {
            "process": name,
            "RSS warm": figures["rss_mb_warm"],
            "RSS end": figures["rss_mb_end"],
            "MB/h": figures["rss_mb_growth_per_h"],
            "PSS end": figures["pss_mb_end"],
            "threads warm": figures["threads_warm"],
            "threads end": figures["threads_end"],
            "files warm": figures["fds_warm"],
            "files end": figures["fds_end"],
        }
        for name, figures in processes.items()
    ]


def draw(samples: Sequence[Sample], path: Path) -> None:
    """Draw the memory of each process over time. Raises ClickException without matplotlib."""
    figure = new_figure(9, 5)
    axes = figure.subplots()
    for name in process_figures(samples, samples[-1]["at_s"]):
        points = [
            (sample["at_s"] / 60, sample["processes"][name]["rss_mb"])
            for sample in samples
            if name in sample["processes"]
        ]
        # Few samples meet a crawl, which lives for a moment.
        style = "." if name == "crawl" else "-"
        axes.plot([at for at, _ in points], [value for _, value in points], style, label=name)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("minutes")
    axes.set_ylabel("MB of resident memory")
    axes.set_title("Memory of the processes under a steady load")
    axes.legend(loc="lower right", ncols=3)
    figure.savefig(path, dpi=100)
