"""What is counted where: one function per room, called once per crawl, slice, batch or sweep."""

from collections.abc import Mapping
from datetime import datetime

from pipeline.crawling.crawler import CrawlEnd
from pipeline.delivery.recording import Tally
from pipeline.metrics import catalogue
from pipeline.metrics.counters import counters
from pipeline.push.outcome import Action
from pipeline.upkeep.sweeping import Swept


def crawl(end: CrawlEnd) -> None:
    """A crawl that was closed."""
    report = end.report
    # A crawl may finish by itself and be no good run all the same, as when its start page could not be read.
    is_bad = report.finish_reason == "finished" and not report.ok
    counters().add(catalogue.CRAWLS, "failed" if is_bad else report.finish_reason)
    counters().add(catalogue.PAGES, by=report.pages)
    counters().add(catalogue.NEW_POSTS, end.fanout, by=end.new_posts)


def matched(users: int) -> None:
    """A slice of a fan-out."""
    counters().add(catalogue.NOTIFICATIONS, by=users)


def pushed(tally: Tally, at: datetime) -> None:
    """A batch whose outcomes are recorded."""
    for (platform, action, seen_at), times in tally.items():
        counters().add(catalogue.PUSHES, platform, action, by=times)
        if action is Action.SENT:
            counters().observe(catalogue.LATENCY, max((at - seen_at).total_seconds(), 0.0), times=times)


def swept(found: Swept) -> None:
    """A sweep."""
    counters().add(catalogue.SWEEPS, "something" if found else "nothing")
    kinds: Mapping[str, int] = found.__dict__
    for what, count in kinds.items():
        counters().add(catalogue.SWEPT, what, by=count)
    # Their workers are gone, so nobody else counts how these crawls ended.
    counters().add(catalogue.CRAWLS, "lost", by=found.dead_runs)
