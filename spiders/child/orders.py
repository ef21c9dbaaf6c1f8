"""What a crawl's process is told and what it tells back, as plain data over the channel.

The other side of the line is pipeline.crawling.child, which this package does not import; the field names are the
contract.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Order:
    """One crawl of one site."""

    run_id: int
    site_id: int
    site_name: str
    spider: str
    # Keyword arguments of the spider, beside `timezone`.
    params: Mapping[str, Any]
    timezone: str
    # Empty: nothing is stored.
    database_url: str = field(repr=False)
    user_agent: str
    obey_robots: bool
    # Whether connections into private networks are allowed.
    allow_private: bool
    soft_limit_s: float
    hard_limit_s: float
    memory_mb: int
    download_max_bytes: int
    max_pages: int
    download_delay_s: float
    # Page address -> (ETag, Last-Modified).
    validators: Mapping[str, tuple[str | None, str | None]]
    # Origin -> body of a robots.txt that is still fresh.
    robots: Mapping[str, str]
    measure_memory: bool


@dataclass(frozen=True, kw_only=True)
class Report:
    """How a crawl ended, as far as its own process can know. pipeline.crawling.order says what the fields mean."""

    finish_reason: str
    ok: bool
    pages: int
    bytes: int
    items_seen: int
    new_posts: int
    status_counts: Mapping[str, int]
    errors: int
    first_error: str | None
    not_modified: bool
    problem: str | None
    retry_after_s: float | None
    validators: Mapping[str, tuple[str | None, str | None]]
    robots: Mapping[str, str]
    private_mb: float | None
