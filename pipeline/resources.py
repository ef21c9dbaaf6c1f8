"""What a process opens once and keeps: its database and its Redis."""

from datetime import UTC, datetime
from functools import lru_cache

from redis import Redis

from pipeline.locks import open_redis
from pipeline.settings import get_settings
from storage.session import Database


@lru_cache(maxsize=1)
def database() -> Database:
    """The database of this process."""
    return Database(get_settings().database)


@lru_cache(maxsize=1)
def redis() -> Redis:
    """The Redis client of this process; its connections are pooled, so threads share it."""
    return open_redis(get_settings())


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)
