"""What the figures shall be, and whether they are. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Figures = Mapping[str, Any]

AUDIENCE = 100_000
"""The audience that the targets of the whole way are for."""


def flat(figures: Figures) -> dict[str, Any]:
    """All figures by their names, with a dot between the name of a group and a name in it."""
    found: dict[str, Any] = {}
    for name, value in figures.items():
        if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            value = {key: [item.get(key) for item in value] for key in value[0]}
        if isinstance(value, Mapping) and value:
            found |= {f"{name}.{key}": item for key, item in flat(value).items()}
        else:
            found[name] = value
    return found


@dataclass(frozen=True)
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
        counting = (run for run in runs if self.users in (None, run.get("users")))
        values = (flat(run).get(self.figure) for run in counting)
        return next((value for value in values if isinstance(value, int | float)), None)

    def is_met(self, value: float) -> bool:
        """Whether a figure is as it shall be."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    @property
    def words(self) -> str:
        """The bound, to be read."""
        if self.most == 0:
            return "0"
        bound = f"at least {self.least:,}" if self.most is None else f"at most {self.most:,}"
        return f"{bound}{self.unit}{self.note}"


def _notify(benchmark: str, on: str) -> tuple[Target, ...]:
    return (
        Target(benchmark, "per_s", f"notifications, queue to recorded delivery, {on}", least=2000, unit="/s"),
        Target(
            *(benchmark, "times_plain", f"the same beside the plain design, {on}"),
            least=40,
            unit=" times",
            note=" (20 at first)",
        ),
        Target(
            *(benchmark, "noop_times_stock", f"empty tasks, the bulk transport beside kombu's own, {on}"),
            least=4,
            unit=" times",
        ),
        Target(benchmark, "lone_ms", f"a lone notification, {on}", most=300, unit=" ms"),
    )


TARGETS = (
    Target("crawl", "ratio", "CPU of a one-page crawl, stored, beside `scrapy crawl`", most=0.1),
    Target(
        "crawl",
        "post_ratio",
        "CPU of a crawl that reads one new post's page too, beside `scrapy crawl` of both",
        most=0.1,
    ),
    Target("crawl", "private_mb", "private memory of a running child", most=25, unit=" MB"),
    Target("store", "cost", "storing what a crawl found", most=0.1, unit=" of the crawl"),
    Target("neighbour", "ratio", "a web process's 95th percentile beside the pipeline", most=1.5, unit=" times"),
    Target("match", "match_ms", "phrases of a post among 100,000, median", most=2, unit=" ms"),
    Target("match", "build_s", "automaton of 100,000 phrases", most=3, unit=" s"),
    Target("match", "rows_1k_ms", "rows for 1,000 readers", most=50, unit=" ms"),
    Target("match", "rows_100k_s", "rows for 100,000 readers", most=5, unit=" s"),
    Target("match", "import_s", "import of a million subscriptions", most=120, unit=" s"),
    Target("fanout", "per_s", "notify messages published, one process", least=20_000, unit="/s"),
    Target("fanout", "ratio", "the same beside `apply_async` in a loop", least=10, unit=" times"),
    *_notify("notify-sqlite", "SQLite"),
    *_notify("notify-postgres", "PostgreSQL"),
    *(
        Target("notify-postgres", figure, f"{what} for a notification, beside a loop by hand", most=most, unit=" times")
        for figure, what, most in (
            ("of_floor", "CPU of the notifiers", 2.5),
            ("pipeline_of_floor", "CPU of notifiers, Redis and PostgreSQL", 1.7),
        )
    ),
    Target("digest", "of_single", "digests recorded, beside single notifications", least=0.6),
    Target("digest", "second_s", "a fresh post to other people while digests go out", most=5, unit=" s"),
    *(
        Target("digest", figure, what, most=0)
        for figure, what in (("lost", "digests lost"), ("visible_duplicates", "digests shown twice"))
    ),
    Target("gateway", "fcm_per_s", "FCM messages that the loopback gateway takes", least=5000, unit="/s"),
    Target("gateway", "apns_per_s", "APNs messages that the loopback gateway takes", least=2500, unit="/s"),
    Target("memory", "together.times_one_worker", "memory of all processes together, forked from one", most=3),
    Target("memory", "together.work_times_one_worker", "the same while they work, beside one at rest", most=3),
    Target(
        "memory", "apart.redis_connections_together", "connections to Redis of the four processes, at rest", most=18
    ),
    Target("memory", "one.redis_connections_together", "connections to Redis of a worker of all queues", most=10),
    Target("start", "help_of_click", "CPU of `crawlpush --help`, beside `import click`", most=2),
    Target("start", "version_of_click", "CPU of `crawlpush --version`, beside `import click`", most=2),
    Target("start", "sites_list_of_orm", "CPU of `sites list`, beside `import sqlalchemy.orm`", most=3),
    *(
        Target("start", f"ready_s.{name}", f"until a {name} works", most=1.5, unit=" s")
        for name in ("dispatcher", "notifier")
    ),
    Target("growth", "crawl.exponent", "exponent of the cost of a crawl, by pages", most=1.05),
    Target("growth", "match.exponent", "exponent of the cost of matching, by readers", most=1.05),
    Target("growth", "fanout.exponent", "exponent of the cost of publishing, by messages", most=1.05),
    Target("growth", "notify.exponent", "exponent of the cost of sending, by notifications", most=1.05),
    *(
        Target("endtoend", figure, what, most=most, unit=unit, users=AUDIENCE)
        for figure, what, most, unit in (
            ("total_s", "a post for 100,000, from its crawl to the last recorded delivery", 100, " s"),
            ("of_cpu", "the same beside the CPU that all of it takes", 1.25, " times"),
            ("second_s", "a second post meanwhile", 5, " s"),
            ("of_alone", "a second post meanwhile, beside one alone", 2, " times"),
            ("largest_mb", "memory of the largest process meanwhile", 200, " MB"),
            ("lost", "lost of 100,000", 0, ""),
            ("shown_twice", "shown twice of 100,000", 0, ""),
        )
    ),
)
