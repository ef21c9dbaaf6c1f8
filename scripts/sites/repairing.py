"""`crawlpush sites repair`: a board's definition after its page was redesigned."""

import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from pipeline.basics.access import masked_params, without_login
from pipeline.basics.text import printable
from pipeline.resources import now
from pipeline.settings import Settings, get_settings
from scripts.asking import confirm
from scripts.errors import CommandError
from scripts.output import json_option, open_database, show_rows
from scripts.sites import trial
from scripts.sites.definitions import change
from spiders.definitions import SiteDefinition, check_params
from spiders.request_params import RequestParams
from storage import redesigns
from storage import sites as stored
from storage.posts import FoundPost
from storage.redesigns import KnownPosts
from storage.session import Database

logger = logging.getLogger(__name__)

_NOT_READING = frozenset({"tls", *(each.name for each in fields(RequestParams))})
"""Parameters that say how a page is fetched: what reads it need not know them."""


SHOWN = 30
"""So many posts of a proposal are printed; --json has them all."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A definition that reads the page as it is now, and the posts that it finds."""

    definition: SiteDefinition
    notes: Sequence[str]
    posts: Sequence[FoundPost]
    # The row of the stored post that each of them is; None where it is none.
    known: Sequence[int | None]
    # Whether it was posted since.
    new: Sequence[bool]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """For a table."""
        return [
            {
                "title": post.title,
                "published": post.published_at,
                "fate": "known" if known else "new: pushed" if is_new else "pushed to nobody",
                "url": post.url,
            }
            for post, known, is_new in zip(self.posts, self.known, self.new, strict=True)
        ]


