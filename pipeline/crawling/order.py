"""A crawl's contract: what its child is told, and what it tells back. The one definition for both sides. Pure.

It goes as JSON, one message a line, between pipeline.crawling.child and spiders.child.run, which import nothing else of
each other. Both sides are of one release: a forkserver is started by the worker that orders the crawls.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from storage.run_figures import RunFigures


@dataclass(frozen=True, kw_only=True)
class CrawlOrder:
    """One crawl of one site: everything its child needs to know."""

    run_id: int
    site_id: int
    site_name: str
    # Name of a spider, as `scrapy list` shows it.
    spider: str
    # Keyword arguments of the spider, JSON values, beside `timezone`.
    params: Mapping[str, Any] = field(repr=False)
    # IANA name of the zone that the site's dates are in.
    timezone: str
    # Where posts are stored; empty: nowhere.
    database_url: str = field(repr=False)
    user_agent: str
    obey_robots: bool
    # Whether the crawl may connect into private networks and to this machine.
    allow_private: bool
    # Wall-clock seconds after which the spider is closed.
    soft_limit_s: float
    # Wall-clock seconds after which the process group is killed.
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
    # The same of those that are to be fetched anew, for when the server does not give them out.
    old_robots: Mapping[str, str] = field(default_factory=dict)
    # For a site with a login: the key that its cookies are kept by, what is left of the last session, encrypted, and
    # how often in a row its login was refused.
    session_key: str = field(default="", repr=False)
    session: str | None = field(default=None, repr=False)
    logins_refused: int = 0
    # Whether the report tells the private memory; finding that out costs a twentieth of a small crawl.
    measure_memory: bool = False


@dataclass(frozen=True, kw_only=True)
class CrawlProgress:
    """What a crawl has done so far; CrawlReport says what the fields mean."""

    pages: int = 0
    bytes: int = 0
    items_seen: int = 0
    new_posts: int = 0


@dataclass(frozen=True, kw_only=True)
class CrawlReport(RunFigures):
    """How a crawl ended: the figures of its run, and what its site may want to know."""

    new_posts: int = 0
    # What the server asked for when the reason is `retry_after`; None when it named no time.
    retry_after_s: float | None = None
    # Of this run's start pages, to be kept if the run is; empty unless there were no errors.
    validators: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    # Origin -> body, of each robots.txt that this run fetched; to be kept however the run ended.
    robots: Mapping[str, str] = field(default_factory=dict)
    # The session's cookies, encrypted, where it works.
    session: str | None = field(default=None, repr=False)
    # Private memory (USS) at the end, in megabytes, if it was asked for and the kernel tells.
    private_mb: float | None = None


def report_of(plain: Mapping[str, Any]) -> CrawlReport:
    """The report that a child sent, in texts that a database takes.

    Raises TypeError, ValueError or KeyError when it is none.
    """
    plain = _storable(plain)
    validators = {url: (etag, modified) for url, (etag, modified) in plain["validators"].items()}
    return CrawlReport(**{**plain, "validators": validators, "shown": tuple(plain["shown"])})


def _storable(value: Any) -> Any:
    """Without NUL, which PostgreSQL refuses, and lone surrogates, which are no UTF-8; pages and servers send both."""
    match value:
        case str():
            return value.replace("\x00", "").encode("utf-8", "ignore").decode()
        case Mapping():
            return {_storable(key): _storable(item) for key, item in value.items()}
        case list():
            return [_storable(item) for item in value]
        case _:
            return value
