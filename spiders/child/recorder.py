"""Counting what a crawl does: pages, bytes, answers and errors."""

import logging
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import spiders.without_http2  # noqa: F401 - before Scrapy

# isort: split

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.http import Response

from spiders import pipelines
from spiders.middlewares import POST
from spiders.robots import robots_origin

PROGRESS_EVERY_S: Final = 0.3

ERROR_LENGTH: Final = 2000
"""Characters of an error that are kept."""

_FRAMES: Final = 4
_LIBRARIES: Final = ("site-packages", "/lib/python", "<frozen")


class ErrorLog(logging.Handler):
    """Counts what is logged as an error, Twisted's unhandled failures included, and keeps the first one's text."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.count = 0
        self.first: str | None = None
        self.out_of_memory = False

    def emit(self, record: logging.LogRecord) -> None:
        """Count one."""
        self.count += 1
        if record.exc_info and isinstance(record.exc_info[1], MemoryError):
            self.out_of_memory = True
        if self.first is None:
            self.first = shortened(record)


def shortened(record: logging.LogRecord) -> str:
    """A record's message, the exception, and where in code that is not a library's it came from."""
    lines = [record.getMessage().split("\nTraceback", 1)[0].strip()]
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        # What Scrapy raises while it downloads says all there is to say.
        downloading = type(error).__module__.startswith("scrapy.")
        frames = [] if downloading else list(traceback.extract_tb(error.__traceback__))
        own = [frame for frame in frames if not any(part in frame.filename for part in _LIBRARIES)]
        lines += [
            f"  {Path(frame.filename).name}:{frame.lineno} in {frame.name}: {frame.line}" for frame in own[-_FRAMES:]
        ]
        if own or not str(error) or str(error) not in lines[0]:
            lines.append(str(error) if downloading and str(error) else f"{type(error).__name__}: {error}")
    return "\n".join(lines)[:ERROR_LENGTH]


def stats_of(crawler: Crawler) -> Mapping[str, Any]:
    """A crawler's stats; none yet where it failed before it had a place for them."""
    try:
        return crawler.stats.get_stats()
    except RuntimeError:
        return {}


class Recorder:
    """Listens to a crawler's signals. Requests for robots.txt and for posts' own pages are not counted as pages."""

    def __init__(self, crawler: Crawler, *, max_pages: int, on_limit: Callable[[], None]) -> None:
        self._crawler = crawler
        self._max_pages = max_pages
        self._on_limit = on_limit
        self._reported_at = 0.0
        self.on_progress: Callable[[dict[str, int]], None] | None = None
        self.pages = 0
        self.bytes = 0
        self.statuses: Counter[str] = Counter()
        # Whether a callback broke off on a page that the crawl began with.
        self.start_page_failed = False
        crawler.signals.connect(self._downloaded, signals.response_downloaded)
        crawler.signals.connect(self._scraped, signals.item_scraped)
        crawler.signals.connect(self._callback_failed, signals.spider_error)

    def _downloaded(self, response: Response, request: Request, **_: Any) -> None:
        self.bytes += len(response.body)
        if robots_origin(request) is not None or POST in request.meta:
            return
        self.statuses[str(response.status)] += 1
        if not 300 <= response.status < 400:
            self.pages += 1
            if self.pages >= self._max_pages:
                self._on_limit()
        self._progress()

    def _scraped(self, **_: Any) -> None:
        self._progress()

    def _callback_failed(self, response: object, **_: Any) -> None:
        # Without a response, it was the spider's start() that failed.
        if not isinstance(response, Response) or response.meta.get("is_start_request"):
            self.start_page_failed = True

    def figures(self) -> dict[str, int]:
        """The counts so far."""
        stats = stats_of(self._crawler)
        return {
            "pages": self.pages,
            "bytes": self.bytes,
            "items_seen": stats.get(pipelines.SEEN, 0),
            "new_posts": stats.get(pipelines.NEW, 0),
        }

    def _progress(self) -> None:
        now = time.monotonic()
        if self.on_progress is not None and now - self._reported_at >= PROGRESS_EVERY_S:
            self._reported_at = now
            self.on_progress(self.figures())
