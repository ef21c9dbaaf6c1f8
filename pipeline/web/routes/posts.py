"""Posts and the sites that they come from, to look at: for back ends, and for phones under /v1/me."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from pipeline.basics.access import without_login
from pipeline.web.answers import post_out
from pipeline.web.callers import USER, Caller, allow
from pipeline.web.context import Services
from pipeline.web.schemas.basics import Id
from pipeline.web.schemas.sites import PostOut, PostsIn, PostsOut, SiteBrief, TraceOut
from storage import posts, sites, traces


def routes(prefix: str, word: str, *scopes: str) -> APIRouter:
    """The routes under a prefix, for callers of some scopes."""
    router = APIRouter(prefix=prefix, tags=["posts"], generate_unique_id_function=lambda route: f"{word}{route.name}")
    _add(router, allow(*scopes))
    return router


def for_servers() -> APIRouter:
    """With a server key."""
    router = routes("/v1", "", "app", "sites", "read")
    _add_trace(router)
    return router


def for_phones() -> APIRouter:
    """With a user's token."""
    router = routes("/v1/me", "me_", USER)
    _add_catalogue(router, allow(USER))
    return router


def _add(router: APIRouter, allowed: Callable[..., Awaitable[Caller]]) -> None:
    @router.get("/posts", summary="The newest posts, of all sites or one, with a word in the title or any")
    def list_posts(
        query: Annotated[PostsIn, Query()], services: Services, _: Annotated[Caller, Depends(allowed)]
    ) -> PostsOut:
        with services.database.reading() as session:
            site_id = sites.by_name(session, query.site).id if query.site is not None else None
            rows = posts.latest(session, site_id=site_id, limit=query.limit + 1, before=query.cursor, title=query.q)
        page = rows[: query.limit]
        return PostsOut(
            items=[post_out(post, site) for post, site in page],
            next_cursor=page[-1][0].id if len(rows) > query.limit else None,
        )

    @router.get("/posts/{post}", summary="One post")
    def get_post(post: Id, services: Services, _: Annotated[Caller, Depends(allowed)]) -> PostOut:
        with services.database.reading() as session:
            return post_out(*posts.by_id(session, post))


def _add_catalogue(router: APIRouter, allowed: Callable[..., Awaitable[Caller]]) -> None:
    @router.get("/sites", summary="The sites that one may subscribe to")
    def list_sites(services: Services, _: Annotated[Caller, Depends(allowed)]) -> list[SiteBrief]:
        with services.database.reading() as session:
            return [
                SiteBrief(name=site.name, url=without_login(str(site.params.get("url") or ""))[0] or None)
                for site in sites.all_sites(session)
                if site.enabled
            ]


def _add_trace(router: APIRouter) -> None:
    @router.get("/posts/{post}/trace", summary="Whom a post matched, and the outcome on their devices")
    def trace_post(post: Id, services: Services, _: Annotated[Caller, Depends(allow("sites", "read"))]) -> TraceOut:
        with services.database.reading() as session:
            found, site = posts.by_id(session, post)
            trace = traces.trace(session, post)
        return TraceOut(
            post=post_out(found, site),
            fanout=found.fanout,
            matched_users=found.matched_users,
            notifications=dict(trace.statuses),
            phrases={phrase or "(every post)": count for phrase, count in trace.phrases.items()},
            devices=dict(trace.devices),
        )
