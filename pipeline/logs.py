"""Logging: one line per outcome, a static event text, ids as fields; ours, Celery's and Scrapy's in one form."""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo
from logging.handlers import WatchedFileHandler
from types import MappingProxyType

from celery import current_task

from pipeline.basics.text import printable
from pipeline.redaction import redacted
from pipeline.settings import Settings

QUIET = ("celery", "kombu", "amqp", "alembic", "scrapy", "twisted", "asyncio", "hpack", "hyper", "google", "urllib3")
"""Libraries whose INFO lines say nothing to a person who runs crawlpush."""


_bound: ContextVar[Mapping[str, object]] = ContextVar("bound", default=MappingProxyType({}))


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Give these fields to each line that this thread logs within the block."""
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    fields = getattr(record, "fields", {})
    return fields if isinstance(fields, Mapping) else {}


def _context(record: logging.LogRecord) -> dict[str, object]:
    """The task that this thread is at, and what is bound; what the line says itself goes before."""
    # Asked for when a line is written, so that the tasks that log nothing pay nothing. A record is formatted by the
    # thread that logged it.
    task = {"task": current_task.name, "task_id": current_task.request.id} if current_task else {}
    return {name: value for name, value in {**task, **_bound.get()}.items() if name not in _fields(record)}


def _safe(value: object) -> object:
    return redacted(value) if isinstance(value, str) else value


class HumanFormatter(logging.Formatter):
    """`12:34:56 crawl finished: site=demo pages=1 new=2`; a level is shown from WARNING on."""

    def __init__(self, zone: tzinfo | None) -> None:
        super().__init__()
        self._zone = zone

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback, if there is one, follows it."""
        at = datetime.fromtimestamp(record.created, self._zone).strftime("%H:%M:%S")
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        shown = dict(_fields(record))
        if level:
            # Where all is well nobody asks for the task.
            shown |= _context(record)
        fields = " ".join(f"{name}={_shown(_safe(value))}" for name, value in shown.items())
        line = f"{at} {level}{printable(redacted(record.getMessage()))}" + (f": {fields}" if fields else "")
        if not record.exc_info:
            return line
        # Indented and cleaned line by line: what a page put into an exception must not look like a line of ours.
        said = redacted(self.formatException(record.exc_info))
        trace = "\n".join(f"    {printable(part)}" for part in said.splitlines())
        return f"{line}\n{trace}"


class JSONFormatter(logging.Formatter):
    """One JSON object per line: at, level, event, logger, the fields, and task, task_id and site within a task."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, also for a traceback."""
        entry: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "event": redacted(record.getMessage()),
            "logger": record.name,
            **{name: _safe(value) for name, value in _fields(record).items()},
            **_context(record),
        }
        if record.exc_info:
            entry["traceback"] = redacted(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False, default=str)


def _shown(value: object) -> str:
    text = printable(str(value))
    return f'"{text}"' if " " in text or not text else text


def _say(message: str, _file: object = None) -> None:
    record = logging.LogRecord("celery.apps.worker", logging.INFO, "", 0, message, (), None)
    os.write(2, f"{JSONFormatter().format(record)}\n".encode())


def configure(settings: Settings, *, level: str | None = None, file: str | None = None) -> None:
    """Send everything to standard error, or to a file, in the configured form. Called once per process.

    level: instead of LOG_LEVEL.
    """
    handler = WatchedFileHandler(file, encoding="utf-8") if file else logging.StreamHandler()
    if settings.log_format == "json":
        handler.setFormatter(JSONFormatter())
    else:
        handler.setFormatter(HumanFormatter(settings.display_zone))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    _set_level(root, level or settings.log_level)
    if settings.log_format == "json":
        # What Celery says when a signal stops it goes past logging, which is not to be called in a signal's handler.
        from celery.apps import worker

        vars(worker)["safe_say"] = _say
    # Python's own warnings, which else go to standard error in their own form.
    logging.captureWarnings(capture=True)
    for name in QUIET:
        _set_level(logging.getLogger(name), max(logging.WARNING, root.level))


def _set_level(logger: logging.Logger, level: str | int) -> None:
    # Setting one has every logger there is forget what it knows; in a forked process that copies them.
    if level not in (logger.level, logging.getLevelName(logger.level)):
        logger.setLevel(level)
