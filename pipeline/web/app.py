"""The ASGI application: its routes, how errors are answered, and the OpenAPI document.

To add a route: the module of its subject in pipeline/web/routes/, with the fields in schemas/; then
`scripts/openapi` writes docs/openapi.json anew.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse

from pipeline.celery import create_app as create_broker
from pipeline.locks import open_redis
from pipeline.people.previews import Previews
from pipeline.settings import Settings
from pipeline.web import problems
from pipeline.web.context import Context
from pipeline.web.limits import BodyLimit, Limiter
from pipeline.web.pages.mount import ROOT, Pages
from pipeline.web.routes import health, installations, person, phrases, posts, sites, users
from pipeline.web.schemas.basics import Problem
from storage.session import Database

THREADS = 16
"""Requests that are worked on at once; each holds a database connection for some milliseconds."""

_ERRORS = {
    400: "The body is no JSON that can be read",
    401: "No credential, or one that is not valid",
    403: "The credential may not do this",
    404: "There is no such thing, or it is somebody else's",
    409: "It is in the way of something that is there",
    413: "The body is too long",
    422: "A value cannot be what it is",
    429: "Too many requests; Retry-After says when to ask again",
    503: "The database or Redis is away; Retry-After says when to ask again",
}


def open_context(settings: Settings) -> Context:
    """The services of this process."""
    redis, database = open_redis(settings), Database(settings.database, pool_size=THREADS)
    return Context(
        settings=settings,
        database=database,
        redis=redis,
        limiter=Limiter(redis),
        broker=create_broker(settings),
        previews=Previews(database=database, settings=settings),
    )


def create_app(context: Context) -> FastAPI:
    """The application."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        yield
        context.database.close()
        context.redis.close()

    app = FastAPI(
        title="crawlpush",
        version=_version(),
        description="Watches boards and feeds, and pushes each new post to the people whose keywords it matches, once.",
        lifespan=lifespan,
        generate_unique_id_function=_operation_id,
        responses={status: {"model": Problem, "description": words} for status, words in _ERRORS.items()},
        docs_url=None,
        redoc_url=None,
    )
    app.state.context = context
    make_schema = app.openapi
    app.openapi = lambda: _as_problems(make_schema())  # type: ignore[method-assign]
    for router in (
        health.router,
        installations.router,
        person.me(),
        posts.for_phones(),
        users.router,
        person.by_name(),
        posts.for_servers(),
        phrases.router,
        sites.router,
    ):
        app.include_router(router)
    app.mount(ROOT, Pages(context))
    app.add_route("/", _to_the_pages, include_in_schema=False)
    app.add_middleware(BodyLimit)
    for ours in problems.OURS:
        app.add_exception_handler(ours, problems.of_ours)
    for away in problems.AWAY:
        app.add_exception_handler(away, problems.of_service)
    app.add_exception_handler(DataError, problems.of_data)
    app.add_exception_handler(RequestValidationError, problems.of_validation)
    app.add_exception_handler(HTTPException, problems.of_http)
    app.add_exception_handler(Exception, problems.of_defect)
    return app


async def _to_the_pages(_request: Request) -> RedirectResponse:
    """Whoever opens the bare address is a person."""
    return RedirectResponse(f"{ROOT}/")


def _as_problems(schema: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document with one definition of each error, of the media type that errors really have."""
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    schema["components"]["responses"] = {
        str(status): {"description": words, "content": content} for status, words in _ERRORS.items()
    }
    for item in schema["paths"].values():
        for operation in item.values():
            for status in operation["responses"]:
                if status[0] in "45":
                    operation["responses"][status] = {"$ref": f"#/components/responses/{status}"}
    return schema


def _operation_id(route: APIRoute) -> str:
    return route.name


def _version() -> str:
    try:
        return version("crawlpush")
    except PackageNotFoundError:
        return "0"
