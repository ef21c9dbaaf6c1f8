"""What must be there before a process may start, and the sentence about what is not."""

from sqlalchemy.exc import OperationalError

from pipeline.basics.text import first_line
from pipeline.errors import PipelineError
from pipeline.settings import Settings
from storage.migrate import NotMigratedError, require_migrated

LEAST_REDIS = (6, 2)
"""kombu gives messages of dead workers back with commands that Redis has since 6.2."""


class NotReadyError(PipelineError, RuntimeError):
    """A service that crawlpush needs is not there, with the way out."""


def check_database(settings: Settings) -> None:
    """Raise NotReadyError unless the database answers and has this version's schema."""
    try:
        require_migrated(settings.database)
    except NotMigratedError as error:
        raise NotReadyError(str(error)) from None
    except OperationalError as error:
        raise NotReadyError(database_sentence(error)) from None


def check_redis(settings: Settings) -> None:
    """Raise NotReadyError unless Redis answers and is new enough."""
    # Here: most commands need the database alone.
    from redis.exceptions import RedisError

    from pipeline.locks import open_redis

    try:
        with open_redis(settings) as redis:
            version = str(redis.info("server")["redis_version"])
    except (RedisError, OSError) as error:
        raise NotReadyError(redis_sentence(error)) from None
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


def check_services(settings: Settings) -> None:
    """Raise NotReadyError unless the database and Redis can be used."""
    check_database(settings)
    check_redis(settings)
