"""`crawlpush match`: who would get this?"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import click

from pipeline.delivery.asking import timing_of
from pipeline.delivery.foreseeing import foresee
from pipeline.fanout.matcher import Matcher, through_synonyms
from pipeline.fanout.slices import find_in
from pipeline.fanout.synonyms import Synonyms, SynonymsFile
from pipeline.resources import now
from pipeline.settings import get_settings
from scripts.output import Moment, json_option, local_time, open_database, show_record
from storage import matching, sites, subscriptions, users
from storage.deferring import Wait, asked_about
from storage.subscriptions import KeywordText

DEFAULT_TTL_S = 3 * 86_400
"""Of a site that says nothing else."""
LOOKED_AT = 10_000
"""Of so many users is said when they would get it."""
SHOWN = 10


@click.command()
@click.option("--title", required=True, help="The title of the imagined post.")
@click.option("--body", default="", help="Its body.")
@click.option("--site", help="The site it stands on; needed to count those who follow the whole site.")
@click.option("--at", type=Moment(), help='When it comes, such as "2026-12-01 23:30"; default: now.')
@json_option
def match(title: str, body: str, site: str | None, at: datetime | None, *, as_json: bool) -> None:
    """Say who would get a post, when and why: how many users, which phrases hit, and a sample.

    Stores and sends nothing. A paused user gets nothing, and is not counted.
    """
    at = at or now()
    settings = get_settings()
    synonyms, timing = SynonymsFile(settings.synonyms_file).read(), timing_of(settings)
    with open_database().reading() as session:
        row = sites.by_name(session, site) if site else None
        matcher = Matcher(subscriptions.keywords(session), synonyms)
        hit = find_in(matcher, title, body, site_id=row.id if row else 0, match_body=bool(row and row.match_body))
        phrases = subscriptions.phrases(session, [*hit.title_ids, *hit.all_ids])
        matched = matching.matching_users(session, hit, after=0, limit=LOOKED_AT, timed=True)
        asked = asked_about(matched, everybody=timing.for_everybody)
        ttl_s, urgent = (row.ttl_s, row.urgent) if row else (DEFAULT_TTL_S, False)
        waits = foresee(session, timing, asked, ttl_s=ttl_s, urgent=urgent, at=at)
        sample = users.names_and_zones(session, [each.user_id for each in matched[:SHOWN]])
        record: dict[str, Any] = {
            "users": matching.count_matching(session, hit),
            "phrases": [phrase.text for phrase in phrases],
            "through": list(_through(phrases, synonyms, title, body)),
            "at": at,
            "outcomes": Counter(_reason(waits.get(each.user_id)) for each in matched),
        }
        some_are_bound = row is None and subscriptions.some_are_bound(session)
    when = [_when(name, zone, waits.get(user_id), as_json=as_json) for user_id, name, zone in sample]
    if as_json:
        record |= {"sample": [name for _, name, _ in sample], "when": when}
    else:
        record["sample"] = when
    show_record(record, as_json=as_json)
    if some_are_bound:
        click.echo("subscriptions to one site alone are not counted: --site NAME counts those of a site too", err=True)


def _reason(wait: Wait | None) -> str:
    if wait is None:
        return "at once"
    return f"inbox only ({wait.reason})" if wait.inbox_only else wait.reason


def _when(name: str, zone: str, wait: Wait | None, *, as_json: bool) -> Any:
    """When a user would be pushed the post, and what it waits for until then."""
    if as_json:
        never = wait is not None and wait.inbox_only
        return {"user": name, "until": wait.at.isoformat() if wait and not never else None, "why": _reason(wait)}
    if wait is None or wait.inbox_only:
        return f"{name}: {_reason(wait)}"
    return f"{name}: waits until {local_time(wait.at, zone)}: {wait.reason}"


def _through(phrases: Iterable[KeywordText], synonyms: Synonyms, title: str, body: str) -> Iterator[str]:
    """What was found under another name than the one that is subscribed to."""
    for phrase in phrases:
        for synonym in through_synonyms(phrase.text, phrase.kind, synonyms, title, body):
            yield f"{phrase.text} through the synonym {synonym}"
