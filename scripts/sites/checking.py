"""`crawlpush sites record | check`: pages of sites in files, for a team's own CI."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import click

from pipeline.basics.text import first_line, printable
from pipeline.settings import Settings, get_settings
from scripts.errors import CommandError
from scripts.output import open_database, show_rows, table_options
from scripts.sites import trial
from scripts.sites.recording import RecordingError, differences, expect, live_differences, load, record, recordings
from spiders.definitions import SiteDefinition, parse_definitions, ready_made
from spiders.errors import SpiderError
from storage import sites as stored
from storage.sites import UnknownSiteError

SHOWN = 10
"""So many lines of a difference are printed; the others are counted."""

to_option = click.option(
    "--to", "folder", type=click.Path(path_type=Path), default="sites", show_default=True, help="The folder for it."
)


@click.command("record")
@click.argument("name")
@to_option
def record_site(name: str, folder: Path) -> None:
    """Keep a site's page and the posts that it gives as files, for `sites check`.

    NAME is a site, or a ready-made definition. The page is fetched once; a recording that is there is replaced.
    """
    count = record(_definition(name), folder / name, get_settings())
    click.echo(f"{count} posts of {name} recorded in {folder / name}: `crawlpush sites check {folder}` replays them")


def _definition(name: str) -> SiteDefinition:
    try:
        with open_database().reading() as session:
            return SiteDefinition.from_columns(stored.by_name(session, name))
    except UnknownSiteError:
        if (ready := ready_made().get(name)) is not None:
            return ready
        raise


@dataclass(frozen=True, kw_only=True)
class Checked:
    """How a recording does."""

    site: str
    # "ok", "updated", "differs" or "unreadable".
    result: str
    posts: int = 0
    lines: Sequence[str] = ()


@click.command("check")
@click.argument(
    "folder", metavar="[DIR]", type=click.Path(path_type=Path, exists=True, file_okay=False), default="sites"
)
@click.option("--live", is_flag=True, help="Fetch each page anew: does it still give posts like the recorded ones?")
@click.option(
    "--definitions",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Definitions to check in place of the recorded ones, such as your sites.toml.",
)
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write the result as JUnit's XML too.")
@click.option("--update", is_flag=True, help="Where a page gives other posts, expect these from now on.")
@table_options
@click.pass_context
def check_sites(
    ctx: click.Context,
    folder: Path,
    *,
    live: bool,
    definitions: Path | None,
    junit: Path | None,
    update: bool,
    as_json: bool,
) -> None:
    """Replay recorded pages (`sites record`), and say what is not found as it was.

    Ends with 1 when a site differs. It needs no database, and without --live no network.
    """
    if live and update:
        raise click.UsageError("--update is for recorded pages: `crawlpush sites record` takes a live one")
    given = parse_definitions(definitions.read_text(encoding="utf-8"), str(definitions)) if definitions else {}
    settings = get_settings()
    found = [
        _checked(name, each, given, settings if live else None, update=update)
        for name, each in recordings(folder).items()
    ]
    if junit:
        try:
            junit.write_bytes(junit_report(found))
        except OSError as error:
            raise RecordingError(f"{junit} cannot be written: {error.strerror}") from error
    rows = [
        {"site": each.site, "result": each.result, "posts": each.posts, "differences": list(each.lines)}
        for each in found
    ]
    show_rows(rows, as_json=as_json, empty="", narrow=("site", "result", "posts"))
    wrong = [each for each in found if each.lines]
    if not as_json:
        for each in wrong:
            click.echo(f"\n{each.site}:")
            for line in shortened(each.lines):
                click.echo(f"  {line}")
    if wrong:
        ctx.exit(1)


def _checked(
    name: str, folder: Path, given: Mapping[str, SiteDefinition], live: Settings | None, *, update: bool
) -> Checked:
    try:
        recording = load(folder, given)
        if live is None:
            reading = recording.reading()
            count, lines = len(reading.posts), list(differences(recording, reading))
            if lines and update:
                expect(folder, reading, recording.page, recording.now)
                return Checked(site=name, result="updated", posts=count)
        else:
            posts = trial.found_posts(recording.definition, live)
            count, lines = len(posts), list(live_differences(recording, posts))
    except (CommandError, SpiderError) as error:
        return Checked(site=name, result="unreadable", lines=[first_line(error)])
    return Checked(site=name, result="differs" if lines else "ok", posts=count, lines=lines)


def shortened(lines: Sequence[str]) -> list[str]:
    """The first lines, and how many more there are."""
    more = len(lines) - SHOWN
    return [printable(line) for line in lines[:SHOWN]] + ([f"and {more} more"] if more > 0 else [])


def junit_report(found: Sequence[Checked]) -> bytes:
    """The result in the XML that CI servers read: a suite, a case for each site. Pure."""
    unreadable = sum(each.result == "unreadable" for each in found)
    failed = sum(each.result == "differs" for each in found)
    counts = {"tests": str(len(found)), "failures": str(failed), "errors": str(unreadable)}
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {"name": "crawlpush sites check", **counts})
    for each in found:
        case = ElementTree.SubElement(suite, "testcase", {"classname": "sites", "name": each.site})
        if each.lines:
            kind = "error" if each.result == "unreadable" else "failure"
            told = [printable(line) for line in each.lines]
            ElementTree.SubElement(case, kind, {"message": told[0]}).text = "\n".join(told)
    report: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return report
