"""The pages of sites: the list, one site with what can be done about it, and what is held."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlencode

from sqlalchemy.orm import Session
from starlette.responses import Response

from pipeline.basics.access import masked
from pipeline.crawling.health import health_of
from pipeline.fanout.matcher import Matcher
from pipeline.fanout.synonyms import Synonyms
from pipeline.scheduling.due import next_crawls, schedule_of
from pipeline.scheduling.parsing import ScheduleError, parse_schedule
from pipeline.scheduling.words import describe
from pipeline.web.pages.call import Call, go_to
from pipeline.web.pages.changes import SITE_CHANGES, change, command_line
from pipeline.web.pages.charts import Chart, chart
from pipeline.web.problems import ProblemError
from storage import crawl_runs, matching, overview, posts, sites, subscriptions
from storage.matching import Hit
from storage.models import CrawlRun, Post, Site

SITES_SHOWN: Final = 100
RUNS_SHOWN: Final = 30
NEXT_SHOWN: Final = 5
POSTS_SHOWN: Final = 20
FLOODS_SHOWN: Final = 8
HELD_SHOWN: Final = 30
"""So many titles of all floods that are shown, and so many are looked at for how many people would get them."""
PHRASES_AT_ONCE: Final = 5_000
_INTERVAL: Final = re.compile(r"every (?:(\d+) )?(second|minute|hour|day)s?")
_EVERY: Final = {
    "second": "every {n} seconds",
    "minute": "every {n} minutes",
    "hour": "every {n} hours",
    "day": "every {n} days",
}


def list_page(call: Call) -> Response:
    """Every site, or those of a word, by name: so many at once, from behind a name on."""
    word, part, after = call.query.get("health", ""), call.query.get("q", "").strip(), call.query.get("after", "")
    with call.services.database.reading() as session:
        states = overview.site_states(session, with_posts=False)
    rows = [
        (state, health)
        for state in states
        if (health := health_of(state.site, held_posts=state.held_posts)) and word in ("", health)
        if part.casefold() in state.site.name.casefold() and state.site.name > after
    ]
    shown = rows[:SITES_SHOWN]
    more = urlencode({"health": word, "q": part, "after": shown[-1][0].site.name}) if len(rows) > len(shown) else ""
    return call.page("sites.html", rows=shown, more=more, word=word, part=part, total=len(states), due_at=sites.due_at)


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
    later = next_crawls(site, after=max(call.at, due), count=NEXT_SHOWN - 1)
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
    """What waits for a person's word, and whom it would reach: of many floods the first, or one that is asked for."""
    wanted = call.query.get("site", "")
    with call.services.database.reading() as session:
        waiting = overview.held_posts(session)
        found = sites.of_ids(session, waiting)
        in_order = sorted(found.values(), key=lambda site: (site.name != wanted, site.name))
        shown, more = in_order[:FLOODS_SHOWN], in_order[FLOODS_SHOWN:]
        rows = {site: posts.held(session, site.id, limit=HELD_SHOWN // len(shown)) for site in shown}
        people = _people(session, rows, call.services.previews.synonyms())
    floods = [
        Flood(
            site=site.name,
            posts=[(post, people[post.id]) for post in held],
            held=waiting[site.id],
            pushes=sum(people[post.id] for post in held),
            commands=[_command(key, site.name) for key in ("release", "drop")],
        )
        for site, held in rows.items()
    ]
    return call.page("held.html", floods=floods, more=[(site.name, waiting[site.id]) for site in more])


def _people(session: Session, floods: Mapping[Site, Sequence[Post]], synonyms: Synonyms) -> Mapping[int, int]:
    """How many people would get each post, by its id. Some phrases at a time: all of them would fill this process."""
    texts = [(site, post) for site, held in floods.items() for post in held]
    title_ids: dict[int, list[int]] = {post.id: [] for _, post in texts}
    all_ids: dict[int, list[int]] = {post.id: [] for _, post in texts}
    after = 0
    while texts and (phrases := subscriptions.keywords(session, after=after, limit=PHRASES_AT_ONCE)):
        after, matcher = phrases[-1][0], Matcher(phrases, synonyms)
        for _, post in texts:
            hits = matcher.find(post.title, post.body)
            title_ids[post.id] += hits.title_ids
            all_ids[post.id] += hits.all_ids
    return {
        post.id: matching.count_matching(
            session,
            Hit(site_id=site.id, title_ids=title_ids[post.id], all_ids=all_ids[post.id], match_body=site.match_body),
        )
        for site, post in texts
    }


def site_address(name: str) -> str:
    """Where a site's page is, below the pages' root."""
    return f"/sites/{quote(name, safe='')}"
