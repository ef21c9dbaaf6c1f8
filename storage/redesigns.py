"""A site whose page was redesigned: what is known of its posts, and giving these the ids that they have now.

Nobody is told of a post again: it keeps its row with its fan-out and its notifications, and gets the id, the address
and the text under which the page shows it. What else stood on the page is stored as silent.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import String, cast, literal, select, update
from sqlalchemy.orm import Session

from storage import edits, showings
from storage.errors import StorageError
from storage.models import CrawlRun, Post, Showing, Site
from storage.posts import FoundPost, insert_posts

RETIRED = "before-redesign:"
"""Begins the id of a post whose own id is another post's by now; it stands on the page no more."""
_MOVING = "moving:"


class SiteBusyError(StorageError):
    """The site is being crawled, by the definition that is about to change."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is being crawled at this moment: try again when that is over; nothing was changed")


@dataclass(frozen=True, kw_only=True)
class KnownPosts:
    """A site's posts, by which its page may be found again."""

    # As the page showed them, then the others, the newest first.
    posts: Sequence[Post]
    # How many of them the page showed; where that was never noted, how many posts it held.
    shown: int


def known_posts(session: Session, site_id: int, *, limit: int = showings.EARLIER_MOST) -> KnownPosts:
    """What is known of a site's posts."""
    showing = session.get(Showing, site_id)
    order = {post_id: place for place, post_id in enumerate(showing.post_ids if showing else ())}
    latest = session.scalars(select(Post).where(Post.site_id == site_id).order_by(Post.id.desc()).limit(limit)).all()
    rows = {post.id: post for post in latest}
    if missing := order.keys() - rows.keys():
        rows |= {post.id: post for post in session.scalars(select(Post).where(Post.id.in_(missing)))}
    posts = sorted(rows.values(), key=lambda post: (order.get(post.id, len(order)), -post.id))
    return KnownPosts(posts=posts, shown=len(order) or min(edits.shown(session, site_id), len(posts)))


def hold_crawls(session: Session, site: Site) -> None:
    """Lock a site, so that none of its crawls begins before this transaction is over.

    A run that is queued waits, and goes by the new definition. Raises SiteBusyError for one that is under way.
    """
    unfinished = select(CrawlRun).where(CrawlRun.site_id == site.id, CrawlRun.status.in_(("queued", "running")))
    locked = unfinished.with_for_update().execution_options(populate_existing=True)
    # The run before its site, as whoever closes a crawl locks them; then a run that came between.
    session.scalars(locked).all()
    session.refresh(site, with_for_update=True)
    if any(run.status == "running" for run in session.scalars(locked)):
        raise SiteBusyError(site.name)


def move(
    session: Session,
    site_id: int,
    *,
    known: Mapping[int, FoundPost],
    silent: Sequence[FoundPost],
    new: Collection[str],
    order: Sequence[str],
    now: datetime,
) -> int:
    """Give stored posts what the page says of them now; returns how many got another id.

    `known` has the rows; `silent` is what else is to be told to nobody; `new` has the external ids that the next
    crawl is to find, `order` all others as the page shows them. A row that is gone meanwhile stays gone, and what stood
    for it is silent too.
    """
    locked = session.scalars(
        select(Post).where(Post.id.in_(known), Post.site_id == site_id).order_by(Post.external_id).with_for_update()
    ).all()
    moved = {post.id for post in locked if post.external_id != known[post.id].external_id}
    if moved:
        _free_ids(session, site_id, {known[post.id].external_id: post.id for post in locked}, moved, {*new, *order})
    for post in locked:
        found = known[post.id]
        post.external_id, post.url, post.title, post.author = found.external_id, found.url, found.title, found.author
        post.content_hash, post.published_at = found.content_hash, post.published_at or found.published_at
        if post.attachments is None:
            post.body = found.body
        post.missing, post.gone_at = 0, None
    session.flush()
    left = [found for post_id, found in known.items() if post_id not in {post.id for post in locked}]
    _store_silent(session, site_id, [*silent, *left], now)
    ids = dict(
        session.execute(
            select(Post.external_id, Post.id).where(Post.site_id == site_id, Post.external_id.in_(order))
        ).all()
    )
    showings.keep(session, site_id, [ids[key] for key in order if key in ids])
    return len(moved)


def _free_ids(
    session: Session, site_id: int, owners: Mapping[str, int], moved: Collection[int], shown: Collection[str]
) -> None:
    """Take the ids that the page shows from the posts that have them, where these are other posts.

    Then the site has dealt its numbers anew, and what any post that is not on the page is called means nothing now: a
    new post of that number would be taken for it.
    """
    holders = session.execute(
        select(Post.external_id, Post.id).where(Post.site_id == site_id, Post.external_id.in_(shown))
    )
    if all(owners.get(key) == post_id for key, post_id in holders):
        return
    others = Post.id.not_in(owners.values()) & ~Post.external_id.startswith(RETIRED)
    for beginning, chosen in ((RETIRED, others), (_MOVING, Post.id.in_(moved))):
        session.execute(
            update(Post)
            .where(Post.site_id == site_id, chosen)
            .values(external_id=literal(beginning) + cast(Post.id, String))
            .execution_options(synchronize_session=False)
        )


def _store_silent(session: Session, site_id: int, found: Sequence[FoundPost], now: datetime) -> None:
    if found:
        insert_posts(session, found, site_id=site_id, now=now, fanout="silent")
