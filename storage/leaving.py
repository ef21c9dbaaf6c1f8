"""Posts that their page shows no more though older ones still stand there (pipeline.crawling.leaving)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Row, case, delete, select, update
from sqlalchemy.orm import Session

from storage.json_table import given_values
from storage.models import Delivery, Notification, Post, Showing

GOOD_CRAWLS = 3
"""So many in a row have to miss a post before it is gone."""
GONE = "gone from its page"
"""Why a notification was skipped whose post was taken away before it was sent."""
MOST = 100
"""So many of a site's latest posts are looked for on its page."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """A site's posts as far as their places on its page go."""

    # What the page shows, from its top.
    shown: Sequence[Row[int, datetime, datetime | None, int]]
    # The site's latest posts that it does not show, but for those that are gone already.
    absent: Sequence[Row[int, datetime, datetime | None, int]]
    # Where posts stood when the page was last noted, by id.
    places: Mapping[int, int]


def page(session: Session, site_id: int, shown_ids: Sequence[int]) -> Page:
    """What is known of a page that shows these posts now."""
    columns = (Post.id, Post.first_seen_at, Post.published_at, Post.missing)
    on_it = select(*columns).where(Post.id.in_(given_values(session, "shown", shown_ids, BigInteger())))
    rows = {row.id: row for row in session.execute(on_it)}
    latest = select(Post.id).where(Post.site_id == site_id).order_by(Post.id.desc()).limit(MOST)
    latest_there = select(*columns).where(Post.id.in_(latest), Post.gone_at.is_(None))
    absent = [row for row in session.execute(latest_there) if row.id not in rows]
    showing = session.get(Showing, site_id) if absent else None
    places = {post_id: place for place, post_id in enumerate(showing.post_ids)} if showing is not None else {}
    return Page(shown=[rows[each] for each in shown_ids if each in rows], absent=absent, places=places)


def count(session: Session, site_id: int, *, shown_ids: Collection[int], missed: Collection[int], now: datetime) -> int:
    """Count a good crawl against the posts that it missed, and bring back those that it saw; returns how many are gone.

    What was skipped because its post was gone is owed again when the post is back.
    """
    there = set(shown_ids)
    known = session.scalars(select(Post.id).where(Post.site_id == site_id, Post.missing > 0)).all()
    back = [post_id for post_id in known if post_id in there]
    if back:
        session.execute(update(Post).where(Post.id.in_(back)).values(missing=0, gone_at=None))
        owed = session.scalars(
            update(Notification)
            .where(Notification.post_id.in_(back), Notification.status == "skipped", Notification.reason == GONE)
            .values(status="pending", reason=None, next_attempt_at=now, enqueued_at=None)
            .returning(Notification.id)
            .execution_options(synchronize_session=False)
        ).all()
        # That it was over for each device is over.
        over = given_values(session, "owed", owed, BigInteger())
        session.execute(delete(Delivery).where(Delivery.notification_id.in_(over), Delivery.status == "failed"))
    if not missed:
        return 0
    gone = session.scalars(
        update(Post)
        .where(Post.id.in_(missed))
        .values(missing=Post.missing + 1, gone_at=case((Post.missing + 1 >= GOOD_CRAWLS, now)))
        .returning(Post.gone_at)
        .execution_options(synchronize_session=False)
    )
    return sum(at is not None for at in gone)
