"""What every crawl of this project shares: the settings, the spiders, and where errors are counted."""

import logging
from typing import Self

import spiders.without_http2  # noqa: F401 - before Scrapy

# isort: split

from scrapy.settings import Settings
from scrapy.spiderloader import SpiderLoader
from twisted.python import log as twisted_log

from spiders.child.recorder import ErrorLog


class _OneCrawlSettings(Settings):
    """Settings of a process that crawls once: nobody else is there to be spared from a change.

    Scrapy copies its settings deeply for each crawler, which would cost a tenth of a small crawl.
    """

    def copy(self) -> Self:
        """Themselves."""
        return self


class Project:
    """What every crawl shares, made once, before the first fork. A child that uses it changes its own copy."""

    def __init__(self) -> None:
        self.settings = _OneCrawlSettings()
        self.settings.setmodule("spiders.settings", priority="project")
        self.spiders = SpiderLoader.from_settings(self.settings)
        self.errors = ErrorLog()


_project: Project | None = None


def load_project() -> Project:
    """Read the settings and find the spiders, unless that was done in the process that this one was forked from."""
    global _project
    if _project is None:
        _project = Project()
    return _project


def log_errors_only(errors: ErrorLog) -> None:
    """Keep everything below an error from being logged, and let `errors` have the rest; once per process is enough."""
    root = logging.getLogger()
    if root.handlers == [errors]:
        return
    root.handlers[:] = [errors]
    root.setLevel(logging.ERROR)
    logging.raiseExceptions = False
    twisted_log.PythonLoggingObserver("twisted").start()  # type: ignore[no-untyped-call]
