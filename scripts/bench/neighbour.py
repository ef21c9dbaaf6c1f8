"""Whether a web process on the same cores notices the pipeline: the question from which crawlpush began."""

import http.client
import os
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles

from pipeline.broker.publish import publish_many
from pipeline.celery import create_app
from pipeline.settings import get_settings
from scripts.bench.web import HOSTS
from scripts.local.processes import ServerProcess
from scripts.testbed.rows import add_post, add_readers, how_many
from scripts.testbed.servers import servers
from scripts.testbed.workers import wait_for, workers
from storage import sites, subscriptions
from storage.models import CrawlRun, Notification
from storage.session import Database
from storage.subscriptions import KeywordText

INTERVAL_S = 300
REQUEST_EVERY_S = 0.05


def measure_neighbour(*, seconds: float = 30, site_count: int = 500, users: int = 10_000) -> dict[str, float]:
    """Give the 95th percentile of a login's latency without the pipeline and beside it, in milliseconds.

    Beside means: `site_count` sites crawled every five minutes each, and a post fanned out and pushed to `users`
    phones. crawls and pushes say how much of that was done while the neighbour was measured.
    """
    with tempfile.TemporaryDirectory(prefix="crawlpush-bench-") as folder, ExitStack() as stack:
        # In processes of their own, so that they do not share our interpreter.
        port = stack.enter_context(ServerProcess("scripts.bench.web", ["login"])).addresses["port"]
        _latencies(port, 2)  # the first requests warm up
        alone = _latencies(port, seconds)
        on = stack.enter_context(servers(Path(folder), "sqlite", keep=users))
        boards = stack.enter_context(ServerProcess("scripts.bench.web", ["boards"]))
        database = Database(on.environment["DATABASE_URL"])
        stack.callback(database.close)
        post_id = _fill(database, boards.addresses["port"], site_count, users)
        # These stand for vendors and boards, whose machines are elsewhere.
        for server in (on.gateway, boards):
            os.setpriority(os.PRIO_PROCESS, server.pid, 19)
        app = create_app(get_settings())
        app.conf.update(broker_url=on.redis_url)
        celery = ["-A", "pipeline"]
        kinds = (("crawl_tasks", "crawler"), ("fanout_tasks", "dispatcher"), ("notify_tasks", "notifier"))
        commands = [[*celery, "worker", "-Q", queue, "-n", f"{name}@%h"] for queue, name in kinds]
        with workers(on, [*commands, [*celery, "beat"]]):
            wait_for(lambda: _finished(database) > 0, "the first crawl", on)
            before = _finished(database), _sent(database)
            publish_many(app, "fan_out_post", [(post_id,)])
            wait_for(lambda: _sent(database) > before[1], "the first push", on)
            beside = _latencies(port, seconds)
            crawls, pushes = _finished(database) - before[0], _sent(database) - before[1]
    p95_alone, p95_beside = (quantiles(each, n=20)[-1] for each in (alone, beside))
    return {
        "seconds": seconds,
        "p95_alone_ms": round(1000 * p95_alone, 2),
        "p95_beside_ms": round(1000 * p95_beside, 2),
        "ratio": round(p95_beside / p95_alone, 3),
        "median_alone_ms": round(1000 * median(alone), 2),
        "median_beside_ms": round(1000 * median(beside), 2),
        "crawls": crawls,
        "pushes": pushes,
    }


def _latencies(port: int, seconds: float) -> list[float]:
    """Seconds that each request took, at a steady pace."""
    found = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/login")
        connection.getresponse().read()
        connection.close()
        took = time.perf_counter() - began
        found.append(took)
        time.sleep(max(0.0, REQUEST_EVERY_S - took))
    return found


def _fill(database: Database, port: int, site_count: int, users: int) -> int:
    """Sites that are due one after the other, and a post with its readers; returns the post's id."""
    at = datetime.now(UTC)
    with database.writing() as session:
        for number in range(site_count):
            sites.add(
                session,
                name=f"site-{number}",
                spider="listing",
                now=at,
                params={
                    "url": f"http://127.0.0.{number % HOSTS + 2}:{port}/board/{number}",
                    "row": "tr.row",
                    "title": "a",
                    "date": ".date",
                },
                schedule=f"{INTERVAL_S}s",
                allow_private=True,
                next_crawl_at=at + timedelta(seconds=INTERVAL_S * number / site_count),
            )
        word = KeywordText(text="공지사항", kind="substring")
        keyword_id = subscriptions.keyword_ids(session, [word])[word]
        add_readers(session, "user", users, device=":token", wish={"keyword_id": keyword_id})
        news = sites.add(session, name="news", spider="feed", now=at, enabled=False)
        return add_post(session, news.id, "오늘의 공지사항")


def _finished(database: Database) -> int:
    return how_many(database, CrawlRun.status == "finished")


def _sent(database: Database) -> int:
    return how_many(database, Notification.status == "sent")
