"""The counters and histograms that processes keep, by the names that Prometheus knows them by."""

from bisect import bisect_left
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Counter:
    """Something that only ever grows; the exposition adds `_total` to its name."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """How long something took, in seconds, sorted into buckets."""

    name: str
    meaning: str
    # Upper bounds, in seconds, each included; the last bucket has none.
    bounds: tuple[float, ...]

    def bucket(self, seconds: float) -> int:
        """The place of the bucket that a duration belongs to."""
        return bisect_left(self.bounds, seconds)


CRAWLS: Final = Counter(
    name="crawlpush_crawls", meaning="Crawls that ended, by Scrapy's finish reason or ours.", labels=("outcome",)
)
PAGES: Final = Counter(name="crawlpush_pages", meaning="Pages that crawls read.")
NEW_POSTS: Final = Counter(name="crawlpush_new_posts", meaning="Posts seen for the first time.", labels=("fate",))
NOTIFICATIONS: Final = Counter(name="crawlpush_notifications", meaning="Matches: a post owed to a user.")
PUSHES: Final = Counter(
    name="crawlpush_pushes",
    meaning="Attempts on one device: sent, failed, expired, retry (tried again later), wait (the channel is paused).",
    labels=("platform", "outcome"),
)
SWEPT: Final = Counter(
    name="crawlpush_swept", meaning="Owed work that nobody did, and that a sweep enqueued again.", labels=("what",)
)
SWEEPS: Final = Counter(name="crawlpush_sweeps", meaning="Sweeps, by whether they found anything.", labels=("found",))
FAILED_TASKS: Final = Counter(name="crawlpush_failed_tasks", meaning="Tasks that failed for good.", labels=("task",))
LATENCY: Final = Histogram(
    name="crawlpush_post_to_push_seconds",
    meaning="From the moment a post was first seen until a vendor accepted its push to one device.",
    bounds=(1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 21_600, 86_400),
)

COUNTERS: Final = (CRAWLS, PAGES, NEW_POSTS, NOTIFICATIONS, PUSHES, SWEPT, SWEEPS, FAILED_TASKS)
HISTOGRAMS: Final = (LATENCY,)
