"""Every benchmark of `crawlpush bench all`: which command it is, and of how many runs its figures are the medians."""

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import join

from scripts.bench.targets import AUDIENCE, Figures

AUDIENCES = (1_000, 10_000, AUDIENCE)
"""For the whole way from a crawl to the last push."""
QUICK_AUDIENCES = (100, 300)

Arguments = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A benchmark as the report has it: one block of the page."""

    name: str
    title: str
    # What follows `crawlpush bench`; several where one run is one point of a curve.
    commands: tuple[Arguments, ...]
    # Of how many runs the figures are the medians, in words; in braces a figure of the command's own.
    medians: str
    # The figures of a curve, and which of their numbers stand across and up; none for most.
    curve: tuple[str, str, str] | None = None

    @property
    def command_lines(self) -> list[str]:
        """The commands as a person types them."""
        return [join(["crawlpush", "bench", *arguments]) for arguments in self.commands]

    def medians_of(self, runs: Sequence[Figures]) -> str:
        """Of how many runs the figures of these runs of the commands are the medians."""
        return self.medians.format_map(runs[0])


# Name, title, command, command of `--quick`, medians.
_TABLE = (
    ("crawl", "A crawl", "crawl", "crawl --runs 1", "medians of {runs} runs"),
    ("store", "Storing what a crawl found", "store", "store --runs 1", "medians of {runs} runs"),
    (
        *("neighbour", "A neighbour", "neighbour --seconds 30", "neighbour --seconds 2 --sites 10 --users 100"),
        "one run",
    ),
    (
        *("match", "Matching", "match", "match --subscriptions 2000 --distinct 200"),
        "find_ms and rows_1k_ms are medians of {runs} runs, match_ms of 100 posts, build_s, like_ms and rows_100k_s of "
        "{long_runs} runs; the import is one run",
    ),
    ("fanout", "Fan-out", "fanout --users 100000", "fanout --users 1000", "medians of {rounds} rounds"),
    (
        *("audience", "Fan-outs by audience", "audience --runs 1", "audience --audiences 100,300 --runs 1"),
        "one run, of the smallest audience the median of five",
    ),
    (
        *("fairness", "Fairness", "fairness --users 30000 --per-s 1000", "fairness --users 500 --per-s 500"),
        "one run",
    ),
    (
        *("notify-sqlite", "From the queue to the recorded delivery, on SQLite"),
        *("notify --count 4000 --database sqlite", "notify --count 100 --database sqlite"),
        "medians of {rounds} rounds",
    ),
    (
        *("notify-postgres", "From the queue to the recorded delivery, on PostgreSQL"),
        *("notify --count 4000 --database postgres", "notify --count 100 --database postgres"),
        "medians of {rounds} rounds",
    ),
    ("digest", "Digests at one moment", "digest --users 100000", "digest --users 100", "one run"),
    (
        *("api", "The HTTP API", "api", "api --requests 50 --users 200 --notifications 20"),
        "95th percentiles of {requests} requests",
    ),
    ("memory", "Memory", "memory", "memory --users 50", "one run"),
    ("start", "Starting", "start", "start --runs 1", "medians of {runs} runs"),
    ("gateway", "The loopback gateway", "gateway", "gateway --count 500", "one run"),
    ("growth", "Growth", "growth", "growth --quick", "medians of so many runs at each size as `runs` says"),
)

_CURVES = {"audience": ("audiences", "users", "seconds")}


def suite(*, audiences: Sequence[int] = (), quick: bool = False) -> tuple[Benchmark, ...]:
    """The benchmarks in the order in which they run; `quick` with small sizes, once each.

    audiences: for the whole way, as many runs of it.
    """
    users = audiences or (QUICK_AUDIENCES if quick else AUDIENCES)
    single = [
        Benchmark(
            name=name,
            title=title,
            commands=((*(small if quick else full).split(), "--json"),),
            medians=medians,
            curve=_CURVES.get(name),
        )
        for name, title, full, small, medians in _TABLE
    ]
    whole_way = Benchmark(
        name="endtoend",
        title="End to end",
        commands=tuple(("endtoend", "--users", str(size), "--json") for size in users),
        medians="one run",
    )
    return (*single, whole_way)


NAMES = tuple(benchmark.name for benchmark in suite())
