"""Errors that pass by themselves, and how tasks try again after them."""

from typing import Any, Final

from kombu.exceptions import OperationalError as KombuError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from pipeline.broker.publish import BrokerError

TRANSIENT_ERRORS: Final[tuple[type[Exception], ...]] = (
    # The database is away, restarts, or has no connection free.
    OperationalError,
    InterfaceError,
    PoolTimeoutError,
    # So is the broker, or the Redis of the locks.
    BrokerError,
    KombuError,
    RedisConnectionError,
    RedisTimeoutError,
)

RETRIES: Final[dict[str, Any]] = {
    "autoretry_for": TRANSIENT_ERRORS,
    # Seconds: 1, 2, 4 ... 30, each with jitter. No delay is longer than half a minute, well below every visibility
    # timeout; what needs longer than all of them together is the sweep's.
    "retry_backoff": True,
    "retry_backoff_max": 30,
    "retry_jitter": True,
    "max_retries": 8,
}
"""The retry policy of crawls and fan-outs, as options of a task."""
