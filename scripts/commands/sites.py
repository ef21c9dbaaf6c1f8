"""`crawlpush sites`."""

from functools import partial

import click

from pipeline.basics.access import masked, masked_params
from pipeline.crawling.health import health_of
from pipeline.resources import now
from pipeline.settings import get_settings
from scripts.asking import Ask, asks_first
from scripts.groups import Lazy, LazyGroup
from scripts.lists import cut, list_options
from scripts.output import in_words, json_option, local_time, open_database, show_record, show_rows
from storage import crawl_runs, overview, posts
from storage import sites as stored
from storage.models import Post, Site
from storage.open_posts import fanout_is
from storage.parts import Part, conditions

# Reading a definition loads what reads pages, and a schedule Celery: the other commands need not wait for either.
ELSEWHERE = {
    "add": Lazy(
        "scripts.sites.definitions:add", "Add a site, after fetching its page once to see that posts are found there."
    ),
    "set": Lazy(
        "scripts.sites.definitions:set_site",
        "Change a site's definition: the given options replace what it has, an empty text takes one away.",
    ),
    "export": Lazy(
        "scripts.sites.definitions:export_sites",
        "Write every site's definition, schedule included, as TOML: to a file, or to standard output.",
    ),
    "import": Lazy("scripts.sites.definitions:import_sites", "Add and change sites to be as a TOML file says."),
    "ready-made": Lazy(
        "scripts.sites.definitions:list_ready_made",
        "List the definitions that come with crawlpush, for `sites add --from NAME`.",
    ),
    "push": Lazy("scripts.sites.push:push", "Change what the messages of a site look like, or show it."),
    "record": Lazy(
        "scripts.sites.checking:record_site",
        "Keep a site's page and the posts that it gives as files, for `sites check`.",
    ),
    "check": Lazy(
        "scripts.sites.checking:check_sites",
        "Replay recorded pages (`sites record`), and say what is not found as it was.",
    ),
    "repair": Lazy(
        "scripts.sites.repairing:repair",
        "Find a board's rows and titles again after a redesign, by the posts that are known.",
    ),
    "runs": Lazy("scripts.sites.runs:runs", "List the latest crawls, of one site or of all, the newest first."),
    "try": Lazy("scripts.sites.try_url:try_url", "Fetch a page once and show the posts it would give."),
}


@click.group(cls=LazyGroup, sections={"Commands": ELSEWHERE})
def sites() -> None:
    """The boards and feeds that are watched."""


@sites.command("list")
@list_options(named=True, limit=0)
def list_sites(part: Part, *, as_json: bool) -> None:
    """List the sites and how they are."""
    with open_database().reading() as session:
        which = conditions(session, Site, part)
        rows = [
            {
                "name": state.site.name,
                "spider": state.site.spider,
                "health": health_of(state.site, held_posts=state.held_posts),
                "schedule": state.site.schedule,
                "last_crawl": state.last_run.finished_at if state.last_run else None,
                "next_crawl": state.site.next_crawl_at,
                "posts": state.posts,
                "url": masked(str(state.site.params.get("url") or "")) or None,
            }
            for state in overview.site_states(session, *which, limit=part.limit)
        ]
        rest = cut(session, Site, part, rows, *which)
    show_rows(
        rows,
        as_json=as_json,
        empty="no sites: `crawlpush sites add NAME --spider listing --url URL ...`",
        narrow=("name", "health", "schedule", "last_crawl", "next_crawl", "posts"),
        cut=rest,
    )


