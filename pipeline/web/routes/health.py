"""Whether the process lives, and whether it can answer: for load balancers. Neither needs a credential."""

from http import HTTPStatus

from fastapi import APIRouter
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from pipeline.web.context import Services
from pipeline.web.problems import RETRY_AFTER_S, ProblemError

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="The process lives")
def healthz() -> dict[str, str]:
    """Asks nobody else."""
    return {"status": "ok"}


@router.get("/readyz", summary="The database and Redis answer")
def readyz(services: Services) -> dict[str, str]:
    """503 while one of them is away."""
    try:
        with services.database.reading() as session:
            session.execute(text("SELECT 1"))
        services.redis.ping()
    except (SQLAlchemyError, RedisError, OSError):
        detail = "the database or Redis does not answer"
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": str(RETRY_AFTER_S)}) from None
    return {"status": "ready"}
