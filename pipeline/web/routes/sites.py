"""Sites as an operator steers them: how they are, a crawl now, held floods, pauses."""

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from sqlalchemy.orm import Session

from pipeline.basics.access import origin
from pipeline.basics.secrets import names_secret
from pipeline.broker.publish import BrokerError
from pipeline.push.message import Platform
from pipeline.web.answers import run_out, site_out
from pipeline.web.callers import Caller, allow
from pipeline.web.commands import run_command
from pipeline.web.context import Context, Services
from pipeline.web.problems import ProblemError
from pipeline.web.schemas.basics import In
from pipeline.web.schemas.sites import (
    Definition,
    Param,
    PauseIn,
    PauseOut,
    RunOut,
    RunQueued,
    Settled,
    SiteChange,
    SiteIn,
    SiteOut,
    TryIn,
    TryOut,
)
from storage import crawl_runs, overview, pauses, posts, sites
from storage.pauses import Scope

logger = logging.getLogger(__name__)

router = APIRouter(prefix="/v1", tags=["sites"])

Looks = Annotated[Caller, Depends(allow("app", "sites", "read"))]
Steers = Annotated[Caller, Depends(allow("sites"))]


class RunsIn(In):
    """How many runs."""

    limit: int = Field(20, ge=1, le=100)


@router.get("/sites", summary="The sites and how they are")
def list_sites(services: Services, _: Looks) -> list[SiteOut]:
    """All of them, by name."""
    with services.database.reading() as session:
        return [site_out(state) for state in overview.site_states(session)]


@router.get("/sites/{site}", summary="One site and how it is")
def get_site(site: str, services: Services, _: Looks) -> SiteOut:
    """A site by its name."""
    with services.database.reading() as session:
        sites.by_name(session, site)
        (state,) = overview.site_states(session, name=site)
        return site_out(state)


@router.post("/sites", status_code=HTTPStatus.CREATED, summary="Watch a site, after fetching its page once")
def add_site(body: SiteIn, services: Services, _: Steers) -> SiteOut:
    """The first crawl is a silent baseline, unless `notify_existing`."""
    words = ["sites", "add", body.name, *_options(body)]
    words += [] if body.check else ["--no-check"]
    words += ["--notify-existing"] if body.notify_existing else []
    run_command(words)
    return get_site(body.name, services, _)


@router.patch("/sites/{site}", summary="Change a site's definition, after fetching its page when that matters")
def change_site(site: str, body: SiteChange, services: Services, _: Steers) -> SiteOut:
    """What is left out stays; an empty text takes a parameter away."""
    before = get_site(site, services, _)
    _refuse_to_send_elsewhere(_params_of(services, site), body)
    if options := _options(body):
        words = ["sites", "set", *options, *([] if body.check else ["--no-check"])]
        run_command([*words, *(["--notify-existing"] if body.notify_existing else []), "--", site])
    if body.enabled is not None and body.enabled != before.enabled:
        with services.database.writing() as session:
            sites.set_enabled(session, site, enabled=body.enabled, now=services.clock())
    return get_site(site, services, _)


@router.post("/sites:try", summary="Fetch a page once and show the posts that it would give; stores nothing")
def try_site(body: TryIn, _: Steers) -> TryOut:
    """Without a spider: find the feed, or guess the rows of a board."""
    words = ["sites", "try", "--json", *_given("timezone", body.timezone), *_params(body.params)]
    words += [*_given("spider", body.spider), *(["--allow-private"] if body.allow_private else []), "--", body.url]
    found = json.loads(run_command(words))
    if isinstance(found, list):
        found = {"spider": body.spider, "params": {**body.params, "url": body.url}, "posts": found}
    return TryOut(**{"feeds": [], "notes": [], **found})


def _refuse_to_send_elsewhere(before: Mapping[str, Any], body: Definition) -> None:
    """Secrets that a site has stay with the server that they were given to."""
    after = {**body.params, **({"url": body.url} if body.url else {})}
    moved = [
        name for name in _SERVERS if name in after and origin(str(after[name])) != origin(str(before.get(name, "")))
    ]
    if names_secret(before) and (moved or "tls" in after):
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"the site sends secrets: only `crawlpush sites set` on the machine may change {(*moved, 'tls')[0]}",
        )


