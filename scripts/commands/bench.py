"""`crawlpush bench`: what things cost, each beside its alternative in the same run."""

import json
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from pipeline.settings import get_settings
from scripts.bench.growth import SUBJECTS
from scripts.bench.suite import NAMES
from scripts.bench.targets import flat
from scripts.output import json_option, show_record, show_rows

MOST_USERS = 1_000_000
FUNCTIONS: dict[str, str] = {}
"""Which function each command measures with, as MODULE:NAME."""


def _sizes(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[int, ...]:
    """Several numbers of users, as 1000,10000; the smallest first, each once."""
    if value is None:
        return ()
    try:
        sizes = sorted({int(word) for word in value.split(",")})
    except ValueError:
        raise click.BadParameter(f"{value!r} are not numbers with commas between them, as 1000,10000") from None
    if not 1 <= sizes[0] <= sizes[-1] <= MOST_USERS:
        raise click.BadParameter(f"an audience has between 1 and {MOST_USERS:,} users")
    return tuple(sizes)


def measures(function: str) -> Callable[[Callable[[], None]], Callable[..., None]]:
    """Make a command of a function MODULE:NAME that gives figures: it gets the command's options, and --json is added.

    It is imported when it is called, because what a benchmark imports is much, and reads the settings.
    """

    def decorate(described: Callable[[], None]) -> Callable[..., None]:
        FUNCTIONS[described.__name__] = function

        @wraps(described)
        def run(*, as_json: bool, **options: Any) -> None:
            module, _, name = function.partition(":")
            _show(getattr(import_module(module), name)(**options), as_json=as_json)

        return json_option(run)

    return decorate


@click.group()
def bench() -> None:
    """Measure. Each benchmark starts what it needs by itself, on loopback, in a temporary folder."""


@bench.command()
@click.option("--runs", type=click.IntRange(1, 100), default=7, show_default=True)
@measures("scripts.bench.crawl:measure_crawl")
def crawl() -> None:
    """A one-page crawl in a child of the forkserver, beside a whole `scrapy crawl` of the same page."""


@bench.command()
@click.option("--count", type=click.IntRange(10, 100_000), default=5000, show_default=True, help="A round.")
@click.option("--latency-ms", type=click.FloatRange(0, 10_000), default=50, show_default=True, help="Of the gateway.")
@click.option("--database", type=click.Choice(["sqlite", "postgres"]), default="sqlite", show_default=True)
@click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True, help="Notifiers.")
@measures("scripts.bench.notify:measure_notify")
def notify() -> None:
    """Notifications from the queue to the recorded delivery, beside an empty task and beside the plain design."""


@bench.command()
@click.option("--users", type=click.IntRange(20, 1_000_000), default=100_000, show_default=True)
@click.option("--waiting", type=click.IntRange(1, 100), default=5, show_default=True, help="Posts for each of them.")
@click.option("--latency-ms", type=click.FloatRange(0, 10_000), default=50, show_default=True, help="Of the gateway.")
@click.option("--database", type=click.Choice(["sqlite", "postgres"]), default="postgres", show_default=True)
@click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True, help="Notifiers.")
@measures("scripts.bench.digest:measure_digest")
def digest() -> None:
    """Digests for everybody at one moment, beside single notifications, and a fresh post to others meanwhile."""


@bench.command()
@click.option("--requests", type=click.IntRange(20, 100_000), default=1000, show_default=True, help="Of each kind.")
@click.option("--users", "people", type=click.IntRange(1, 1_000_000), default=100_000, show_default=True)
@click.option(
    "--notifications", "owed", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="Of the one."
)
@click.option("--database", type=click.Choice(["sqlite", "postgres"]), default="postgres", show_default=True)
@measures("scripts.bench.api:measure_api")
def api() -> None:
    """Inbox and badge over HTTP, alone and while pushes go out, beside a bare answer of the framework."""


@bench.command()
@click.option("--subscriptions", "count", type=click.IntRange(10, 20_000_000), default=1_000_000, show_default=True)
@click.option("--distinct", type=click.IntRange(10, 1_000_000), default=100_000, show_default=True, help="Phrases.")
@measures("scripts.bench.match:measure_match")
def match() -> None:
    """Who gets a post, on a PostgreSQL of its own, beside a LIKE per subscription. A million takes some minutes."""


@bench.command()
@click.option("--seconds", type=click.FloatRange(2, 600), default=15, show_default=True, help="Of each measurement.")
@click.option("--sites", "site_count", type=click.IntRange(1, 10_000), default=500, show_default=True)
@click.option("--users", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True)
@measures("scripts.bench.neighbour:measure_neighbour")
def neighbour() -> None:
    """The 95th percentile of a small web process on the same cores, without the pipeline and beside it."""


@bench.command()
@click.option("--users", type=click.IntRange(1, 1_000_000), default=100_000, show_default=True)
@measures("scripts.bench.fanout:measure_fanout")
def fanout() -> None:
    """Publishing one notify_user message per user, beside apply_async in a loop."""


@bench.command()
@click.option(
    "--users", type=click.IntRange(1, 1_000_000), default=50_000, show_default=True, help="Of the large post."
)
@click.option(
    "--per-s", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="Messages taken a second."
)
@measures("scripts.bench.fairness:measure_fairness")
def fairness() -> None:
    """A post with ten readers that comes three seconds after one with many."""


@bench.command()
@click.option("--count", type=click.IntRange(100, 1_000_000), default=20_000, show_default=True, help="Of each vendor.")
@measures("scripts.bench.gateway:measure_gateway")
def gateway() -> None:
    """What the loopback push gateway sustains."""


@bench.command()
@click.option("--runs", type=click.IntRange(1, 100), default=5, show_default=True)
@measures("scripts.bench.store:measure_store")
def store() -> None:
    """Pages per second of a crawl that stores what it finds, beside one that does not."""


