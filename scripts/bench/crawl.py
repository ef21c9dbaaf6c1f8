"""What a crawl of one page costs, in a child of the forkserver and as a whole `scrapy crawl`."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median

from sqlalchemy import update

from pipeline.crawling.child import forkserver, run_child
from pipeline.crawling.order import CrawlOrder, CrawlReport
from scripts.bench.errors import BenchmarkError
from scripts.bench.rounds import by_turns
from scripts.bench.web import Board, LongBoard, MovingBoard, serving
from scripts.testbed.usage import usage
from storage import sites
from storage.migrate import upgrade
from storage.models import Post
from storage.session import Database

MEMORY_RUNS = 3


def measure_crawl(runs: int = 7) -> dict[str, float]:
    """Crawl a page of 20 posts on loopback, stored in SQLite, and give the medians of so many runs of each kind.

    child_cpu_s: CPU seconds of a child, with what the forkserver and the waiting thread spend on it.
    scrapy_cpu_s: CPU seconds of `scrapy crawl` with the same settings. ratio: the one to the other.
    child_wall_s, scrapy_wall_s: from the start to the end. private_mb: memory that the child shares with nobody (USS).
    post_...: see measure_post_page.
    forkserver_start_s, forkserver_mb: what the forkserver costs, once: seconds until it is ready, resident memory.
    """
    with tempfile.TemporaryDirectory(prefix="crawlpush-bench-") as folder, serving(Board) as origin:
        order = _order(f"{origin}/board", f"sqlite:///{folder}/bench.db")
        began = time.perf_counter()
        forkserver.start()
        start_s = time.perf_counter() - began
        try:
            # The first crawl stores the posts and fetches robots.txt, which is then kept, as a worker keeps it.
            order = replace(order, robots=_crawled(order).robots)
            forking = _cpu_s(forkserver.pid)
            children = [_measured(lambda: _child(order)) for _ in range(runs)]
            forking_s = (_cpu_s(forkserver.pid) - forking) / runs
            measuring = replace(order, measure_memory=True)
            private = [_crawled(measuring).private_mb for _ in range(MEMORY_RUNS)]
            used = usage(forkserver.pid or 0, with_pss=False)
            resident = (used.rss_mb if used is not None else None) or 0.0
        finally:
            forkserver.stop()
        whole = [_measured(lambda: _scrapy_crawl(order)) for _ in range(runs)]
    child_cpu_s = median(each.cpu_s for each in children) + forking_s
    scrapy_cpu_s = median(each.cpu_s for each in whole)
    return {
        "runs": runs,
        "child_cpu_s": round(child_cpu_s, 4),
        "scrapy_cpu_s": round(scrapy_cpu_s, 4),
        "ratio": round(child_cpu_s / scrapy_cpu_s, 4),
        "child_wall_s": round(median(each.wall_s for each in children), 4),
        "scrapy_wall_s": round(median(each.wall_s for each in whole), 4),
        "private_mb": round(median(mb or 0.0 for mb in private), 2),
        "forkserver_start_s": round(start_s, 3),
        "forkserver_mb": round(resident, 1),
        **measure_post_page(runs),
    }


def measure_post_page(runs: int = 7) -> dict[str, float]:
    """Crawl a board with one new post each time, and that post's own page; medians of so many runs of each kind.

    post_child_cpu_s: CPU seconds of a child that reads both and stores the text. post_scrapy_cpu_s: of `scrapy crawl`
    of two such pages. post_ratio: the one to the other.
    """
    with tempfile.TemporaryDirectory(prefix="crawlpush-bench-") as folder, serving(MovingBoard) as origin:
        order = _order(f"{origin}/board", f"sqlite:///{folder}/bench.db", baseline_done=True)
        order = replace(order, params={"url": f"{origin}/board", "row": "tr.row", "title": "a"})
        order = replace(order, robots=_crawled(order).robots)
        with closing(Database(order.database_url)) as database, database.writing() as session:
            # The pages of those that are there already are owed to nobody.
            session.execute(update(Post).values(fanout="done"))
        own = replace(order, params={**order.params, "post_body": "div.text"})
        forkserver.start()
        try:
            forking = _cpu_s(forkserver.pid)
            children = [_measured(lambda: _child(own, post_pages=1)).cpu_s for _ in range(runs)]
            forking_s = (_cpu_s(forkserver.pid) - forking) / runs
        finally:
            forkserver.stop()
        paging = {**order.params, "page_template": f"{origin}/post/{{page}}", "max_pages": 2}
        whole = [_measured(lambda: _scrapy_crawl(replace(order, params=paging))).cpu_s for _ in range(runs)]
    child_cpu_s, scrapy_cpu_s = median(children) + forking_s, median(whole)
    return {
        "post_child_cpu_s": round(child_cpu_s, 4),
        "post_scrapy_cpu_s": round(scrapy_cpu_s, 4),
        "post_ratio": round(child_cpu_s / scrapy_cpu_s, 4),
    }


def cpu_by_pages(sizes: Sequence[int], runs: int) -> dict[int, float]:
    """Median CPU seconds of a child that crawls so many pages of 100 new posts each, and stores them in SQLite.

    Not the time: the board is served by this process, on the same cores.
    """
    boards = count()
    with tempfile.TemporaryDirectory(prefix="crawlpush-bench-") as folder, serving(LongBoard) as origin:
        order = _order(origin, f"sqlite:///{folder}/bench.db")
        forkserver.start()
        try:

            def cpu_s(pages: int) -> float:
                board = f"{origin}/{next(boards)}"
                paging = {"url": f"{board}/1", "page_template": f"{board}/{{page}}", "max_pages": pages}
                longer = replace(order, params={**order.params, **paging}, robots={origin: ""}, max_pages=pages + 1)
                return _child(longer, posts=pages * LongBoard.rows)

            cpu_s(1)
            return by_turns(sizes, runs, cpu_s)
        finally:
            forkserver.stop()


@dataclass(frozen=True, kw_only=True)
class _Cost:
    cpu_s: float
    wall_s: float


def _measured(crawl: Callable[[], float]) -> _Cost:
    began = time.perf_counter()
    cpu_s = crawl()
    return _Cost(cpu_s=cpu_s, wall_s=time.perf_counter() - began)


def _crawled(order: CrawlOrder, posts: int = Board.rows, post_pages: int = 0) -> CrawlReport:
    report = run_child(order, stop=threading.Event())
    if not report.ok or (report.items_seen, report.post_pages) != (posts, post_pages):
        why = report.first_error or report.page_problem
        raise BenchmarkError(f"the measured crawl failed: {report.finish_reason}: {why}")
    return report


def _child(order: CrawlOrder, posts: int = Board.rows, post_pages: int = 0) -> float:
    began = time.thread_time()
    report = _crawled(order, posts, post_pages)
    return (report.cpu_s or 0.0) + time.thread_time() - began


def _scrapy_crawl(order: CrawlOrder) -> float:
    arguments = {**order.params, "timezone": order.timezone}
    settings = {
        "CRAWL_DATABASE_URL": order.database_url,
        "CRAWL_SITE_ID": order.site_id,
        "CRAWL_RUN_ID": order.run_id,
        "DOWNLOAD_DELAY": 0,
        "AUTOTHROTTLE_START_DELAY": 0,
        "LOG_LEVEL": "ERROR",
    }
    process = subprocess.Popen(scrapy_command(order.spider, arguments, settings), env=SCRAPY_ENVIRONMENT)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BenchmarkError(f"`scrapy crawl` ended with exit code {process.returncode}")
    return usage.ru_utime + usage.ru_stime


SCRAPY_ENVIRONMENT = {**os.environ, "SCRAPY_SETTINGS_MODULE": "spiders.settings"}


def scrapy_command(spider: str, arguments: Mapping[str, object], settings: Mapping[str, object]) -> list[str]:
    """The command line of a whole `scrapy crawl`."""
    return [
        *(sys.executable, "-m", "spiders.command", "crawl", spider),
        *(word for name, value in arguments.items() for word in ("-a", f"{name}={value}")),
        *(word for name, value in settings.items() for word in ("-s", f"{name}={value}")),
    ]


def site_with_run(database_url: str, *, baseline_done: bool = False) -> tuple[int, int]:
    """A site and a queued run of it, in a database that is made; their ids."""
    upgrade(database_url)
    now = datetime.now(UTC)
    with closing(Database(database_url)) as database, database.writing() as session:
        site = sites.add(session, name="bench", spider="listing", now=now, baseline_done=baseline_done)
        run_id = sites.queue_run(session, site.id, trigger="manual", now=now)
        assert run_id is not None
        return site.id, run_id


def _order(url: str, database_url: str, *, baseline_done: bool = False) -> CrawlOrder:
    site_id, run_id = site_with_run(database_url, baseline_done=baseline_done)
    return CrawlOrder(
        run_id=run_id,
        site_id=site_id,
        site_name="bench",
        spider="listing",
        params={"url": url, "row": "tr.row", "title": "a", "date": ".date::text"},
        timezone="Asia/Seoul",
        database_url=database_url,
        user_agent="crawlpush benchmark",
        obey_robots=True,
        allow_private=True,
        soft_limit_s=30,
        hard_limit_s=40,
        memory_mb=512,
        download_max_bytes=1_000_000,
        max_pages=5,
        download_delay_s=0,
    )


def _cpu_s(pid: int | None) -> float:
    """CPU seconds of another process with one thread so far; 0 where the kernel does not tell."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    return 0.0
