"""`crawlpush crawl`: crawl one site now, here or on a crawler."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pipeline import startup
from pipeline.basics.text import last_line
from pipeline.broker.publish import PublishError
from pipeline.crawling import child, crawler
from pipeline.crawling.order import CrawlProgress
from pipeline.resources import now
from pipeline.settings import get_settings
from scripts.errors import CommandError
from scripts.local.signals import STOP_SIGNALS, stop_signals
from scripts.output import open_database, show_rows, table_options
from scripts.state.pauses import still_paused
from storage import pauses, posts, sites

HOST_WAIT_S = 2.0


@click.command()
@click.argument("site")
@click.option("--queue", is_flag=True, help="Let a crawler do it; return at once.")
@click.option("--fresh", is_flag=True, help="Fetch the page even if the server says that nothing changed (304).")
@table_options
def crawl(site: str, *, queue: bool, fresh: bool, as_json: bool) -> None:
    """Crawl one site at once, whatever its schedule, and show what was new.

    The very code of the scheduled crawls does it, so that new posts are fanned out and pushed as usual.
    """
    database = open_database()
    with database.reading() as session:
        site_id = sites.by_name(session, site).id
        holding = [p for p in pauses.in_force(session) if p.scope.activity == "crawl" and p.scope.site in {None, site}]
    if holding:
        raise click.ClickException("; ".join(still_paused(pause) for pause in holding))
    startup.check_redis(get_settings())
    with database.writing() as session:
        run_id = sites.queue_run(session, site_id, trigger="manual", now=now())
        if fresh and run_id is not None:
            sites.forget_validators(session, site_id)
    if run_id is None:
        raise CommandError(
            f"{site} is being crawled already, or waits in the queue: `crawlpush sites show {site}` shows its runs"
        )
    from pipeline.tasks.crawl import enqueue_crawls

    if queue:
        try:
            enqueue_crawls([run_id])
        except PublishError:
            click.echo(f"the broker is away: the crawl of {site} is owed (run {run_id}), and done when it is back")
            return
        click.echo(f"the crawl of {site} is queued (run {run_id})")
        return
    end = _crawl_here(run_id, site)
    with database.reading() as session:
        new = [
            {"id": post.id, "title": post.title, "published": post.published_at, "fate": post.fanout, "url": post.url}
            for post in posts.of_run(session, run_id, limit=200)
        ]
    report = end.report
    if not as_json:
        click.echo(f"{site}: {_end_in_words(end)}")
        if report.page_problem:
            click.echo(f"posts' own pages: {report.post_pages} read; {report.page_problem}", err=True)
    if end.unsent:
        click.echo("the broker is away: the posts are stored, and will be pushed when it is back", err=True)
    show_rows(new, as_json=as_json, empty="nothing new")
    if not report.ok:
        raise click.ClickException(
            f"the crawl of {site} failed: {last_line(report.first_error or '') or report.finish_reason}"
        )


def _crawl_here(run_id: int, site: str) -> crawler.CrawlEnd:
    from pipeline.tasks.crawl import run_crawl

    child.forkserver.start()
    try:
        with _progress(site) as show, _stop_on_signal() as stop:
            while True:
                try:
                    end = run_crawl(run_id, stop=stop, hand_back=False, out_of_turn=True, on_progress=show)
                    break
                except crawler.HostBusyError:
                    if stop.wait(HOST_WAIT_S):
                        raise click.Abort from None
    finally:
        child.forkserver.stop()
    if end is None:
        raise CommandError(f"a crawler took the crawl of {site} before we could: it is being crawled")
    return end


@contextmanager
def _progress(site: str) -> Iterator[Callable[[CrawlProgress], None]]:
    """What says how far a crawl is."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"crawling {site}", total=None)

        def show(progress: CrawlProgress) -> None:
            words = f"crawling {site}: {progress.pages} pages, {progress.items_seen} posts, {progress.new_posts} new"
            bar.update(task, description=words)

        yield show


@contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets: the crawl is then closed with what it has."""
    stop = threading.Event()

    def handle(_signal: int, _frame: FrameType | None) -> None:
        # A second signal while set() holds its lock would wait for itself, so from now on there is none.
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        stop.set()

    with stop_signals(handle):
        yield stop


def _end_in_words(end: crawler.CrawlEnd) -> str:
    report = end.report
    if report.ok and not report.pages:
        return "unchanged since the last crawl"
    figures = f"{report.pages} pages, {report.items_seen} posts seen, {end.new_posts} new"
    return f"{report.finish_reason}, {figures}{_fate_in_words(end)}"


def _fate_in_words(end: crawler.CrawlEnd) -> str:
    if not end.new_posts:
        return ""
    match end.fanout:
        case "silent":
            return " (the silent baseline of a new site: nobody is notified)"
        case "held":
            return f" (held, because that is far more than usual: `crawlpush sites release {end.site}` or `drop`)"
        case _:
            return ""