@bench.command()
@click.option("--users", type=click.IntRange(10, 1_000_000), default=100_000, show_default=True)
@click.option("--apns-share", type=click.FloatRange(0, 1), default=0.2, show_default=True, help="The others have FCM.")
@click.option("--latency-ms", type=click.FloatRange(0, 10_000), default=50, show_default=True, help="Of the gateway.")
@click.option("--database", type=click.Choice(["sqlite", "postgres"]), default="postgres", show_default=True)
@click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True, help="Notifiers.")
@measures("scripts.bench.endtoend:measure_end_to_end")
def endtoend() -> None:
    """From the crawl that finds a post to the last of many phones, with a second post for ten in the middle."""


@bench.command()
@click.option("--minutes", type=click.FloatRange(0.1, 10_080), default=60, show_default=True)
@click.option(
    "--per-s", type=click.FloatRange(0.1, 1000), default=20, show_default=True, help="Notifications owed a second."
)
@click.option("--users", type=click.IntRange(8, 1_000_000), help="An eighth of them gets a post; default: 48 PER_S.")
@click.option("--database", type=click.Choice(["sqlite", "postgres"]), default="sqlite", show_default=True)
@click.option("--samples", type=click.Path(dir_okay=False, path_type=Path), help="Write each sample here, as JSON.")
@json_option
def soak(
    minutes: float, per_s: float, users: int | None, database: str, samples: Path | None, *, as_json: bool
) -> None:
    """The whole pipeline at a steady rate for a long time: does it lose anything, does it grow?

    Ctrl-C and SIGTERM end it early, with its figures. It ends with code 1 when a promise was broken or a process
    ended by itself, and then keeps the logs.
    """
    from scripts.bench.soak import failed, measure_soak

    figures = measure_soak(minutes=minutes, per_s=per_s, users=users, database=database, samples=samples, say=_say)
    _show(figures, as_json=as_json)
    if failed(figures):
        sys.exit(1)


@bench.command()
@click.option("--runs", type=click.IntRange(1, 100), default=3, show_default=True, help="Of each, by turns.")
@click.option("--database", type=click.Choice(["sqlite", "postgres"]), default="sqlite", show_default=True)
@measures("scripts.bench.start:measure_start")
def start() -> None:
    """How long commands and processes take to start (Linux)."""


@bench.command()
@click.option("--users", type=click.IntRange(1, 1_000_000), default=2000, show_default=True, help="To be notified.")
@click.option("--database", type=click.Choice(["sqlite", "postgres"]), default="sqlite", show_default=True)
@measures("scripts.bench.memory:measure_memory")
def memory() -> None:
    """Memory and Redis connections of the processes apart, together and in one, at rest and while many are notified."""


@bench.command()
@click.option(
    "--audiences", callback=_sizes, default="1000,10000,100000,1000000", show_default=True, help="Users of each."
)
@click.option("--runs", type=click.IntRange(1, 100), default=3, show_default=True, help="Of each, by turns.")
@measures("scripts.bench.audience:measure_audience")
def audience() -> None:
    """Fan-outs of posts that so many want, on a PostgreSQL of its own: readers, rows and messages."""


@bench.command()
@click.option("--only", type=click.Choice(list(SUBJECTS)), multiple=True, help="Not all four; may be repeated.")
@click.option("--quick", is_flag=True, help="Small sizes, once each: to see that it works.")
@measures("scripts.bench.growth:measure_growth")
def growth() -> None:
    """How the cost of crawls, matching, fan-outs and notifications grows: each at four sizes, and the exponent."""


@bench.command("all")
@click.option("--only", type=click.Choice(NAMES), multiple=True, help="Not all of them; may be repeated.")
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures into this page's blocks."
)
@click.option(
    "--audiences",
    callback=_sizes,
    help="Users of the runs from a crawl to the last push.  [default: 1000,10000,100000]",
)
@click.option("--quick", is_flag=True, help="Small sizes: to see that it works. It replaces no real figures.")
@json_option
def everything(
    only: tuple[str, ...], report: Path | None, audiences: tuple[int, ...], *, quick: bool, as_json: bool
) -> None:
    """Every benchmark but the soak, one after the other, beside its targets. All of them take about an hour.

    The page of --report keeps what stands outside its blocks (<!-- bench:NAME --> to <!-- /bench:NAME -->); with --only
    it keeps the other blocks too. A benchmark that fails is named, keeps its older block, and makes the exit code 1.
    """
    from scripts.bench.run_all import run_all
    from scripts.bench.suite import suite

    wanted = [each for each in suite(audiences=audiences, quick=quick) if each.name in only or not only]
    found = run_all(wanted, report=report, quick=quick, say=lambda line: click.echo(line, err=True))
    if as_json:
        _show(found.to_json(), as_json=True)
    else:
        _show({"quick": quick, **found.machine}, as_json=False)
        for name, benchmark in found.benchmarks.items():
            for line, figures in zip(benchmark.command_lines, found.runs[name], strict=True):
                click.echo(f"\n{line}  ({benchmark.medians_of(found.runs[name])})")
                _show(figures, as_json=False)
        click.echo()
        show_rows(found.targets, as_json=False, empty="None of these figures has a target.")
    for name, why in found.failed.items():
        click.echo(f"Error: {name}: {why}", err=True)
    if found.failed:
        sys.exit(1)


def _say(sentence: str) -> None:
    """Say how far it is, where somebody reads it."""
    if sys.stderr.isatty() or get_settings().log_level in {"DEBUG", "INFO"}:
        click.echo(sentence, err=True)


def _show(figures: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(figures, indent=2))
    else:
        show_record(flat(figures), as_json=False)
