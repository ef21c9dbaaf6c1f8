"""What a crawl counted, as its row keeps it. Loads no SQLAlchemy, so that the crawl's contract may build on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

NO_PROCESS = "no_process"
STORE_FAILED, UNSTORABLE = "store_failed", "unstorable"
NOT_THE_SITES = frozenset({"lost", NO_PROCESS, STORE_FAILED})
"""Finish reasons that say nothing of the site: its worker died, had no process for the crawl, or no
database to store in."""


@dataclass(frozen=True, kw_only=True)
class RunFigures:
    """How a run ended, and its counts, for which `crawl_runs` has columns; then what its closing goes by."""

    # Scrapy's (`finished`, `closespider_pagecount`, `start_error`, or the spider's own), or one of: `timeout` (a
    # limit of time), `stopped` (the worker ends), `memory` (its limit), `killed` (by somebody else, the kernel
    # perhaps), `crashed` (a signal or an exit of its own), `robots` (robots.txt forbids the start page),
    # `robots_unreachable` (the server does not give out its robots.txt), `retry_after` (the server asked to come back
    # later), `store_failed` (the database was away, locked or read-only), `unstorable` (it refused the posts or the
    # report), `lost` (its worker died), `no_process` (this machine had none to spare for it).
    finish_reason: str
    # Whether it went well: it ended by itself and saw a page, or was told that nothing changed, and what went wrong
    # on the way, if anything, still left some items.
    ok: bool
    # Responses other than redirects, 304 and robots.txt.
    pages: int = 0
    # Of bodies as they came over the wire, robots.txt included.
    bytes: int = 0
    items_seen: int = 0
    errors: int = 0
    # In words, with the traceback shortened to the lines of our own code.
    first_error: str | None = None
    # HTTP status -> responses, redirects and 304 included, robots.txt not.
    status_counts: Mapping[str, int] = field(default_factory=dict)
    # Every start page answered 304.
    not_modified: bool = False
    # CPU seconds of the child and what it waited for, told by the parent; None when nobody could tell.
    cpu_s: float | None = None
    # The stored posts that the run saw; empty where nobody can tell, as of a run that was lost.
    shown: Sequence[int] = ()
    # Whether the first page was read well and says that there are no posts.
    is_empty: bool = False
    # Whether most rows of a page could not be told apart.
    is_ambiguous: bool = False
    # Posts' own pages that were read, and in words what became of those that were not.
    post_pages: int = 0
    page_problem: str | None = None
    # Whether the site took a login and did not let us in.
    login_refused: bool = False
    # What the spider says is wrong, when it found no posts, or rows that it could not tell apart.
    problem: str | None = None
