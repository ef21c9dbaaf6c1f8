"""What a site's definition looks like on the command line: shared by `sites add`, `set` and `try`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from pipeline.basics.time_zones import find_zone
from pipeline.resources import now
from pipeline.scheduling.due import check_kept
from pipeline.scheduling.parsing import parse_schedule
from pipeline.scheduling.schedule import next_run
from pipeline.settings import get_settings
from spiders.definitions import SiteDefinition, check_group, check_params, seconds, with_passwords
from storage.models import EDITS

PARAM_OPTIONS = {
    "url": "The page or feed to watch.",
    "row": "What repeats for each post of a listing.",
    "rows": "The list of posts in a JSON answer.",
    "title": "The title, inside the row.",
    "link": "The link, inside the row; default: the title's.",
    "date": "The date, inside the row.",
    "author": "The author, inside the row.",
    "pinned": "What marks a pinned row.",
    "next": "The link to the next page.",
}
"""The parameters that have an option of their own; --param gives any other."""


class Duration(click.ParamType[str]):
    """A length of time such as 90s, 5m, 12h, 7d or 2w."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text, checked."""
        try:
            seconds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


def definition_options(command: Any) -> Any:
    """The options that say how a site is read."""
    command = click.option("--robots-exempt", metavar="REASON", help="Ignore robots.txt, and why you may.")(command)
    command = click.option(
        "--allow-private/--no-private",
        default=None,
        help="Whether the site is on this machine or in a private network; default: no.",
    )(command)
    command = click.option("--timezone", help="The site's IANA time zone; default: SITE_TIMEZONE.")(command)
    command = click.option(
        "-p", "--param", "pairs", multiple=True, metavar="NAME=VALUE", help="Any other parameter; twice for a list."
    )(command)
    for name, words in reversed(PARAM_OPTIONS.items()):
        if name != "url":
            command = click.option(f"--{name}", f"param_{name}", metavar="SELECTOR", help=words)(command)
    return command


def rhythm_options(command: Any) -> Any:
    """The options that say when a site is crawled, and what becomes of its posts."""
    for option in (
        click.option(
            "--match-body/--no-match-body", default=None, help="Look for phrases in the body too; default: no."
        ),
        click.option(
            "--edits",
            type=click.Choice(EDITS),
            help="What an edit does to phones that show the post: replace shows the new text silently; default: keep.",
        ),
        click.option("--labels", help="What the site puts in brackets around titles, comma-separated; for its group."),
        click.option("--group", help="Sites of one group that say the same tell a person once; default: none."),
        click.option(
            "--urgent/--not-urgent", default=None, help="Ring in quiet hours too, of users who allow it; default: no."
        ),
        click.option("--ttl", type=Duration(), help="How long a notice is worth sending; default: 3d."),
        click.option("--max-age", type=Duration(), help="Older posts are pushed to nobody; default: 7d."),
        click.option("--active-hours", help='Crawl only then, such as "08:00-22:00", in the site\'s time zone.'),
        click.option(
            "--schedule",
            help='An interval, a crontab line such as "0 9 * * *", or "adaptive 5m-2h"; default: 5m.',
        ),
    ):
        command = option(command)
    return command


_KEYS = (
    "spider",
    "schedule",
    "timezone",
    "active_hours",
    "max_age",
    "ttl",
    "match_body",
    "urgent",
    "edits",
    "group",
    "labels",
    "allow_private",
)


def changed(definition: SiteDefinition, options: Mapping[str, Any]) -> SiteDefinition:
    """A definition with the options that were given put in, checked; an empty text takes a parameter away.

    Raises DefinitionError, ScheduleError and click's errors, each with the name of what is wrong.
    """
    values = {key: options[key] for key in _KEYS if options.get(key) is not None}
    if options.get("robots_exempt") is not None:
        values["robots_exempt_reason"] = options["robots_exempt"]
    given = {name: options.get(f"param_{name}") for name in PARAM_OPTIONS}
    params = {**definition.params, **{name: value for name, value in given.items() if value is not None}}
    params.update(_pairs(options.get("pairs", ())))
    params = {name: value for name, value in params.items() if value != ""}
    found = with_passwords(replace(definition, params=params, **values), definition.params)
    if find_zone(found.timezone) is None:
        raise click.ClickException(f"{found.timezone!r} is not an IANA time zone such as Asia/Seoul or UTC")
    check_group(found.group)
    check_params(found)
    check_schedule(found)
    return found


def check_schedule(definition: SiteDefinition) -> None:
    """Raise ScheduleError unless the definition's schedule, zone and active hours give a next run."""
    schedule = parse_schedule(definition.schedule)
    check_kept(schedule, get_settings().tick_s)
    next_run(schedule, after=now(), timezone=definition.timezone, active_hours=definition.active_hours or None)


def _pairs(pairs: tuple[str, ...]) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise click.ClickException(f"--param {pair!r} is not of the form NAME=VALUE")
        # Given twice, a parameter is a list.
        before = params.get(name)
        params[name] = value if before is None else [*(before if isinstance(before, list) else [before]), value]
    return params
