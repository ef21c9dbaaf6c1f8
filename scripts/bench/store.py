"""What storing costs a crawl: pages per second with and without the item pipeline, in turns."""

import re
import subprocess
import tempfile
from statistics import median

from scripts.bench.crawl import SCRAPY_ENVIRONMENT, scrapy_command, site_with_run
from scripts.bench.errors import BenchmarkError
from scripts.bench.web import Board, serving

PAGES = 50
_ELAPSED = re.compile(r"'elapsed_time_seconds': ([\d.]+)")
_PAGES_SEEN = re.compile(r"'downloader/response_count': (\d+)")


def measure_store(runs: int = 5) -> dict[str, float]:
    """Crawl a board of 50 pages with 20 new posts each, on loopback, so many times with storing and without.

    with_pages_s, without_pages_s: pages per second, the medians. cost: the share that storing takes, 0.1 is a tenth.
    """
    stored, plain = [], []
    with tempfile.TemporaryDirectory(prefix="crawlpush-bench-") as folder, serving(Board) as origin:
        url = f"sqlite:///{folder}/bench.db"
        site_id, run_id = site_with_run(url)
        settings: dict[str, object] = {"CRAWL_DATABASE_URL": url, "CRAWL_SITE_ID": site_id, "CRAWL_RUN_ID": run_id}
        for run in range(runs):
            plain.append(_pages_per_second(f"{origin}/board/{run}-plain", {}))
            stored.append(_pages_per_second(f"{origin}/board/{run}", settings))
    with_it, without = median(stored), median(plain)
    return {
        "runs": runs,
        "pages": PAGES,
        "with_pages_s": round(with_it, 1),
        "without_pages_s": round(without, 1),
        "cost": round(1 - with_it / without, 3),
    }


def _pages_per_second(address: str, settings: dict[str, object]) -> float:
    arguments = {
        "url": f"{address}?page=1",
        "row": "tr.row",
        "title": "a",
        "page_template": f"{address}?page={{page}}",
        "max_pages": PAGES,
        "timezone": "UTC",
    }
    settings = {
        **settings,
        "DOWNLOAD_DELAY": 0,
        "AUTOTHROTTLE_ENABLED": False,
        "ROBOTSTXT_OBEY": False,
        "CRAWL_ALLOW_PRIVATE": True,
        "LOG_LEVEL": "INFO",
        "STATS_DUMP": True,
        "EXTENSIONS": '{"scrapy.extensions.corestats.CoreStats": 0}',
    }
    done = subprocess.run(
        scrapy_command("listing", arguments, settings),
        env=SCRAPY_ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    elapsed, pages = _ELAPSED.search(done.stderr), _PAGES_SEEN.search(done.stderr)
    if elapsed is None or pages is None or int(pages[1]) < PAGES:
        raise BenchmarkError(f"the measured crawl failed: {done.stderr[-500:]}")
    return PAGES / float(elapsed[1])
