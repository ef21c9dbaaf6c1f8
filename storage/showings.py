"""What a site's page showed, and giving a stored post the id that the page has for it now."""

from collections.abc import Collection, Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from storage import edits
from storage.dialect import upsert
from storage.models import Post, Showing

SHOWN_MOST = 2_000
"""So many posts of a page are remembered."""
EARLIER_MOST = 2_000
"""So many of a site's latest posts are looked through for one that left the page and came back."""


_TAKEN = ("external_id", "url", "title", "body", "author", "content_hash", "published_at")


def keep(session: Session, site_id: int, post_ids: Sequence[int]) -> None:
    """Remember which posts a page showed."""
    upsert(session, Showing, [{"site_id": site_id, "post_ids": list(post_ids[:SHOWN_MOST])}], key=["site_id"])


def found_by(session: Session, run_id: int) -> Sequence[Post]:
    """The posts that a run was the first to store and about which nothing is decided."""
    return session.scalars(
        select(Post).where(Post.run_id == run_id, Post.fanout == "undecided").order_by(Post.external_id)
    ).all()


def shown_before(session: Session, site_id: int, *, run_id: int, count: int) -> Sequence[Post]:
    """The posts that a site showed before a run, locked.

    Where that was never noted they are the latest `count` that other runs stored.
    """
    shown = session.get(Showing, site_id)
    others = select(Post).where(Post.site_id == site_id, Post.run_id.is_distinct_from(run_id))
    if shown is not None:
        chosen = others.where(Post.id.in_(shown.post_ids))
    else:
        chosen = others.where(Post.id.in_(others.with_only_columns(Post.id).order_by(Post.id.desc()).limit(count)))
    # In the order in which a crawl locks them when it stores an edit.
    return session.scalars(chosen.order_by(Post.external_id).with_for_update()).all()


def earlier(session: Session, site_id: int, *, run_id: int, without: Collection[int]) -> Sequence[Post]:
    """A site's latest posts from before a run, but for some."""
    latest = session.scalars(
        select(Post)
        .where(Post.site_id == site_id, Post.run_id.is_distinct_from(run_id))
        .order_by(Post.id.desc())
        .limit(EARLIER_MOST)
    )
    return [post for post in latest if post.id not in without]


def carry_over(session: Session, pairs: Sequence[tuple[Post, Post]]) -> None:
    """Make each new post's row (the first of a pair) the old one's: its id, address and text; the new row goes.

    The old post keeps its number, its fan-out state and the moment when it was first seen, so nobody is told again; and
    a site whose ids change at every crawl does not grow.
    """
    taken = [(old, {name: getattr(new, name) for name in _TAKEN}) for new, old in pairs]
    edits.note(session, {old.id: (values["title"], values["body"]) for old, values in taken})
    session.execute(delete(Post).where(Post.id.in_([new.id for new, _ in pairs])))
    for old, values in taken:
        values["published_at"] = old.published_at or values["published_at"]
        if old.attachments is not None:
            del values["body"]
        for name, value in values.items():
            setattr(old, name, value)
    session.flush()
