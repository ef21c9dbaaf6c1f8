"""`crawlpush sites try`."""

import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from pipeline.basics.access import masked
from pipeline.settings import Settings, get_settings
from scripts.output import show_record, show_rows, table_options
from scripts.sites import trial
from scripts.sites.checking import to_option
from scripts.sites.options import PARAM_OPTIONS, changed, definition_options
from scripts.sites.recording import record
from spiders.definitions import SiteDefinition, check_name, dump_definitions
from spiders.params import PostPageParams, check_url
from spiders.request_params import RequestParams
from storage.models import Post

TEXT_SHOWN = 600
"""Characters of a post's text that are shown."""
_FETCHING = frozenset({"tls", "encoding", *(each.name for each in fields(RequestParams))})
"""The parameters that say how a page is fetched, and not how it is read."""


@click.command("try")
@click.argument("url")
@click.option("--spider", help="listing, feed or json, with its parameters; default: find out.")
@click.option("--save", metavar="NAME", help="Keep the page and the posts as files too, as `sites record NAME` does.")
@to_option
@click.option("--browser", is_flag=True, help="Open the page in a Chromium, to find the JSON that its scripts load.")
@click.option("--page", "with_page", is_flag=True, help="With --json, print the page as well, as it was read.")
@definition_options
@table_options
def try_url(
    url: str,
    spider: str | None,
    *,
    browser: bool,
    with_page: bool,
    save: str | None,
    folder: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Fetch a page once and show the posts it would give. Stores nothing.

    Without --spider, propose a definition: find the feed, or guess the rows of a board. Where that is not sure, it
    says what it saw and proposes nothing. An address without http:// or https:// is asked for by https first.
    """
    settings = get_settings()
    if save:
        check_name(save)
    if spider:
        definition = _try_definition(url, spider, options, settings, as_json=as_json)
        _save(definition, save, folder, settings)
        return
    own = _own_pages(options)
    proposed = (_seen_in_browser if browser else _first_answer)(url, options, settings)
    proposed = replace(proposed, params={**proposed.params, **own} if proposed.spider else proposed.params)
    if as_json:
        shown = {**proposed.__dict__}
        page = shown.pop("page")
        show_record({**shown, "page": page} if with_page else shown, as_json=True)
        _save(_definition(proposed, options) if proposed.spider else None, save, folder, settings)
        return
    *before, last = proposed.notes or [""]
    for note in proposed.notes if proposed.spider else before:
        click.echo(f"note: {note}")
    if not proposed.spider:
        raise click.ClickException(f"nothing is proposed for {masked(url)}: {last}")
    zone = proposed.params.get("timezone") or options["timezone"] or "UTC"
    rows = [{"title": p["title"], "published": _day(p["published_at"], zone), "url": p["url"]} for p in proposed.posts]
    show_rows(rows, as_json=False, empty="no posts")
    if own:
        definition = changed(_definition(proposed, options), {})
        _show_pages(trial.tried(definition, settings))
    click.echo(f"\n{len(rows)} posts. To watch it:\n  {_command(proposed, options)}")
    click.echo(f"\nor, in a file for `crawlpush sites import`:\n\n{_toml(proposed, options)}", nl=False)
    _save(_definition(proposed, options), save, folder, settings)


def _save(definition: SiteDefinition | None, name: str | None, folder: Path, settings: Settings) -> None:
    """Record what was tried under a name, if it is to be and something was found."""
    if name and definition:
        count = record(replace(definition, name=name), folder / name, settings)
        click.echo(f"\n{count} posts recorded in {folder / name}", err=True)


def _try_definition(
    url: str, spider: str, options: dict[str, Any], settings: Settings, *, as_json: bool
) -> SiteDefinition:
    definition = changed(SiteDefinition(name="trial", spider=spider, params={"url": addresses(url)[0]}), options)
    found = trial.tried(definition, settings)
    rows = [
        {
            "title": post.title,
            "published": post.published_at,
            "author": post.author,
            "url": post.url,
            **({"page": _page(post)} if as_json and found.asked else {}),
        }
        for post in found.posts
    ]
    show_rows(rows, as_json=as_json, empty="")
    if not as_json:
        _show_pages(found)
    return definition


def _day(moment: str | None, zone: str) -> str | None:
    """A moment on a board's own clock; a date alone where it has no time of day, as on most boards."""
    if moment is None:
        return None
    at = datetime.fromisoformat(moment).astimezone(ZoneInfo(zone))
    return f"{at:%Y-%m-%d %H:%M}" if at.hour or at.minute else f"{at:%Y-%m-%d}"


def _show_pages(found: trial.Trial) -> None:
    """What the first posts' own pages hold, or why they do not."""
    if found.page_problem:
        click.echo(f"\nnote: {found.page_problem}")
    for post in found.asked:
        click.echo(f"\n{post.title}")
        for name, value in (_page(post) or {"page": "not read"}).items():
            click.echo(f"  {name}: {value}")


def _page(post: Post) -> dict[str, Any] | None:
    if post.attachments is None:
        return None
    page = {
        "text": textwrap.shorten(post.body, TEXT_SHOWN, placeholder=" …"),
        "files": [f"{each['name']} {each['url']}".rstrip() for each in post.attachments],
        "picture": post.image,
    }
    return {name: value for name, value in page.items() if value}


def _first_answer(url: str, options: dict[str, Any], settings: Settings) -> trial.Proposal:
    """What is proposed for the first of the addresses that answers. Raises the first one's TrialError."""
    failure: trial.TrialError | None = None
    for address in addresses(url):
        definition = SiteDefinition(name="trial", spider="propose", params={"url": address})
        # What the page is read by is still to be found out; how it may be fetched is not.
        fetching = tuple(pair for pair in options["pairs"] if pair.partition("=")[0] in _FETCHING)
        no_params = {f"param_{name}": None for name in PARAM_OPTIONS}
        found = changed(definition, {**options, **no_params, "pairs": fetching})
        try:
            proposed = trial.proposal(replace(found, timezone=options["timezone"] or ""), settings)
            return replace(proposed, params={**found.params, **proposed.params})
        except trial.TrialError as error:
            failure = failure or error
    raise failure or trial.TrialError(f"{masked(url)} is no address")


def _seen_in_browser(url: str, options: dict[str, Any], settings: Settings) -> trial.Proposal:
    """A definition for the JSON that a page's scripts load, tried without the browser. Raises BrowserError."""
    from scripts.sites import browser

    seen = browser.look(addresses(url)[0], allow_private=bool(options["allow_private"]), user_agent=settings.user_agent)
    no_params = {**{f"param_{name}": None for name in PARAM_OPTIONS}, "pairs": ()}
    for params in browser.definitions(seen):
        definition = changed(SiteDefinition(name="trial", spider="json", params=params), {**options, **no_params})
        try:
            found = trial.found_posts(definition, settings)
        except trial.TrialError:
            continue
        posts = [
            {"title": post.title, "published_at": at and at.isoformat(), "url": post.url}
            for post in found
            for at in (post.published_at,)
        ]
        note = "a script on the page loads this; production asks for it without a browser"
        return trial.Proposal(spider="json", params=params, posts=posts, feeds=[], notes=[note])
    raise browser.BrowserError(browser.words(seen))


def addresses(url: str) -> tuple[str, ...]:
    """What a person may mean by an address: itself, or, without a scheme, https and then http. Raises ParamsError."""
    url = url.strip()
    host = url.removeprefix("//").partition("/")[0].partition(":")[0]
    if "://" not in url and "." not in host and host != "localhost":
        # A word that is no address: nobody waits until a server of that name is not found.
        check_url(url)
    found = (url,) if "://" in url else tuple(f"{scheme}://{url.removeprefix('//')}" for scheme in ("https", "http"))
    check_url(found[0])
    return found


def _command(proposed: trial.Proposal, options: dict[str, Any]) -> str:
    return " ".join(["crawlpush sites add NAME", *_arguments(proposed, options)])


def _arguments(proposed: trial.Proposal, options: dict[str, Any]) -> Iterator[str]:
    params = dict(proposed.params)
    yield f"--spider {proposed.spider} --url {shlex.quote(params.pop('url'))}"
    if zone := params.pop("timezone", ""):
        yield f"--timezone {shlex.quote(zone)}"
    if options["allow_private"]:
        yield "--allow-private"
    if reason := options["robots_exempt"]:
        yield f"--robots-exempt {shlex.quote(reason)}"
    for key, value in params.items():
        for line in value if isinstance(value, list) else [value]:
            yield f"--{key} {shlex.quote(str(line))}" if key in PARAM_OPTIONS else f"-p {shlex.quote(f'{key}={line}')}"


def _own_pages(options: dict[str, Any]) -> dict[str, Any]:
    """The given parameters that are about posts' own pages, which no proposal has by itself."""
    given = changed(SiteDefinition(name="trial", spider="propose"), {"pairs": options["pairs"]}).params
    return {each.name: given[each.name] for each in fields(PostPageParams) if each.name in given}


def _toml(proposed: trial.Proposal, options: dict[str, Any]) -> str:
    return dump_definitions([replace(_definition(proposed, options), name="NAME")])


def _definition(proposed: trial.Proposal, options: dict[str, Any]) -> SiteDefinition:
    params = dict(proposed.params)
    return SiteDefinition(
        name="trial",
        spider=proposed.spider,
        timezone=params.pop("timezone", SiteDefinition.timezone),
        allow_private=bool(options["allow_private"]),
        robots_exempt_reason=options["robots_exempt"] or "",
        params=params,
    )
