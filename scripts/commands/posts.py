"""`crawlpush posts`."""

import textwrap

import click

from pipeline.resources import now
from scripts.lists import cut, list_options
from scripts.output import ID, Number, json_option, open_database, show_record, show_rows
from storage import inbox, sites, stories, traces
from storage import posts as stored
from storage.models import CrawlRun, Post
from storage.parts import Part, conditions


@click.group()
def posts() -> None:
    """What the crawls found."""


@posts.command("list")
@click.option("--site", help="Only this site's.")
@list_options()
def list_posts(site: str | None, part: Part, *, as_json: bool) -> None:
    """List the newest posts and what became of them."""
    with open_database().reading() as session:
        which = conditions(session, Post, part)
        site_id = sites.by_name(session, site).id if site else None
        rows = [
            {
                "id": post.id,
                "site": name,
                "title": post.title,
                "published": post.published_at,
                "seen": post.first_seen_at,
                "gone": post.gone_at,
                "fanout": post.fanout,
                "users": post.matched_users,
                "url": post.url,
            }
            for post, name in stored.latest(session, *which, site_id=site_id, limit=part.limit)
        ]
        rest = cut(session, Post, part, rows, *which, newest_first=True, site_id=site_id)
    show_rows(
        rows,
        as_json=as_json,
        empty="no posts: `crawlpush crawl SITE` crawls a site now",
        narrow=("id", "site", "title", "fanout", "users", "seen"),
        cut=rest,
    )


@posts.command()
@click.argument("post", type=ID)
@click.option("--limit", type=Number(0), default=10, show_default=True, help="Show so many users.")
@json_option
def show(post: int, limit: int, *, as_json: bool) -> None:
    """Trace one post: the crawl that found it, the phrases that hit, whom it matched, and the outcome per device."""
    with open_database().reading() as session:
        found, site = stored.by_id(session, post)
        run = session.get(CrawlRun, found.run_id) if found.run_id else None
        trace = traces.trace(session, post)
        users = inbox.listing(session, post_id=post, limit=limit) if limit else []
        told = stories.elsewhere(session, [found.story_id] if found.story_id else []).get(found.story_id or 0, [])
    record = {
        "post": found.id,
        "site": site,
        "title": found.title,
        "url": found.url,
        "text": textwrap.shorten(found.body, 300, placeholder=" …") or None,
        "files": [each["name"] for each in found.attachments or ()] or None,
        "image": found.image,
        "author": found.author,
        "published": found.published_at,
        "first_seen": found.first_seen_at,
        "gone": found.gone_at,
        "also_on": [f"{each.site} (post {each.post_id})" for each in told if each.post_id != post] or None,
        "crawl_run": found.run_id,
        "crawl": f"{run.trigger}, {run.status} ({run.finish_reason})" if run else "removed by retention",
        "fanout": found.fanout,
        "users": found.matched_users,
        "phrases": {phrase or "(every post)": count for phrase, count in trace.phrases.items()},
        "notifications": trace.statuses,
        "devices": trace.devices,
        "newest": [f"{row.user}: {row.status}; {', '.join(row.devices) or 'no device tried'}" for row in users],
    }
    show_record(record, as_json=as_json)


@posts.command()
@click.argument("post", type=ID)
def split(post: int) -> None:
    """Make a post a story of its own, for good: people for whom it was merged with another one get it after all."""
    with open_database().writing() as session:
        stored.by_id(session, post)
        owed = stories.split(session, post, now=now())
    click.echo(f"post {post} is a story of its own; {owed} people are owed what was merged")


@posts.command()
@click.argument("post", type=ID)
def refan(post: int) -> None:
    """Fan a post out again: users who match now and were not notified get it; nobody gets it twice."""
    from pipeline.tasks.fanout import enqueue_fan_outs

    with open_database().writing() as session:
        stored.reopen_fan_out(session, post, now=now())
    enqueue_fan_outs([post])
    click.echo(f"post {post} is being fanned out again")
