"""What the figures shall be, and whether they are. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.bench.tables import shown

Figures = Mapping[str, Any]

AUDIENCE = 100_000
"""The audience that the targets of the whole way are for."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A bound for one figure."""

    benchmark: str
    # Its name in the benchmark's JSON; a dot goes one mapping further in.
    figure: str
    # What a reader is told that it is.
    what: str
    least: float | None = None
    most: float | None = None
    # What follows the number.
    unit: str = ""
    # What the bound was before, if that still matters.
    note: str = ""
    # Only in runs with so many users.
    users: int | None = None

    def value(self, runs: Sequence[Figures]) -> float | None:
        """The figure in the runs of its benchmark; None when none of them has it."""
        for run in runs:
            if self.users is not None and run.get("users") != self.users:
                continue
            found: Any = run
            for name in self.figure.split("."):
                found = found.get(name) if isinstance(found, Mapping) else None
            if isinstance(found, int | float):
                return found
        return None

    def is_met(self, value: float) -> bool:
        """Whether a figure is as it shall be."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    @property
    def words(self) -> str:
        """The bound, to be read."""
        if self.most == 0:
            return "0"
        bound = f"at least {shown(self.least or 0)}" if self.most is None else f"at most {shown(self.most)}"
        return f"{bound}{self.unit}{self.note}"


def _notify(benchmark: str, database: str) -> tuple[Target, ...]:
    return (
        Target(
            benchmark=benchmark,
            figure="per_s",
            what=f"notifications, queue to recorded delivery, {database}",
            least=2000,
            unit="/s",
        ),
        Target(
            benchmark=benchmark,
            figure="times_plain",
            what=f"the same beside the plain design, {database}",
            least=40,
            unit=" times",
            note=" (20 at first)",
        ),
        Target(
            benchmark=benchmark,
            figure="noop_times_stock",
            what=f"empty tasks, the bulk transport beside kombu's own, {database}",
            least=4,
            unit=" times",
        ),
        Target(
            benchmark=benchmark,
            figure="stock.of_noop",
            what=f"beside an empty task, on kombu's own transport, {database}",
            least=0.7,
        ),
        Target(benchmark=benchmark, figure="lone_ms", what=f"a lone notification, {database}", most=300, unit=" ms"),
    )


TARGETS = (
    Target(benchmark="crawl", figure="ratio", what="CPU of a one-page crawl, stored, beside `scrapy crawl`", most=0.1),
    Target(benchmark="crawl", figure="private_mb", what="private memory of a running child", most=25, unit=" MB"),
    Target(benchmark="store", figure="cost", what="storing what a crawl found", most=0.1, unit=" of the crawl"),
    Target(
        benchmark="neighbour",
        figure="ratio",
        what="a web process's 95th percentile beside the pipeline",
        most=1.5,
        unit=" times",
    ),
    Target(benchmark="match", figure="match_ms", what="phrases of a post among 100,000, median", most=2, unit=" ms"),
    Target(benchmark="match", figure="build_s", what="automaton of 100,000 phrases", most=3, unit=" s"),
    Target(benchmark="match", figure="rows_1k_ms", what="rows for 1,000 readers", most=50, unit=" ms"),
    Target(benchmark="match", figure="rows_100k_s", what="rows for 100,000 readers", most=5, unit=" s"),
    Target(benchmark="match", figure="import_s", what="import of a million subscriptions", most=120, unit=" s"),
    Target(benchmark="fanout", figure="per_s", what="notify messages published, one process", least=20_000, unit="/s"),
    Target(benchmark="fanout", figure="ratio", what="the same beside `apply_async` in a loop", least=10, unit=" times"),
    *_notify("notify-sqlite", "SQLite"),
    *_notify("notify-postgres", "PostgreSQL"),
    Target(
        benchmark="gateway",
        figure="fcm_per_s",
        what="FCM messages that the loopback gateway takes",
        least=5000,
        unit="/s",
    ),
    Target(
        benchmark="gateway",
        figure="apns_per_s",
        what="APNs messages that the loopback gateway takes",
        least=2500,
        unit="/s",
    ),
    *(
        Target(benchmark="growth", figure=f"{name}.exponent", what=f"exponent of the cost of {what}", most=1.05)
        for name, what in (
            ("crawl", "a crawl, by pages"),
            ("match", "matching, by readers"),
            ("fanout", "publishing, by messages"),
            ("notify", "sending, by notifications"),
        )
    ),
    *(
        Target(benchmark="endtoend", figure=figure, what=what, most=most, unit=unit, users=AUDIENCE)
        for figure, what, most, unit in (
            ("total_s", "a post for 100,000, from its crawl to the last recorded delivery", 100, " s"),
            ("second_s", "a second post meanwhile", 5, " s"),
            ("largest_mb", "memory of the largest process meanwhile", 200, " MB"),
            ("lost", "lost of 100,000", 0, ""),
            ("shown_twice", "shown twice of 100,000", 0, ""),
        )
    ),
)
