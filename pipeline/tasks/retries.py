"""Errors that pass by themselves, and how tasks try again after them."""

from typing import Any, Final

from kombu.exceptions import OperationalError as KombuError
from redis.exceptions import RedisError

from pipeline.broker.publish import BrokerError
from storage.session import PASSING_ERRORS

TRANSIENT_ERRORS: Final[tuple[type[Exception], ...]] = (
    *PASSING_ERRORS,
    # The broker is away, or the Redis of the locks; or it answers that it can do nothing now.
    BrokerError,
    KombuError,
    RedisError,
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
