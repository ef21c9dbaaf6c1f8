"""Logging: one line per outcome, a static event text, ids as fields; ours, Celery's and Scrapy's in one form."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from pipeline.settings import Settings

QUIET = ("celery", "kombu", "amqp", "alembic", "scrapy", "twisted", "asyncio", "hpack", "hyper", "google", "urllib3")
"""Libraries whose INFO lines say nothing to a person who runs crawlpush."""


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    fields = getattr(record, "fields", None)
    return fields if isinstance(fields, Mapping) else {}


class HumanFormatter(logging.Formatter):
    """`12:34:56 crawl finished: site=demo pages=1 new=2`; a level is shown from WARNING on."""

    def __init__(self, zone: tzinfo) -> None:
        super().__init__()
        self._zone = zone

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback, if there is one, follows it."""
        at = datetime.fromtimestamp(record.created, self._zone).strftime("%H:%M:%S")
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        fields = " ".join(f"{name}={_shown(value)}" for name, value in _fields(record).items())
        line = f"{at} {level}{_one_line(record.getMessage())}" + (f": {fields}" if fields else "")
        if not record.exc_info:
            return line
        # Indented and cleaned line by line: what a page put into an exception must not look like a line of ours.
        trace = "\n".join(f"    {_one_line(part)}" for part in self.formatException(record.exc_info).splitlines())
        return f"{line}\n{trace}"


class JSONFormatter(logging.Formatter):
    """One JSON object per line: at, level, event, logger, and the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, also for a traceback."""
        entry: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
            **_fields(record),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


def _one_line(text: str) -> str:
    # A page's title or a library's error may hold line breaks and escape sequences; a log line is one line.
    return "".join(c if c.isprintable() else " " for c in text)


def _shown(value: object) -> str:
    text = _one_line(str(value))
    return f'"{text}"' if " " in text or not text else text


def configure(settings: Settings) -> None:
    """Send everything to standard error in the configured form. Called once per process."""
    handler = logging.StreamHandler()
    if settings.log_format == "json":
        handler.setFormatter(JSONFormatter())
    else:
        handler.setFormatter(HumanFormatter(ZoneInfo(settings.display_timezone)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
