"""The pages of sites: the list, one site with what can be done about it, and what is held."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from sqlalchemy.orm import Session
from starlette.responses import Response

from pipeline.basics.access import masked
from pipeline.crawling.health import health_of
from pipeline.fanout.matcher import Matcher
from pipeline.fanout.slices import find_in
from pipeline.scheduling.due import schedule_of
from pipeline.scheduling.schedule import ScheduleError, describe, next_runs, parse_schedule
from pipeline.web.pages.call import Call, go_to
from pipeline.web.pages.changes import SITE_CHANGES, change, command_line
from pipeline.web.pages.charts import Chart, chart
from pipeline.web.problems import ProblemError
from storage import crawl_runs, matching, overview, posts, sites, subscriptions
from storage.models import CrawlRun, Post, Site

RUNS_SHOWN: Final = 30
NEXT_SHOWN: Final = 5
POSTS_SHOWN: Final = 20
HELD_SHOWN: Final = 50
"""So many titles of a flood are shown, and so many are looked at for how many people would get them."""
_INTERVAL: Final = re.compile(r"every (?:(\d+) )?(second|minute|hour|day)s?")
_EVERY: Final = {
    "second": "every {n} seconds",
    "minute": "every {n} minutes",
    "hour": "every {n} hours",
    "day": "every {n} days",
}


def list_page(call: Call) -> Response:
    """Every site, or those of a word."""
    word, part = call.query.get("health", ""), call.query.get("q", "").strip()
    with call.services.database.reading() as session:
        states = overview.site_states(session, with_posts=False)
    rows = [
        (state, health)
        for state in states
        if (health := health_of(state.site, held_posts=state.held_posts)) and word in ("", health)
        if part.casefold() in state.site.name.casefold()
    ]
    return call.page("sites.html", rows=rows, word=word, part=part, total=len(states), due_at=sites.due_at)


def site_page(call: Call, *, status: int = HTTPStatus.OK, said: str = "", failed: str = "") -> Response:
    """One site. said, failed: what the command of the form that was just sent said, or why it was refused."""
    name = call.path["site"]
    with call.services.database.reading() as session:
        site = sites.by_name(session, name)
        (state,) = overview.site_states(session, name=name)
        runs = crawl_runs.recent(session, site.id, limit=RUNS_SHOWN)
        newest = posts.latest(session, site_id=site.id, limit=POSTS_SHOWN)
    health = health_of(site, held_posts=state.held_posts)
    return call.page(
        "site.html",
        status,
        site=site,
        state=state,
        health=health,
        url=masked(str(site.params.get("url") or "")),
        schedule=schedule_words(call, site),
        next_crawls=_next_crawls(call, site),
        runs=runs,
        chart=_run_chart(runs, call),
        posts=newest,
        changes=[(key, SITE_CHANGES[key].label, _command(key, name)) for key in _offered(site)],
        schedule_command=_command("schedule", name),
        said=said,
        failed=failed,
    )


def _offered(site: Site) -> Iterator[str]:
    if site.enabled:
        yield "crawl"
    yield "pause-crawls" if site.crawl_paused_at is None else "resume-crawls"
    yield "pause-pushes" if site.push_paused_at is None else "resume-pushes"
    yield "disable" if site.enabled else "enable"


def _command(key: str, site: str) -> str:
    return command_line(SITE_CHANGES[key].words(site, {"schedule": "SCHEDULE"}))


def change_site(call: Call) -> Response:
    """A form of a site's page, or of the page of held posts."""
    name, key = call.path["site"], call.form.get("change", "")
    wanted = SITE_CHANGES.get(key)
    if wanted is None:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "there is no such change")
    with call.services.database.reading() as session:
        site = sites.by_name(session, name)
        held = overview.held_posts(session).get(site.id, 0)
    if wanted.is_grave and call.form.get("count", "").strip().replace(",", "") != str(held):
        raise ProblemError(
            HTTPStatus.CONFLICT,
            call.say(
                "{n} posts of {site} are held: type this number, so that it is clear what you mean.", n=held, site=name
            ),
        )
    try:
        said = change(call, wanted.words(name, call.form))
    except ProblemError as error:
        return site_page(call, status=error.status, failed=str(error))
    return go_to("/held") if wanted.is_grave else site_page(call, said=said)


def schedule_words(call: Call, site: Site) -> str:
    """A schedule in words; in Korean those of an interval, else as English has it."""
    try:
        words = describe(schedule_of(site) if site.schedule.startswith("adaptive") else parse_schedule(site.schedule))
    except ScheduleError:
        return site.schedule
    found = _INTERVAL.fullmatch(words)
    return call.say(_EVERY[found[2]], n=found[1] or 1) if found and call.language == "ko" else words


def _next_crawls(call: Call, site: Site) -> Sequence[str]:
    due = sites.due_at(site)
    if due is None:
        return ()
    later = next_runs(
        schedule_of(site),
        after=max(call.at, due),
        timezone=site.timezone,
        last_run=site.next_crawl_at,
        jitter_key=site.name,
        active_hours=site.active_hours,
        count=NEXT_SHOWN - 1,
    )
    return [call.when(at) for at in (due, *later)]


def _run_chart(runs: Sequence[CrawlRun], call: Call) -> Chart:
    # A failed crawl stands as high as the best one: it is what one looks for.
    top = max([1, *(run.items_seen for run in runs)])
    stacks, titles = [], []
    for run in reversed(runs):
        known = max(0, run.items_seen - run.new_posts)
        stacks.append({"failed": top} if run.status == "failed" else {"new": run.new_posts, "seen": known})
        counts = call.say("{seen} seen, {new} new", seen=run.items_seen, new=run.new_posts)
        titles.append(f"{call.when(run.started_at or run.created_at)}: {counts}")
    return chart(stacks, titles=titles, least_places=RUNS_SHOWN)


@dataclass(frozen=True, kw_only=True)
class Flood:
    """The held posts of a site."""

    site: str
    # Its oldest posts, each with how many people would get it.
    posts: Sequence[tuple[Post, int]]
    held: int
    # Pushes to people that these would become.
    pushes: int
    commands: Sequence[str]


def held_page(call: Call) -> Response:
    """What waits for a person's word, and whom it would reach."""
    with call.services.database.reading() as session:
        waiting = overview.held_posts(session)
        names = {site.id: site for site in sites.all_sites(session) if site.id in waiting}
        matcher = Matcher(subscriptions.keywords(session)) if waiting else Matcher([])
        floods = [_flood(session, site, waiting[site_id], matcher) for site_id, site in names.items()]
    return call.page("held.html", floods=sorted(floods, key=lambda flood: flood.site))


def _flood(session: Session, site: Site, held: int, matcher: Matcher) -> Flood:
    rows = []
    for post in posts.held(session, site.id, limit=HELD_SHOWN):
        hit = find_in(matcher, post.title, post.body, site_id=site.id, match_body=site.match_body)
        rows.append((post, matching.count_matching(session, hit)))
    return Flood(
        site=site.name,
        posts=rows,
        held=held,
        pushes=sum(count for _, count in rows),
        commands=[_command(key, site.name) for key in ("release", "drop")],
    )


def site_address(name: str) -> str:
    """Where a site's page is, below the pages' root."""
    return f"/sites/{quote(name, safe='')}"
