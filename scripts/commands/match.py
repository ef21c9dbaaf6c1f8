"""`crawlpush match`: who would get this?"""

from collections.abc import Iterable, Iterator

import click

from pipeline.fanout.matcher import Matcher, through_synonyms
from pipeline.fanout.slices import find_in
from pipeline.fanout.synonyms import Synonyms, SynonymsFile
from pipeline.settings import get_settings
from scripts.output import json_option, open_database, show_record
from storage import matching, sites, subscriptions
from storage.subscriptions import KeywordText


@click.command()
@click.option("--title", required=True, help="The title of the imagined post.")
@click.option("--body", default="", help="Its body.")
@click.option("--site", help="The site it stands on; needed to count those who follow the whole site.")
@json_option
def match(title: str, body: str, site: str | None, *, as_json: bool) -> None:
    """Say who would get a post: how many users, which phrases hit, and a sample. Stores and sends nothing."""
    synonyms = SynonymsFile(get_settings().synonyms_file).read()
    with open_database().reading() as session:
        row = sites.by_name(session, site) if site else None
        matcher = Matcher(subscriptions.keywords(session), synonyms)
        hit = find_in(matcher, title, body, site_id=row.id if row else 0, match_body=bool(row and row.match_body))
        phrases = subscriptions.phrases(session, [*hit.title_ids, *hit.all_ids])
        record = {
            "users": matching.count_matching(session, hit),
            "phrases": [phrase.text for phrase in phrases],
            "through": list(_through(phrases, synonyms, title, body)),
            "sample": matching.sample_matching(session, hit, limit=10),
        }
    show_record(record, as_json=as_json)


def _through(phrases: Iterable[KeywordText], synonyms: Synonyms, title: str, body: str) -> Iterator[str]:
    """What was found under another name than the one that is subscribed to."""
    for phrase in phrases:
        for synonym in through_synonyms(phrase.text, phrase.kind, synonyms, title, body):
            yield f"{phrase.text} through the synonym {synonym}"
