"""`crawlpush match`: who would get this?"""

import click

from pipeline.fanout.matcher import Matcher
from pipeline.fanout.slices import find_in
from scripts.output import json_option, open_database, show_record
from storage import matching, sites, subscriptions


@click.command()
@click.option("--title", required=True, help="The title of the imagined post.")
@click.option("--body", default="", help="Its body.")
@click.option("--site", help="The site it stands on; needed to count those who follow the whole site.")
@json_option
def match(title: str, body: str, site: str | None, *, as_json: bool) -> None:
    """Say who would get a post: how many users, which phrases hit, and a sample. Stores and sends nothing."""
    with open_database().reading() as session:
        row = sites.by_name(session, site) if site else None
        matcher = Matcher(subscriptions.keywords(session))
        hit = find_in(matcher, title, body, site_id=row.id if row else 0, match_body=bool(row and row.match_body))
        record = {
            "users": matching.count_matching(session, hit),
            "phrases": subscriptions.texts(session, [*hit.title_ids, *hit.all_ids]),
            "sample": matching.sample_matching(session, hit, limit=10),
        }
    show_record(record, as_json=as_json)
