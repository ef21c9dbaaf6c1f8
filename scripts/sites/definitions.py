"""`crawlpush sites add | set | export | import | ready-made`: what makes and changes sites."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TextIO

import click
from sqlalchemy.orm import Session

from pipeline.basics.access import without_login
from pipeline.resources import now
from pipeline.scheduling.due import next_crawl
from pipeline.scheduling.parsing import parse_schedule
from pipeline.scheduling.words import describe
from pipeline.settings import get_settings
from scripts.output import open_database, show_rows, table_options
from scripts.sites import trial
from scripts.sites.options import changed, check_schedule, definition_options, rhythm_options
from spiders.definitions import (
    SiteDefinition,
    check_name,
    dump_definitions,
    parse_definitions,
    ready_made,
    with_passwords,
)
from storage import site_sessions
from storage import sites as stored
from storage.models import Site

READING = {"spider", "params", "timezone"}
"""The parts of a definition that say how a page is read: when one changes, the page must be fetched anew."""
RHYTHM = {"schedule", "timezone", "active_hours"}
IDENTITY = ("url", "id", "id_pattern", "link", "link_template", "ignore_query", "form", "json", "rows")
"""The parameters that say what a post is: when one changes, every post on the page may look new."""


@click.command()
@click.argument("name", required=False)
@click.option("--from", "ready", metavar="NAME", help="Begin with a ready-made definition (`sites ready-made`).")
@click.option("--spider", help="listing, feed, json, or one of spiders/sites; default: listing.")
@click.option("--url", "param_url", help="The page or feed to watch.")
@definition_options
@rhythm_options
@click.option("--notify-existing", is_flag=True, help="Push what the first crawl finds, instead of a silent baseline.")
@click.option("--no-check", is_flag=True, help="Do not fetch the page first.")
def add(name: str | None, *, ready: str | None, no_check: bool, notify_existing: bool, **options: Any) -> None:
    """Add a site, after fetching its page once to see that posts are found there.

    The first crawl is a silent baseline: what stands there already is stored and pushed to nobody.
    """
    definition = changed(_beginning(name, ready), options)
    database = open_database()
    with database.reading() as session:
        if any(site.name == definition.name for site in stored.all_sites(session)):
            raise stored.DuplicateSiteError(definition.name)
    seen = "" if no_check else f", {len(trial.found_posts(definition, get_settings()))} posts on the page"
    with database.writing() as session:
        _insert(session, definition, baseline_done=notify_existing)
    first = "the first crawl pushes what it finds" if notify_existing else "the first crawl is a silent baseline"
    rhythm = f"{describe(parse_schedule(definition.schedule))} in {definition.timezone}"
    click.echo(f"site {definition.name} added{seen}; {rhythm}, and {first}")


def _beginning(name: str | None, ready: str | None) -> SiteDefinition:
    if ready is None:
        if name is None:
            raise click.UsageError("give the site a NAME, or --from one that is ready-made")
        check_name(name)
        return SiteDefinition(name=name, spider="listing", timezone=get_settings().site_timezone)
    known = ready_made()
    if ready not in known:
        raise click.ClickException(f"there is no ready-made site {ready!r}: there are {', '.join(known)}")
    name = name or ready
    check_name(name)
    return replace(known[ready], name=name)


def _insert(session: Session, definition: SiteDefinition, *, baseline_done: bool = False) -> None:
    columns = definition.columns
    at = now()
    # A new site is crawled at once, whatever its schedule.
    columns |= {"baseline_done": baseline_done, "next_crawl_at": at if definition.enabled else None}
    stored.add(session, now=at, **columns)


@click.command("set")
@click.argument("name")
@click.option("--spider", help="listing, feed, json, or one of spiders/sites.")
@click.option("--url", "param_url", help="The page or feed to watch.")
@definition_options
@rhythm_options
@click.option("--notify-existing", is_flag=True, help="Push what looks new after the change, without a new baseline.")
@click.option("--check/--no-check", default=True, help="Fetch the page first, if how it is read changes.")
def set_site(name: str, *, notify_existing: bool, check: bool, **options: Any) -> None:
    """Change a site's definition: the given options replace what it has, an empty text takes one away."""
    database = open_database()
    with database.reading() as session:
        before = SiteDefinition.from_columns(stored.by_name(session, name))
    after = changed(before, options)
    if check and READING.intersection(differences(before, after)):
        trial.found_posts(after, get_settings())
    with database.writing() as session:
        what = change(session, stored.by_name(session, name), after, notify_existing=notify_existing)
    click.echo(what.sentence(name))


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a definition changed on a stored site."""

    # Names of the definition's fields.
    differences: tuple[str, ...]
    # Whether the next crawl is a silent baseline, because every post may look new.
    new_baseline: bool = False

    def sentence(self, name: str) -> str:
        """In words."""
        if not self.differences:
            return f"{name}: nothing changes"
        baseline = "; the next crawl is a silent baseline" if self.new_baseline else ""
        return f"{name}: changes {', '.join(self.differences)}{baseline}"


def differences(before: SiteDefinition, after: SiteDefinition) -> tuple[str, ...]:
    """The names of the fields in which two definitions differ."""
    return tuple(each.name for each in fields(before) if getattr(before, each.name) != getattr(after, each.name))


def change(session: Session, site: Site, after: SiteDefinition, *, notify_existing: bool = False) -> Change:
    """Bring a stored site in line with a definition.

    When what identifies a post changes, the next crawl is a silent baseline again, unless `notify_existing`: else
    everybody would hear anew of what stands there already.
    """
    before = SiteDefinition.from_columns(site)
    found = differences(before, after)
    at = now()
    if "enabled" in found:
        stored.set_enabled(session, site.name, enabled=after.enabled, now=at)
    for column, value in after.columns.items():
        setattr(site, column, value)
    if RHYTHM.intersection(found) and site.enabled:
        site.next_crawl_at = next_crawl(site, at)
    new_baseline = _identity(before) != _identity(after) and not notify_existing
    if READING.intersection(found):
        stored.forget_validators(session, site.id)
        site_sessions.forget(session, site.id)
        # Whoever corrects a definition wants to see at once whether it is right now.
        site.suspended_until = site.advice = None
        site.next_crawl_at = at if site.enabled else None
        site.baseline_done = site.baseline_done and not new_baseline
    return Change(differences=found, new_baseline=new_baseline)


def _identity(definition: SiteDefinition) -> tuple[object, ...]:
    # Another password shows the same posts.
    params = {**definition.params, "url": without_login(definition.url)[0]}
    return definition.spider, *(params.get(name) for name in IDENTITY)


@click.command("ready-made")
@table_options
def list_ready_made(*, as_json: bool) -> None:
    """List the definitions that come with crawlpush, for `sites add --from NAME`."""
    rows: list[Mapping[str, Any]] = [
        {
            "name": site.name,
            "spider": site.spider,
            "schedule": site.schedule,
            "timezone": site.timezone,
            "url": site.url,
        }
        for site in ready_made().values()
    ]
    show_rows(rows, as_json=as_json, empty="none")


@click.command("export")
@click.argument("file", type=click.File("w", encoding="utf-8", atomic=True), default="-")
@click.option("--with-passwords", is_flag=True, help="Write the passwords in addresses too, in place of ***.")
def export_sites(file: TextIO, *, with_passwords: bool) -> None:
    """Write every site's definition, schedule included, as TOML: to a file, or to standard output.

    A password in an address is masked; a masked one, imported, keeps the password that the site has.
    """
    with open_database().reading() as session:
        definitions = [SiteDefinition.from_columns(site) for site in stored.all_sites(session)]
    file.write(dump_definitions(definitions, passwords=with_passwords))
    # Standard output has no name of its own where click had to wrap it.
    if getattr(file, "name", "<stdout>") != "<stdout>":
        click.echo(f"{len(definitions)} sites written", err=True)


@click.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.option("--check", is_flag=True, help="Change nothing; say what would change.")
def import_sites(file: TextIO, *, check: bool) -> None:
    """Add and change sites to be as a TOML file says. Sites that it does not name stay as they are.

    Importing a file twice changes nothing the second time. All of it is done, or, if one line is wrong, nothing.
    """
    timezone = get_settings().site_timezone
    definitions = list(parse_definitions(_text(file), file.name, timezone=timezone).values())
    for definition in definitions:
        try:
            check_schedule(definition)
        except ValueError as error:
            raise click.ClickException(f"{file.name}: site {definition.name!r}: {error}") from None
    with open_database().writing() as session:
        said = _apply(session, definitions)
        others = len(stored.all_sites(session)) - len(definitions)
        if check:
            session.rollback()
    for line in said:
        click.echo(line)
    unchanged = len(definitions) - len(said)
    left = f"; {others} other sites stay as they are" if others else ""
    click.echo(f"{len(definitions)} sites in the file, {unchanged} of them unchanged{left}")
    if check:
        click.echo("nothing was changed (--check)")


def _text(file: TextIO) -> str:
    try:
        return file.read()
    except UnicodeDecodeError:
        raise click.ClickException(f"{file.name} is not UTF-8, which TOML must be") from None


def _apply(session: Session, definitions: Sequence[SiteDefinition]) -> list[str]:
    """Add or change each site; a line for each that is not as it was."""
    known = {site.name: site for site in stored.all_sites(session)}
    said = []
    for definition in definitions:
        before = known.get(definition.name)
        definition = with_passwords(definition, before.params if before else {})
        if before is None:
            _insert(session, definition)
            said.append(f"{definition.name}: is new; the first crawl is a silent baseline")
            continue
        what = change(session, before, definition)
        if what.differences:
            said.append(what.sentence(definition.name))
    return said