@sites.command()
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show a site: its definition, its health, and its latest runs."""
    from pipeline.scheduling.due import schedule_of
    from pipeline.scheduling.parsing import parse_schedule
    from pipeline.scheduling.words import describe

    with open_database().reading() as session:
        site = stored.by_name(session, name)
        (state,) = overview.site_states(session, name=name)
        runs = crawl_runs.recent(session, site.id, limit=5)
    record = {
        "name": site.name,
        "health": health_of(state.site, held_posts=state.held_posts),
        "in_trouble_since": site.trouble_since,
        "advice": site.advice,
        "spider": site.spider,
        "params": masked_params(site.params),
        "schedule": f"{site.schedule} ({describe(parse_schedule(site.schedule))})",
        "adaptive_now": describe(schedule_of(site)) if site.schedule.startswith("adaptive") else None,
        "next_runs": _next_runs(site, count=5),
        "suspended_until": site.suspended_until,
        "timezone": site.timezone,
        "active_hours": site.active_hours,
        "enabled": site.enabled,
        "baseline_done": site.baseline_done,
        "group": site.group,
        "labels": site.labels,
        "edits": site.edits,
        "max_age_s": site.max_age_s,
        "ttl_s": site.ttl_s,
        "posts": state.posts,
        "held_posts": state.held_posts,
        "failures_in_a_row": site.failures,
        "empty_runs_in_a_row": site.empty_runs,
        "skipped_runs": site.skipped_runs,
        "robots_exempt": site.robots_exempt_reason,
        "runs": [
            f"{local_time(run.started_at or run.created_at)} {run.trigger} {run.status}"
            f" ({run.finish_reason or '-'}): {run.pages} pages, {run.items_seen} seen, {run.new_posts} new"
            + (f", {run.carried_posts} old under new ids" if run.carried_posts else "")
            + (f", {run.post_pages} posts' own pages" if run.post_pages else "")
            for run in runs
        ],
        "last_error": next((run.first_error for run in runs if run.first_error), None),
        "last_page_problem": next((run.page_problem for run in runs if run.page_problem), None),
    }
    show_record(record, as_json=as_json)


def _next_runs(site: Site, *, count: int) -> list[str]:
    from pipeline.scheduling.due import next_crawls

    if not site.enabled:
        return []
    due = stored.due_at(site)
    first = [due] if due else []
    later = next_crawls(site, after=max([now(), *first]), count=count - len(first))
    return [local_time(at, site.timezone) for at in [*first, *later]]


@sites.command()
@click.argument("name")
@click.argument("schedule")
@click.option("--active-hours", help='Crawl only then, such as "08:00-22:00"; "" for always.')
@click.option("--floor", help="Of an adaptive schedule: the shortest interval, such as 5m.")
@click.option("--ceiling", help="Of an adaptive schedule: the longest interval, such as 2h.")
def schedule(name: str, schedule: str, active_hours: str | None, floor: str | None, ceiling: str | None) -> None:
    """Change a site's schedule; it takes effect at the next tick, without a restart.

    An interval ("5m"), a crontab line ("0 9 * * mon-fri"), or one that follows how often the site posts, between two
    intervals ("adaptive 5m-2h").
    """
    from pipeline.scheduling.due import adapt, check_kept, next_crawls
    from pipeline.scheduling.parsing import parse_schedule
    from pipeline.scheduling.words import describe

    if floor or ceiling:
        if schedule.strip().lower() != "adaptive" or not (floor and ceiling):
            raise click.UsageError("--floor and --ceiling belong together, and to the schedule `adaptive`")
        schedule = f"adaptive {floor}-{ceiling}"
    parsed = parse_schedule(schedule)
    check_kept(parsed, get_settings().tick_s)
    at = now()
    with open_database().writing() as session:
        site = stored.by_name(session, name)
        site.schedule = parsed.text
        if active_hours is not None:
            site.active_hours = active_hours or None
        adapt(session, site, at)
        times = next_crawls(site, after=at, count=5)
        site.next_crawl_at = times[0] if site.enabled else None
    off = "" if site.enabled else ", but the site is not watched (`crawlpush sites enable`)"
    click.echo(f"{name}: {describe(parsed)}{off}. The next runs:")
    for moment in times:
        click.echo(f"  {local_time(moment, site.timezone)}")


@sites.command()
@click.argument("name")
@asks_first
def remove(name: str, *, ask: Ask) -> None:
    """Remove a site with its posts, runs and notifications."""
    with open_database().reading() as session:
        found = overview.how_many(session, Post, site_id=stored.by_name(session, name).id)
    ask(f"remove {name} with {in_words(found)} posts, and their notifications")
    with open_database().writing() as session:
        count = stored.remove(session, name, now=now())
    click.echo(f"site {name} is gone, with {count} posts")


def _watch(name: str, *, is_watched: bool) -> None:
    with open_database().writing() as session:
        stored.set_enabled(session, name, enabled=is_watched, now=now())
    click.echo(f"site {name} is {'watched' if is_watched else 'not watched any more'}")


def _settle(name: str, *, release: bool, ask: Ask) -> None:
    database = open_database()
    with database.reading() as session:
        held = overview.how_many(session, Post, fanout_is("held"), site_id=stored.by_name(session, name).id)
    if not held.count:
        click.echo(f"nothing of {name} is held")
        return
    ask(f"push {in_words(held)} held posts of {name} to {'whom they match' if release else 'nobody, for good'}")
    with database.writing() as session:
        settled = posts.settle(session, stored.by_name(session, name).id, now=now(), release=release)
    if release:
        from pipeline.tasks.fanout import enqueue_fan_outs

        enqueue_fan_outs(settled)
    what = f"posts of {name} are being fanned out" if release else f"held posts of {name} dropped"
    click.echo(f"{len(settled)} {what}")


for _word, _sentence, _do in (
    ("enable", "Watch a disabled site again, from now.", partial(_watch, is_watched=True)),
    ("disable", "Stop watching a site; its posts stay.", partial(_watch, is_watched=False)),
    (
        "release",
        "Push the posts that were held because they were far more than usual.",
        asks_first(partial(_settle, release=True)),
    ),
    ("drop", "Push the held posts to nobody; they stay stored.", asks_first(partial(_settle, release=False))),
):
    sites.command(_word, help=_sentence)(click.argument("name")(_do))
