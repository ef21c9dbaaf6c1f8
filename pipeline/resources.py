"""What a process opens once and keeps: its database, the database's clock, and its Redis."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from pipeline.basics.once import Once
from pipeline.settings import SettingsError, get_settings
from storage import clock
from storage.clock import Clock
from storage.session import Database

if TYPE_CHECKING:
    from redis import Redis


@Once
def database() -> Database:
    """The database of this process."""
    return Database(get_settings().database)


@Once
def redis() -> "Redis":
    """The Redis client of this process; its connections are pooled, so threads share it."""
    # Here: most commands need the database alone.
    from pipeline.locks import open_redis

    return open_redis(get_settings())


def now() -> datetime:
    """The present moment, aware, in UTC: by the database's clock, which is the same for every machine."""
    try:
        url = get_settings().database
    except SettingsError:
        return datetime.now(UTC)
    # SQLite's clock is its machine's, and whoever asks for the time must not make its file.
    return datetime.now(UTC) if url.startswith("sqlite") else _clock(url).now()


@lru_cache(maxsize=1)
def _clock(_url: str) -> Clock:
    return Clock(lambda: clock.read(database()))
