"""What a crawl's child is told and what comes back, as the parent sees it. Pure.

The child's side of it is spiders.child.orders: the names of the fields are the contract, plain JSON goes over the
channel.
"""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.crawling.forkserver import Exit


@dataclass(frozen=True, kw_only=True)
class CrawlOrder:
    """One crawl of one site: everything its child needs to know."""

    run_id: int
    site_id: int
    site_name: str
    # Name of a spider, as `scrapy list` shows it.
    spider: str
    # Keyword arguments of the spider, JSON values, beside `timezone`.
    params: Mapping[str, Any]
    # IANA name of the zone that the site's dates are in.
    timezone: str
    # Where posts are stored; empty: nowhere.
    database_url: str = field(repr=False)
    user_agent: str
    obey_robots: bool
    # Whether the crawl may connect into private networks and to this machine.
    allow_private: bool
    # Wall-clock seconds after which the spider is closed, and after which the group is killed.
    soft_limit_s: float
    hard_limit_s: float
    # Memory beyond what all children share.
    memory_mb: int
    # Largest body of a single response.
    download_max_bytes: int
    # Pages after which the crawl ends, with `closespider_pagecount`.
    max_pages: int
    # Least pause between two requests to one host; AutoThrottle may lengthen it.
    download_delay_s: float
    # Page address -> (ETag, Last-Modified), of the last run that went well.
    validators: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    # Origin (https://example.org) -> body of a robots.txt that is still fresh.
    robots: Mapping[str, str] = field(default_factory=dict)
    # Whether the report tells the private memory; finding that out costs a twentieth of a small crawl.
    measure_memory: bool = False


@dataclass(frozen=True, kw_only=True)
class CrawlProgress:
    """What a crawl has done so far."""

    # Responses other than redirects, 304 and robots.txt.
    pages: int = 0
    # Bytes of bodies as they came over the wire, robots.txt included.
    bytes: int = 0
    items_seen: int = 0
    new_posts: int = 0


@dataclass(frozen=True, kw_only=True)
class CrawlReport:
    """How a crawl ended.

    `finish_reason` is Scrapy's (`finished`, `closespider_pagecount`, `start_error`, or the spider's own), or one of:
    `timeout` (a limit of time), `stopped` (the worker ends), `memory` (its limit), `killed` (by somebody else, the
    kernel perhaps), `crashed` (a signal or an exit of its own), `robots` (robots.txt forbids the start page),
    `retry_after` (the server asked to come back later), `store_failed` (the database refused the posts).
    """

    finish_reason: str
    # Whether it went well: it ended by itself and saw a page, or was told that nothing changed, and what went wrong
    # on the way, if anything, still left some items.
    ok: bool
    pages: int = 0
    bytes: int = 0
    items_seen: int = 0
    new_posts: int = 0
    # HTTP status -> responses, redirects and 304 included, robots.txt not.
    status_counts: Mapping[str, int] = field(default_factory=dict)
    errors: int = 0
    # In words, with the traceback shortened to the lines of our own code.
    first_error: str | None = None
    # Every start page answered 304.
    not_modified: bool = False
    # What a listing says of itself when it found no posts on its page.
    problem: str | None = None
    # What the server asked for when the reason is `retry_after`; None when it named no time.
    retry_after_s: float | None = None
    # CPU seconds of the child and what it waited for; None when nobody could tell.
    cpu_s: float | None = None
    # Of this run's start pages, to be kept if the run is; empty unless there were no errors.
    validators: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    # Origin -> body, of each robots.txt that this run fetched; to be kept however the run ended.
    robots: Mapping[str, str] = field(default_factory=dict)
    # Private memory (USS) at the end, in megabytes, if it was asked for and the kernel tells.
    private_mb: float | None = None


def cause_of_death(end: Exit, *, ended_for: str | None) -> tuple[str, str]:
    """The finish reason of a child that ended without a report, and the same in words."""
    if ended_for == "stopped":
        return "stopped", "the crawl was stopped and did not close in time, so its process was killed"
    if ended_for == "timeout" or end.code == -signal.SIGXCPU:
        return "timeout", "the crawl reached its time limit and did not close, so its process was killed"
    if end.code is None:
        return "killed", "the process that crawls are forked from was killed, and the crawl with it"
    if end.code == -signal.SIGKILL:
        return "killed", "the crawl's process was killed, by somebody or by the kernel for want of memory"
    if end.code < 0:
        return "crashed", f"the crawl's process crashed with {signal.Signals(-end.code).name}"
    return "crashed", f"the crawl's process ended by itself with exit code {end.code}"


def report_of(plain: Mapping[str, Any]) -> CrawlReport:
    """The report that a child sent; raises TypeError or KeyError when it is none."""
    validators = {url: (etag, modified) for url, (etag, modified) in plain["validators"].items()}
    return CrawlReport(**{**plain, "validators": validators})