@click.command("repair")
@click.argument("name")
@click.option("--url", help="Where the page is now, if it moved.")
@click.option("--row", default="", metavar="SELECTOR", help="Which of several lists is meant.")
@click.option("--dry-run", is_flag=True, help="Show the proposal, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def repair(name: str, *, url: str | None, row: str, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Find a board's rows and titles again after a redesign, by the posts that are known.

    The page is fetched once. Known posts keep their identity under their new addresses, so that nothing is pushed
    again; posts that are new are pushed by the next crawl. It refuses where it is not sure.
    """
    database = open_database()
    with database.reading() as session:
        site = stored.by_name(session, name)
        before = SiteDefinition.from_columns(site)
        known = redesigns.known_posts(session, site.id)
    asked = replace(before, params={**before.params, **({"url": url} if url else {})})
    found = proposed(asked, known, get_settings(), row=row)
    count = sum(each is not None for each in found.known)
    if _is_as_before(before, known, found):
        raise CommandError(
            f"{name} needs no repair: its definition finds {len(found.posts)} posts, {count} of them known"
        )
    if not as_json:
        _show(before, found, count=count, of=known.shown)
    moved = None
    if not dry_run:
        if not yes:
            confirm(f"Repair {name} so?")
        moved = apply(database, before, found)
    if as_json:
        params = {"before": masked_params(before.params), "now": masked_params(found.definition.params)}
        shown = {"site": name, "new_ids": moved, **params, "notes": found.notes, "posts": found.rows}
        click.echo(json.dumps(shown, ensure_ascii=False, default=str, indent=2))
    elif moved is None:
        click.echo(f"this would repair {name}; nothing was done")
    else:
        click.echo(f"{name} is repaired; {moved} posts have new ids, and nothing is pushed again")


def proposed(definition: SiteDefinition, known: KnownPosts, settings: Settings, *, row: str = "") -> Proposal:
    """What a site's page is to be read by. Raises TrialError when it cannot be fetched, CommandError when unsure."""
    if definition.spider != "listing":
        raise CommandError(
            f"{definition.name} is read by the spider {definition.spider}, and only a listing has rows that are found "
            f"again: `crawlpush sites try` proposes a definition, and `crawlpush sites set {definition.name}` takes it"
        )
    said = _found(definition, known, settings, row)
    if said["refusal"]:
        raise CommandError(f"{definition.name} is not repaired: {said['refusal']}")
    params = {**said["params"], **{name: definition.params[name] for name in _NOT_READING & definition.params.keys()}}
    params["url"] = definition.params["url"]
    params.pop("timezone", None)
    after = replace(definition, params=params)
    check_params(after)
    posts = [
        FoundPost(
            published_at=each["published_at"] and datetime.fromisoformat(each["published_at"]),
            **{name: each[name] for name in ("external_id", "url", "title", "body", "author")},
        )
        for each in said["posts"]
    ]
    return Proposal(
        definition=after,
        notes=said["notes"],
        posts=posts,
        known=[each["known"] for each in said["posts"]],
        new=[each["is_new"] for each in said["posts"]],
    )


def _found(definition: SiteDefinition, known: KnownPosts, settings: Settings, row: str) -> Mapping[str, Any]:
    """What the child found (spiders.repairing)."""
    params = {name: value for name, value in definition.params.items() if name not in _NOT_READING}
    asked = {
        "before": {**params, "url": without_login(definition.url)[0], "timezone": definition.timezone},
        # The others stood on the pages that follow.
        "shown": -(-known.shown // int(definition.params.get("max_pages") or 1)),
        "row": row,
        "posts": [
            {
                "id": post.id,
                "external_id": post.external_id,
                "title": post.title,
                "published_at": post.published_at and post.published_at.isoformat(),
            }
            for post in known.posts
        ],
    }
    with tempfile.TemporaryDirectory(prefix="crawlpush-repair-") as folder:
        file = Path(folder) / "known.json"
        file.write_text(json.dumps(asked, ensure_ascii=False), encoding="utf-8")
        with trial.looked_at(definition, settings, spider="repair", known=str(file)) as output:
            said: Mapping[str, Any] = json.loads(output.read_text(encoding="utf-8"))
            return said


def _is_as_before(before: SiteDefinition, known: KnownPosts, found: Proposal) -> bool:
    ids = {post.id: post.external_id for post in known.posts}
    same = all(
        ids[known_id] == post.external_id
        for post, known_id in zip(found.posts, found.known, strict=True)
        if known_id is not None
    )
    return same and before.params == found.definition.params


def apply(database: Database, before: SiteDefinition, found: Proposal) -> int:
    """Change the site and its posts, in one transaction; returns how many posts got another id.

    Raises SiteBusyError, and CommandError when the definition was changed meanwhile.
    """
    at = now()
    with database.writing() as session:
        site = stored.by_name(session, before.name)
        redesigns.hold_crawls(session, site)
        if SiteDefinition.from_columns(site) != before:
            raise CommandError(f"{before.name} was changed meanwhile: nothing was done, repair it again")
        change(session, site, found.definition, notify_existing=True)
        stored.forget_validators(session, site.id)
        stored.forget_trouble(site)
        site.failures = site.empty_runs = 0
        site.next_crawl_at = at if site.enabled else None
        pairs = list(zip(found.posts, found.known, found.new, strict=True))
        moved = redesigns.move(
            session,
            site.id,
            known={known: post for post, known, _ in pairs if known is not None},
            silent=[post for post, known, is_new in pairs if known is None and not is_new],
            new=[post.external_id for post, _, is_new in pairs if is_new],
            order=[post.external_id for post, _, is_new in pairs if not is_new],
            now=at,
        )
    logger.info("a site is repaired", extra={"fields": {"site": before.name, "posts": len(pairs), "moved": moved}})
    return moved


def _show(before: SiteDefinition, found: Proposal, *, count: int, of: int) -> None:
    was, becomes = masked_params(before.params), masked_params(found.definition.params)
    names = [name for name in {**was, **becomes} if was.get(name) != becomes.get(name)]
    rows = [{"parameter": name, "before": was.get(name), "now": becomes.get(name)} for name in names]
    show_rows(rows, as_json=False, empty="the definition stays as it is", whole=("before", "now"))
    click.echo()
    show_rows(found.rows[:SHOWN], as_json=False, empty="", narrow=("title", "published", "fate"))
    if len(found.posts) > SHOWN:
        click.echo(f"and {len(found.posts) - SHOWN} more")
    new = sum(found.new)
    click.echo(f"\n{count} of these posts are known ({of} were shown before), {new} are new and will be pushed;")
    click.echo(f"{len(found.posts) - count - new} are older, or not surely new, and are pushed to nobody")
    for note in found.notes:
        click.echo(f"note: {printable(note)}")
