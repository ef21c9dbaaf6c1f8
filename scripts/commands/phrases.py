"""`crawlpush phrases`."""

from typing import Any

import click

from pipeline.people import entries
from pipeline.people.previews import Previews
from pipeline.settings import get_settings
from scripts.output import json_option, open_database, show_record, show_rows, table_options


@click.group()
def phrases() -> None:
    """A look at phrases before somebody subscribes to them."""


@phrases.command("try")
@click.argument("phrase")
@click.option("--site", help="Only on this site.")
@click.option("--exclude", multiple=True, help="Not when this phrase occurs too; may be repeated.")
@click.option("--kind", type=click.Choice(["word", "substring"]), help="Match whole words, or parts of words.")
@click.option("--body", is_flag=True, help="Look in the body too, not in the title only.")
@click.option("--title-only", is_flag=True, help="Not in the body, even where the site looks there.")
@json_option
def try_phrase(*, as_json: bool, exclude: tuple[str, ...], **values: Any) -> None:
    """Say what a phrase would have found among the newest 2,000 posts of the last 90 days. Stores nothing."""
    found = _previews().look(entries.subscription_entry({"user": "nobody", "exclude": list(exclude), **values}))
    newest = [
        {
            "site": each.post.site,
            "title": each.post.title,
            "url": each.post.url,
            "first_seen_at": each.post.first_seen_at.isoformat(),
            "through": list(each.through),
        }
        for each in found.newest
    ]
    record: dict[str, Any] = {
        "phrase": found.phrase.text,
        "kind": found.phrase.kind,
        "result": found.sentence,
        "newest": newest if as_json else [_line(each) for each in newest],
        "sites": found.sites if as_json else [f"{site}: {hits}" for site, hits in found.sites.items()],
    }
    if as_json:
        record |= {"posts": found.posts, "days": found.days, "hits": found.hits, "per_day": round(found.per_day, 2)}
        record["near"] = [{"phrase": text, "hits": hits} for text, hits in found.near]
    show_record(record, as_json=as_json)


def _line(post: dict[str, Any]) -> str:
    through = f" (through the synonym {', '.join(post['through'])})" if post["through"] else ""
    return f"{post['title']}{through}, {post['site']}"


@phrases.command()
@table_options
def suggestions(*, as_json: bool) -> None:
    """List the phrases that most people subscribed to lately, each of at least five people."""
    rows = [{"phrase": text, "people": count} for text, count in _previews().suggestions()]
    show_rows(rows, as_json=as_json, empty="nothing is wanted by five people or more lately")


def _previews() -> Previews:
    return Previews(database=open_database(), settings=get_settings())
