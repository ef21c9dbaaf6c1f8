"""`crawlpush sites`."""

import re
import shlex
from typing import Any
from zoneinfo import available_timezones

import click

from pipeline.resources import now
from pipeline.schedule import describe, next_runs, parse_schedule
from pipeline.settings import get_settings
from scripts import trial
from scripts.output import json_option, local_time, open_database, show_record, show_rows
from scripts.status import health
from spiders.params import FeedParams, ListingParams
from storage import crawl_runs, overview, posts
from storage import sites as stored
from storage.models import Site

NAME = re.compile(r"[\w.-]{1,64}")
DURATION = re.compile(r"(\d+)([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
PARAMS: dict[str, type[ListingParams] | type[FeedParams]] = {"listing": ListingParams, "feed": FeedParams}


class Duration(click.ParamType[int]):
    """A length of time such as 90s, 5m, 12h or 7d, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Seconds, from text or from a default that is a number already."""
        if isinstance(value, int):
            return value
        found = DURATION.fullmatch(value)
        if found is None:
            self.fail(f"{value!r} is not a length of time such as 90s, 5m, 12h or 7d", param, ctx)
        return int(found[1]) * SECONDS[found[2]]


def definition_options(command: Any) -> Any:
    """The options that say how a site is read, shared by `add` and `try`."""
    for option in (
        click.option("--robots-exempt", metavar="REASON", help="Ignore robots.txt, and why you may."),
        click.option("--allow-private", is_flag=True, help="The site is on this machine or in a private network."),
        click.option("--timezone", default="UTC", show_default=True, help="The site's IANA time zone."),
        click.option("-p", "--param", "pairs", multiple=True, metavar="NAME=VALUE", help="Any other parameter."),
        click.option("--next", "next_", metavar="SELECTOR", help="The link to the next page."),
        click.option("--pinned", metavar="SELECTOR", help="What marks a pinned row."),
        click.option("--author", metavar="SELECTOR", help="The author, inside the row."),
        click.option("--date", metavar="SELECTOR", help="The date, inside the row."),
        click.option("--link", metavar="SELECTOR", help="The link, inside the row; default: the title's."),
        click.option("--title", metavar="SELECTOR", help="The title, inside the row."),
        click.option("--row", metavar="SELECTOR", help="What repeats for each post of a listing."),
    ):
        command = option(command)
    return command


@click.group()
def sites() -> None:
    """The boards and feeds that are watched."""


@sites.command("list")
@json_option
def list_sites(*, as_json: bool) -> None:
    """List the sites and how they are."""
    with open_database().reading() as session:
        rows = [
            {
                "name": state.site.name,
                "spider": state.site.spider,
                "health": health(state),
                "schedule": state.site.schedule,
                "last_crawl": state.last_run.finished_at if state.last_run else None,
                "next_crawl": state.site.next_crawl_at,
                "posts": state.posts,
                "url": state.site.params.get("url"),
            }
            for state in overview.site_states(session)
        ]
    show_rows(rows, as_json=as_json, empty="no sites yet: `crawlpush sites add NAME --spider listing --url URL ...`")


@sites.command()
@click.argument("name")
@click.option("--spider", default="listing", show_default=True, help="listing, feed, or one of spiders/sites.")
@click.option("--url", required=True, help="The page or feed to watch.")
@definition_options
@click.option("--schedule", default="5m", show_default=True, help='An interval, or a crontab line such as "0 9 * * *".')
@click.option("--active-hours", help='Crawl only then, such as "08:00-22:00", in the site\'s time zone.')
@click.option("--max-age", type=Duration(), default="7d", show_default=True, help="Older posts are pushed to nobody.")
@click.option("--ttl", type=Duration(), default="3d", show_default=True, help="How long a notice is worth sending.")
@click.option("--match-body", is_flag=True, help="Look for phrases in the body too.")
@click.option("--notify-existing", is_flag=True, help="Push what the first crawl finds, instead of a silent baseline.")
@click.option("--no-check", is_flag=True, help="Do not fetch the page first.")
def add(name: str, spider: str, url: str, *, no_check: bool, notify_existing: bool, **options: Any) -> None:
    """Add a site, after fetching its page once to see that posts are found there.

    The first crawl is a silent baseline: what stands there already is stored and pushed to nobody.
    """
    if not NAME.fullmatch(name):
        raise click.ClickException(f"{name!r} is not a site's name: 1 to 64 letters, digits, dots, dashes, underscores")
    definition = _definition(spider, url, options)
    next_runs(
        parse_schedule(options["schedule"]),
        after=now(),
        timezone=definition.timezone,
        active_hours=options["active_hours"],
    )
    database = open_database()
    with database.reading() as session:
        if any(site.name == name for site in stored.all_sites(session)):
            raise stored.DuplicateSiteError(name)
    seen = f", {len(trial.found_posts(definition, get_settings()))} posts on the page" if not no_check else ""
    with database.writing() as session:
        stored.add(
            session,
            name=name,
            spider=spider,
            now=now(),
            params=dict(definition.params),
            timezone=definition.timezone,
            allow_private=definition.allow_private,
            robots_exempt_reason=options["robots_exempt"],
            schedule=options["schedule"],
            active_hours=options["active_hours"],
            max_age_s=options["max_age"],
            ttl_s=options["ttl"],
            match_body=options["match_body"],
            baseline_done=notify_existing,
            next_crawl_at=now(),
        )
    first = "the first crawl pushes what it finds" if notify_existing else "the first crawl is a silent baseline"
    click.echo(f"site {name} added{seen}; {describe(parse_schedule(options['schedule']))}, and {first}")


@sites.command("try")
@click.argument("url")
@click.option("--spider", help="listing or feed, with its parameters; default: find out.")
@definition_options
@json_option
def try_url(url: str, spider: str | None, *, as_json: bool, **options: Any) -> None:
    """Fetch a page once and show the posts it would give. Stores nothing.

    Without --spider, propose a definition: find the feed, or guess the rows of a board.
    """
    settings = get_settings()
    if spider:
        found = trial.found_posts(_definition(spider, url, options), settings)
        rows = [{"title": p.title, "published": p.published_at, "author": p.author, "url": p.url} for p in found]
        show_rows(rows, as_json=as_json, empty="")
        return
    proposed = trial.proposal(
        trial.Definition(
            spider="propose",
            params={"url": url},
            timezone=options["timezone"],
            allow_private=options["allow_private"],
            obey_robots=options["robots_exempt"] is None,
        ),
        settings,
    )
    if as_json:
        show_record(proposed.__dict__, as_json=True)
        return
    for note in proposed.notes:
        click.echo(f"note: {note}")
    if not proposed.spider:
        raise click.ClickException(f"no posts were recognised on {url}: give --spider listing with --row and --title")
    rows = [{"title": p["title"], "published": p["published_at"], "url": p["url"]} for p in proposed.posts]
    show_rows(rows, as_json=False, empty="no posts")
    click.echo(f"\n{len(rows)} posts. To watch it:\n  {_command(proposed, options)}")


def _command(proposed: trial.Proposal, options: dict[str, Any]) -> str:
    params = " ".join(
        f"-p {key}={_quoted(line)}"
        for key, value in proposed.params.items()
        if key not in {"url", "timezone"}
        for line in (value if isinstance(value, list) else [value])
    )
    private = " --allow-private" if options["allow_private"] else ""
    zone = f" --timezone {options['timezone']}" if options["timezone"] != "UTC" else ""
    return (
        f"crawlpush sites add NAME --spider {proposed.spider} --url {_quoted(proposed.params['url'])}"
        f"{zone}{private} {params}".rstrip()
    )


def _quoted(value: object) -> str:
    return shlex.quote(str(value))


def _definition(spider: str, url: str, options: dict[str, Any]) -> trial.Definition:
    """Check how a site is to be read. Raises ParamsError and click's errors with the parameter's name."""
    zone = options["timezone"]
    if zone not in available_timezones():
        raise click.ClickException(f"{zone!r} is not an IANA time zone such as Asia/Seoul or UTC")
    params: dict[str, Any] = {"url": url}
    for name in ("row", "title", "link", "date", "author", "pinned"):
        params[name] = options[name]
    params["next"] = options["next_"]
    for pair in options["pairs"]:
        name, separator, value = pair.partition("=")
        if not separator:
            raise click.ClickException(f"--param {pair!r} is not of the form NAME=VALUE")
        # Given twice, a parameter is a list.
        params[name] = f"{params[name]}\n{value}" if params.get(name) else value
    params = {name: value for name, value in params.items() if value}
    if spider in PARAMS:
        PARAMS[spider].from_mapping({**params, "timezone": zone})
    return trial.Definition(
        spider=spider,
        params=params,
        timezone=zone,
        allow_private=options["allow_private"],
        obey_robots=options["robots_exempt"] is None,
    )


@sites.command()
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show a site: its definition, its health, and its latest runs."""
    with open_database().reading() as session:
        site = stored.by_name(session, name)
        (state,) = overview.site_states(session, name=name)
        runs = crawl_runs.recent(session, site.id, limit=5)
    record = {
        "name": site.name,
        "health": health(state),
        "spider": site.spider,
        "params": site.params,
        "schedule": f"{site.schedule} ({describe(parse_schedule(site.schedule))})",
        "next_runs": _next_runs(site, count=5),
        "suspended_until": site.suspended_until,
        "timezone": site.timezone,
        "active_hours": site.active_hours,
        "enabled": site.enabled,
        "baseline_done": site.baseline_done,
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
            for run in runs
        ],
        "last_error": next((run.first_error for run in runs if run.first_error), None),
    }
    show_record(record, as_json=as_json)


def _next_runs(site: Site, *, count: int) -> list[str]:
    if not site.enabled:
        return []
    first = [site.next_crawl_at] if site.next_crawl_at else []
    later = next_runs(
        parse_schedule(site.schedule),
        after=max([now(), *first]),
        timezone=site.timezone,
        last_run=site.next_crawl_at,
        jitter_key=site.name,
        active_hours=site.active_hours,
        count=count - len(first),
    )
    return [local_time(at) for at in [*first, *later]]


@sites.command()
@click.argument("name")
@click.argument("schedule")
@click.option("--active-hours", help='Crawl only then, such as "08:00-22:00"; "" for always.')
def schedule(name: str, schedule: str, active_hours: str | None) -> None:
    """Change a site's schedule; it takes effect at the next tick, without a restart."""
    parsed = parse_schedule(schedule)
    with open_database().writing() as session:
        site = stored.by_name(session, name)
        site.schedule = schedule
        if active_hours is not None:
            site.active_hours = active_hours or None
        times = next_runs(
            parsed,
            after=now(),
            timezone=site.timezone,
            last_run=None,
            jitter_key=site.name,
            active_hours=site.active_hours,
            count=5,
        )
        site.next_crawl_at = times[0]
    click.echo(f"{name}: {describe(parsed)}. The next runs:")
    for at in times:
        click.echo(f"  {local_time(at)}")


@sites.command()
@click.argument("name")
@click.confirmation_option(prompt="Remove the site with all its posts and notifications?")
def remove(name: str) -> None:
    """Remove a site with its posts, runs and notifications."""
    with open_database().writing() as session:
        count = stored.remove(session, name)
    click.echo(f"site {name} is gone, with {count} posts")


@sites.command()
@click.argument("name")
def enable(name: str) -> None:
    """Watch a disabled site again, from now."""
    with open_database().writing() as session:
        stored.set_enabled(session, name, enabled=True, now=now())
    click.echo(f"site {name} is watched")


@sites.command()
@click.argument("name")
def disable(name: str) -> None:
    """Stop watching a site; its posts stay."""
    with open_database().writing() as session:
        stored.set_enabled(session, name, enabled=False, now=now())
    click.echo(f"site {name} is not watched any more")


@sites.command()
@click.argument("name")
def release(name: str) -> None:
    """Push the posts that were held because they were far more than usual."""
    from pipeline.tasks.fanout import enqueue_fan_outs

    with open_database().writing() as session:
        released = posts.settle(session, stored.by_name(session, name).id, now=now(), release=True)
    enqueue_fan_outs(released)
    click.echo(f"{len(released)} posts of {name} are being fanned out")


@sites.command()
@click.argument("name")
def drop(name: str) -> None:
    """Push the held posts to nobody; they stay stored."""
    with open_database().writing() as session:
        dropped = posts.settle(session, stored.by_name(session, name).id, now=now(), release=False)
    click.echo(f"{len(dropped)} held posts of {name} dropped")