def _params_of(services: Context, site: str) -> Mapping[str, Any]:
    with services.database.reading() as session:
        return sites.by_name(session, site).params


_SERVERS = ("url", "login_url")


def _options(body: Definition) -> list[str]:
    switches = (
        ("match-body", body.match_body, "no-match-body"),
        ("urgent", body.urgent, "not-urgent"),
        ("allow-private", body.allow_private, "no-private"),
    )
    return [
        *(word for name in _WORDS for word in _given(name.replace("_", "-"), getattr(body, name))),
        *_params(body.params),
        *(f"--{name if wanted else unwanted}" for name, wanted, unwanted in switches if wanted is not None),
    ]


_WORDS = ("spider", "url", "schedule", "timezone", "active_hours", "max_age", "ttl", "edits", "robots_exempt")


def _given(name: str, value: str | None) -> list[str]:
    return [] if value is None else [f"--{name}={value}"]


def _params(params: Mapping[str, Param]) -> list[str]:
    return [
        f"--param={name}={each}"
        for name, value in params.items()
        for each in (value if isinstance(value, list) else [value])
    ]


@router.get("/sites/{site}/runs", summary="The latest crawls of a site")
def list_runs(site: str, query: Annotated[RunsIn, Query()], services: Services, _: Looks) -> list[RunOut]:
    """Newest first."""
    with services.database.reading() as session:
        found = sites.by_name(session, site)
        return [run_out(run) for run in crawl_runs.recent(session, found.id, limit=query.limit)]


@router.post("/sites/{site}/crawl", status_code=HTTPStatus.ACCEPTED, summary="Crawl a site now")
def crawl(site: str, services: Services, _: Steers) -> RunQueued:
    """The run is owed from now on; 409 while the site is being crawled already or waits for it."""
    at = services.clock()
    with services.database.writing() as session:
        run = sites.queue_run(session, sites.by_name(session, site).id, trigger="manual", now=at)
    if run is None:
        raise ProblemError(HTTPStatus.CONFLICT, f"{site} is being crawled already, or waits in the queue")
    _publish(services, "crawl_site", [run])
    return RunQueued(run=run)


@router.post(
    "/sites/{site}/held/release", summary="Push the posts that were held because they were far more than usual"
)
def release(site: str, services: Services, _: Steers) -> Settled:
    """Each of them to whoever wants it."""
    return _settle(services, site, release=True)


@router.post("/sites/{site}/held/drop", summary="Push the held posts to nobody; they stay stored")
def drop(site: str, services: Services, _: Steers) -> Settled:
    """They are not offered again."""
    return _settle(services, site, release=False)


@router.post("/pauses", summary="Hold crawls or pushes back, of everything, of a site, or of a channel")
def pause(body: PauseIn, services: Services, _: Steers) -> PauseOut:
    """Nothing is lost meanwhile."""
    with services.database.writing() as session:
        return PauseOut(changed=pauses.begin(session, _scope(session, body), now=services.clock()))


@router.post("/pauses/resume", summary="Let go what a pause with the same words holds")
def resume(body: PauseIn, services: Services, _: Steers) -> PauseOut:
    """What is due goes out at once."""
    with services.database.writing() as session:
        resumed = pauses.end(session, _scope(session, body), now=services.clock())
    if resumed is not None and resumed.runs:
        _publish(services, "crawl_site", list(resumed.runs))
    return PauseOut(changed=resumed is not None)


def _scope(session: Session, body: PauseIn) -> Scope:
    if body.site is not None:
        sites.by_name(session, body.site)
    if body.channel is not None:
        if body.what != "push" or body.site is not None:
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "a channel belongs to pushes, and not to a site")
        if body.channel not in {str(platform) for platform in Platform}:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"there is no channel {body.channel!r}")
    return Scope(activity=body.what, site=body.site, channel=body.channel)


def _settle(services: Context, site: str, *, release: bool) -> Settled:
    with services.database.writing() as session:
        settled = posts.settle(session, sites.by_name(session, site).id, now=services.clock(), release=release)
    if release:
        _publish(services, "fan_out_post", settled)
    return Settled(posts=len(settled))


def _publish(services: Context, task: str, ids: Sequence[int]) -> None:
    try:
        services.publish(task, list(ids))
    except BrokerError:
        logger.warning("the broker is away: the sweep sends later what is owed", extra={"fields": {"task": task}})
