"""Errors as problem details (RFC 9457): the sentence that the command line would say, and the status that fits."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from pipeline.errors import PipelineError
from storage.errors import StorageError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
"""When to ask again while the database or Redis is away."""


class ProblemError(PipelineError):
    """A request that is not answered as it was meant, with the status and the reason."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer for an error."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(body, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def of_ours(_request: Request, error: Exception) -> JSONResponse:
    """An error whose message is meant for the user: not found, in the way of something, or not allowed as it is."""
    if isinstance(error, ProblemError):
        return problem(error.status, str(error), error.headers)
    return problem(status_of(error), str(error))


def status_of(error: Exception) -> int:
    """404 for what is not there, 409 for what is there already, 422 for what cannot be."""
    if isinstance(error, LookupError):
        return HTTPStatus.NOT_FOUND
    return HTTPStatus.CONFLICT if type(error).__name__.startswith("Duplicate") else HTTPStatus.UNPROCESSABLE_ENTITY


def of_http(_request: Request, error: Exception) -> JSONResponse:
    """What the framework refuses by itself: an unknown path, a method that it has not."""
    assert isinstance(error, HTTPException)
    return problem(error.status_code, str(error.detail), error.headers)


def of_validation(_request: Request, error: Exception) -> JSONResponse:
    """A request that does not fit the schema. The values stay out: one of them may be a device token."""
    assert isinstance(error, RequestValidationError)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(_sentence(entry) for entry in error.errors()))


def _sentence(entry: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in entry["loc"][1:]) or str(entry["loc"][0])
    what = "the body is not JSON" if entry["type"] == "json_invalid" else str(entry["msg"])
    what = what.removeprefix("Value error, ")
    return f"{where}: {what[:1].lower()}{what[1:]}"


def of_service(_request: Request, _error: Exception) -> JSONResponse:
    """The database or Redis is away, or a transaction lost against another one: asking again is right."""
    detail = "the service is not available at this moment: ask again"
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": str(RETRY_AFTER_S)})


def of_data(_request: Request, _error: Exception) -> JSONResponse:
    """A value that the database cannot hold."""
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "a value cannot be stored: it is out of range, or no text")


def of_defect(_request: Request, error: Exception) -> JSONResponse:
    """Ours to mend: it is logged with its traceback, and the caller learns no more."""
    logger.error("a request failed", exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong here; it was logged")


OURS = (PipelineError, StorageError)
AWAY = (DBAPIError, PoolTimeoutError, ConnectionError)
