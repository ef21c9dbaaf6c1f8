"""What must be there before a process may start, and the sentence about what is not."""

import re
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from sqlalchemy.exc import OperationalError

from pipeline.basics.text import first_line
from pipeline.errors import PipelineError
from pipeline.outage import Outage
from pipeline.settings import Settings
from storage.migrate import NotMigratedError, require_migrated

LEAST_REDIS = (6, 2)
"""kombu gives messages of dead workers back with commands that Redis has since 6.2."""
PATIENCE_S = 600.0
"""So long a process that starts waits for a server: longer than a restart or a failover takes."""


class NotReadyError(PipelineError, RuntimeError):
    """A service that crawlpush needs is not there, with the way out."""


class AwayError(NotReadyError):
    """One that may come back by itself."""


def check_database(settings: Settings) -> None:
    """Raise NotReadyError unless the database answers and has this version's schema."""
    try:
        require_migrated(settings.database)
    except NotMigratedError as error:
        raise NotReadyError(str(error)) from None
    except OperationalError as error:
        raise _not_ready(database_sentence(error), error) from None


def check_redis(settings: Settings) -> None:
    """Raise NotReadyError unless Redis answers and is new enough."""
    # Here: most commands need the database alone.
    from redis.exceptions import RedisError

    from pipeline.locks import open_redis

    try:
        with open_redis(settings) as redis:
            version = str(redis.info("server")["redis_version"])
    except (RedisError, OSError) as error:
        raise _not_ready(redis_sentence(error), error) from None
    if tuple(int(part) for part in version.split(".")[:2]) < LEAST_REDIS:
        raise NotReadyError(f"Redis {version} is too old: crawlpush needs 6.2 or later")


def database_sentence(error: Exception) -> str:
    """What to tell a person whose database is not there."""
    cause = first_line(getattr(error, "orig", error))
    return f"the database of DATABASE_URL cannot be reached: {cause}"


def redis_sentence(error: Exception) -> str:
    """What to tell a person whose Redis is not there."""
    cause = str(error).rstrip(".")
    if "CERTIFICATE_VERIFY_FAILED" in cause:
        way_out = "If it is self-signed, as that of Heroku's Redis is, set REDIS_TLS_INSECURE=true"
        return f"Redis shows a certificate that is not trusted: {cause}. {way_out}"
    return f"Redis cannot be reached: {cause}. Set REDIS_URL, or run scripts/start, which brings its own"


SERVICES: Mapping[str, Callable[[Settings], None]] = MappingProxyType(
    {"database": check_database, "redis": check_redis}
)
"""What a worker needs, and how it is looked at."""


def wait_for(
    settings: Settings,
    services: Mapping[str, Callable[[Settings], None]] = SERVICES,
    *,
    patience_s: float = PATIENCE_S,
) -> None:
    """Wait for services that are away, with a line when that begins and one when it ends.

    Raises NotReadyError: at once for what no waiting mends, as a wrong password, and when the patience is over.
    """
    until = time.monotonic() + patience_s
    for name, check in services.items():
        outage = Outage(name)
        while True:
            try:
                check(settings)
            except AwayError as error:
                if time.monotonic() >= until:
                    raise
                time.sleep(max(outage.failed(error), 1))
            else:
                outage.over()
                break


_AWAY = re.compile(
    r"refused|timed? ?out|temporary failure|unreachable|no route|closed|reset by|broken pipe|starting up|shutting down"
    r"|recovery|too many|max number|connection slots|loading|locked",
    re.IGNORECASE,
)
"""Words of libpq, PostgreSQL, SQLite, redis-py and Redis about what passes by itself; anything else does not."""


def _not_ready(sentence: str, error: Exception) -> NotReadyError:
    # Names of users, hosts and databases stand in quotes.
    said = re.sub(r'"[^"]*"', "", str(getattr(error, "orig", error)))
    return AwayError(sentence) if _AWAY.search(said) else NotReadyError(sentence)
