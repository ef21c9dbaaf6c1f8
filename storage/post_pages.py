"""Posts' own pages: which are to be fetched, and what they held.

A page has TRIES crawls to be read in: the one that finds the post, and the next ones. They are counted when a crawl
begins to fetch, so a crawl that dies counts too, and nothing is owed for ever.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from storage import edits
from storage.models import Post, Site

TRIES = 3
"""Crawls that may try to read one post's page."""

_PUSHED = ("undecided", "ready", "held", "done")
"""What became, or may become, of a post that somebody is told of."""


@dataclass(frozen=True, kw_only=True)
class OwedPage:
    """A post whose own page is still to be read."""

    post_id: int
    url: str
    title: str


def take(session: Session, *, site_id: int, run_id: int, limit: int, now: datetime) -> list[OwedPage]:
    """The pages that a run is to fetch: of the posts that it was the first to see, then of those that failed before.

    None while the site's baseline is not done, or while its posts' ids change: those posts are pushed to nobody. Nor of
    posts that are too old to be pushed.
    """
    site = session.get_one(Site, site_id)
    if not site.baseline_done or site.trouble == "ids change":
        return []
    unread = (Post.site_id == site_id, Post.attachments.is_(None))
    is_recent = or_(Post.published_at.is_(None), Post.published_at >= now - timedelta(seconds=site.max_age_s))
    session.execute(
        update(Post)
        .where(*unread, Post.page_tries.is_not(None))
        .values(page_tries=Post.page_tries + 1)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(Post)
        .where(*unread, Post.run_id == run_id, Post.fanout == "undecided", Post.page_tries.is_(None), is_recent)
        .values(page_tries=1)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(Post)
        .where(
            Post.site_id == site_id,
            Post.page_tries.is_not(None),
            or_(Post.page_tries > TRIES, Post.fanout.not_in(_PUSHED)),
        )
        .values(page_tries=None)
        .execution_options(synchronize_session=False)
    )
    owed = session.execute(
        select(Post.id, Post.url, Post.title)
        .where(*unread, Post.page_tries.is_not(None))
        .order_by(Post.page_tries, Post.id)
        .limit(limit)
    )
    return [OwedPage(post_id=row.id, url=row.url, title=row.title) for row in owed]


def keep(
    session: Session,
    post_id: int,
    *,
    text: str,
    attachments: Sequence[Mapping[str, str]],
    image: str,
) -> None:
    """Store what a post's page held; without a text the one from the list stays.

    The files' names stand at the body's end, so that they are matched like the text. Those whose phrases match only now
    get the post too, if it was fanned out already.
    """
    post = session.get(Post, post_id, with_for_update=True)
    if post is None:
        return
    body = " ".join(filter(None, (text or post.body, *(f"[{each['name']}]" for each in attachments))))
    edits.note_page(session, post_id, body=body)
    post.body = body
    post.attachments = [dict(each) for each in attachments]
    post.image = image or None
    post.page_tries = None
