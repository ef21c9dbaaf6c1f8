"""Every benchmark of `crawlpush bench all`: which command it is, and of how many runs its figures are the medians."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
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

    @property
    def command_lines(self) -> list[str]:
        """The commands as a person types them."""
        return [join(["crawlpush", "bench", *arguments]) for arguments in self.commands]

    def medians_of(self, runs: Sequence[Figures]) -> str:
        """Of how many runs the figures of these runs of the commands are the medians."""
        return self.medians.format_map(runs[0])


def suite(
    *, audiences: Sequence[int] = (), quick: bool = False, fairness_plot: Path | None = None
) -> tuple[Benchmark, ...]:
    """The benchmarks in the order in which they run; `quick` with small sizes, once each.

    audiences: for the whole way, as many runs of it. fairness_plot: where to draw the fairness of two posts.
    """
    users = [str(size) for size in audiences or (QUICK_AUDIENCES if quick else AUDIENCES)]
    plot = ("--plot", str(fairness_plot)) if fairness_plot else ()

    def sized(full: str, small: str) -> Arguments:
        return tuple((small if quick else full).split())

    def notify(database: str) -> tuple[Arguments, ...]:
        return (("notify", *sized("--count 4000", "--count 100"), "--database", database, "--json"),)

    return (
        Benchmark(
            name="crawl",
            title="A crawl",
            commands=(("crawl", *sized("", "--runs 1"), "--json"),),
            medians="medians of {runs} runs",
        ),
        Benchmark(
            name="store",
            title="Storing what a crawl found",
            commands=(("store", *sized("", "--runs 1"), "--json"),),
            medians="medians of {runs} runs",
        ),
        Benchmark(
            name="neighbour",
            title="A neighbour",
            commands=(("neighbour", *sized("--seconds 30", "--seconds 2 --sites 10 --users 100"), "--json"),),
            medians="one run",
        ),
        Benchmark(
            name="match",
            title="Matching",
            commands=(("match", *sized("", "--subscriptions 2000 --distinct 200"), "--json"),),
            medians="find_ms and rows_1k_ms are medians of {runs} runs, match_ms of 100 posts, build_s, like_ms and "
            "rows_100k_s of {long_runs} runs; the import is one run",
        ),
        Benchmark(
            name="fanout",
            title="Fan-out",
            commands=(("fanout", *sized("--users 100000", "--users 1000"), "--json"),),
            medians="medians of {rounds} rounds",
        ),
        Benchmark(
            name="audience",
            title="Fan-outs by audience",
            commands=(("audience", *sized("", "--audiences 100,300 --runs 1"), "--json"),),
            medians="medians of {runs} runs",
        ),
        Benchmark(
            name="fairness",
            title="Fairness",
            commands=(("fairness", *sized("--users 30000 --per-s 1000", "--users 500 --per-s 500"), *plot, "--json"),),
            medians="one run",
        ),
        Benchmark(
            name="notify-sqlite",
            title="From the queue to the recorded delivery, on SQLite",
            commands=notify("sqlite"),
            medians="medians of {rounds} rounds",
        ),
        Benchmark(
            name="notify-postgres",
            title="From the queue to the recorded delivery, on PostgreSQL",
            commands=notify("postgres"),
            medians="medians of {rounds} rounds",
        ),
        Benchmark(
            name="gateway",
            title="The loopback gateway",
            commands=(("gateway", *sized("", "--count 500"), "--json"),),
            medians="one run",
        ),
        Benchmark(
            name="growth",
            title="Growth",
            commands=(("growth", *sized("", "--quick"), "--json"),),
            medians="medians of so many runs at each size as the table says",
        ),
        Benchmark(
            name="endtoend",
            title="End to end",
            commands=tuple(("endtoend", "--users", size, "--json") for size in users),
            medians="one run",
        ),
    )


NAMES = tuple(benchmark.name for benchmark in suite())
