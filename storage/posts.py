"""Posts: storing what a crawl found, deciding what is owed, and walking a fan-out's slices."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, case, func, or_, select, update
from sqlalchemy.orm import Session

from storage import edits, fanout_ranges
from storage.dialect import connection_of, insert
from storage.edits import Text
from storage.errors import StorageError
from storage.models import CrawlRun, Post, PostEdit, Site
from storage.open_posts import fanout_is


@dataclass(frozen=True, kw_only=True)
class FoundPost:
    """A post as a spider saw it."""

    external_id: str
    url: str
    title: str
    body: str = ""
    author: str = ""
    published_at: datetime | None = None

    @property
    def content_hash(self) -> str:
        """Changes when what a reader sees changes, so that an edited post is written and an equal one is not."""
        seen = "\x00".join((self.title, self.body, self.author, self.url))
        return hashlib.sha256(seen.encode()).hexdigest()


WAITING_MOST = 2_000
"""So many posts of a site may be new in one run, or wait for approval, before no more new ones are stored."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What became of a batch of posts."""

    # How many of them are new.
    new: int
    # The rows of all of them, new or known, in the batch's order.
    ids: list[int]
    # How many more new posts the run may store; None when no new one came.
    room: int | None
    # New ones that there was no room for.
    left_out: int = 0


def store(session: Session, *, site_id: int, run_id: int, found: Sequence[FoundPost], now: datetime) -> int:
    """Store a batch of posts as `store_batch` does, all of them, and return how many are new."""
    return store_batch(session, site_id=site_id, run_id=run_id, found=found, now=now, room=len(found)).new


def store_batch(
    session: Session,
    *,
    site_id: int,
    run_id: int,
    found: Sequence[FoundPost],
    now: datetime,
    room: int | None = None,
) -> Stored:
    """Store a batch of posts; `room` is what the run's batch before left, None at the first.

    Known ones keep their identity and their fan-out state: an edit updates the text, and is noted for those whom the
    new text concerns (storage.edits). Within the batch the first post of an external id counts. Two crawls may store
    the same posts at once: the unique constraint decides which of them the post is new to.
    """
    # Sorted, because two batches that lock the same rows in different orders would wait for each other.
    batch = {post.external_id: post for post in reversed(found)}
    batch = {key: batch[key] for key in sorted(batch)}
    known = {
        row.external_id: row
        for row in session.execute(
            select(Post.external_id, Post.content_hash, Post.id).where(
                Post.site_id == site_id, Post.external_id.in_(batch)
            )
        )
    }
    edited = [p for key, p in batch.items() if key in known and known[key].content_hash != p.content_hash]
    if edited:
        edits.note(session, {known[post.external_id].id: (post.title, post.body) for post in edited})
        connection_of(session).execute(
            update(Post)
            .where(Post.site_id == site_id, Post.external_id == bindparam("key"))
            # The text of the post's own page is not given up for the list's.
            .values(body=case((Post.attachments.is_not(None), Post.body), else_=bindparam("listed"))),
            [{"key": post.external_id, **_edited_columns(post)} for post in edited],
        )
    ids = {key: row.id for key, row in known.items()}
    unknown = [post for key, post in batch.items() if key not in known]
    new, left_out = 0, 0
    if unknown:
        if room is None:
            room = room_of(session, site_id=site_id, run_id=run_id)
        wanted, unknown = len(unknown), unknown[:room]
        left_out = wanted - len(unknown)
    if unknown:
        inserted = insert_posts(session, unknown, site_id=site_id, now=now, run_id=run_id)
        ids |= inserted
        new = len(inserted)
    return Stored(
        new=new,
        ids=[ids[key] for key in dict.fromkeys(post.external_id for post in found) if key in ids],
        room=None if room is None else room - new,
        left_out=left_out,
    )


def insert_posts(
    session: Session, posts: Sequence[FoundPost], *, site_id: int, now: datetime, **same: Any
) -> dict[str, int]:
    """Insert those posts that are not there, with further columns that are the same in all; their rows by ids."""
    statement = insert(session, Post).on_conflict_do_nothing(index_elements=[Post.site_id, Post.external_id])
    # The rows as parameters, not as .values(): so the statement is compiled once, whatever a batch's size.
    inserted = connection_of(session).execute(
        statement.returning(Post.external_id, Post.id),
        [
            {
                "site_id": site_id,
                "external_id": post.external_id,
                "published_at": post.published_at,
                "first_seen_at": now,
                **_text_columns(post),
                **same,
            }
            for post in posts
        ],
    )
    return dict(inserted.all())


def room_of(session: Session, *, site_id: int, run_id: int) -> int:
    """How many new posts a run may store: not without end, and no more than wait for approval already."""
    held = select(func.count()).select_from(Post).where(Post.site_id == site_id, fanout_is("held"))
    stored = select(func.count()).where(Post.run_id == run_id)
    return max(0, WAITING_MOST - (session.scalar(held) or 0) - (session.scalar(stored) or 0))


def _text_columns(post: FoundPost) -> dict[str, str]:
    return {
        "url": post.url,
        "title": post.title,
        "body": post.body,
        "author": post.author,
        "content_hash": post.content_hash,
    }


def _edited_columns(post: FoundPost) -> dict[str, str]:
    columns = _text_columns(post)
    return {"listed": columns.pop("body"), **columns}


@dataclass(frozen=True, kw_only=True)
class FanOut:
    """A post whose fan-out we hold."""

    post: Post
    site: str
    match_body: bool
    cursor: int
    ttl_s: int
    urgent: bool
    # By which readers are found. A post that is edited meanwhile is matched to its end as it began.
    text: Text
    # It is for those alone whom this text does not concern; None: for everybody.
    unless: Text | None = None
    # The last user of the range that we hold, where the fan-out was split (storage.fanout_ranges); None: it was not.
    upto: int | None = None


def claim_fan_out(session: Session, post_id: int, *, token: str, now: datetime, lease_until: datetime) -> FanOut | None:
    """Take a ready post's fan-out, or a range of it; None when it is done, not wanted, or in somebody else's hands."""
    claimed = session.scalar(
        update(Post)
        .where(
            Post.id == post_id,
            Post.fanout == "ready",
            Post.fanout_cursor != fanout_ranges.SPLIT,
            or_(Post.fanout_lease_until.is_(None), Post.fanout_lease_until < now),
        )
        .values(fanout_token=token, fanout_lease_until=lease_until)
        .returning(Post.id)
    )
    part = None
    if claimed is None:
        part = fanout_ranges.take(session, post_id, token=token, now=now, lease_until=lease_until)
        if part is None:
            return None
    post, site, edit = session.execute(
        select(Post, Site, PostEdit)
        .join(Site, Site.id == Post.site_id)
        .outerjoin(PostEdit, PostEdit.post_id == Post.id)
        .where(Post.id == post_id)
        .execution_options(populate_existing=True)
    ).one()
    again = edit is not None and edit.fanning
    return FanOut(
        post=post,
        site=site.name,
        match_body=site.match_body,
        cursor=post.fanout_cursor if part is None else part.cursor,
        upto=None if part is None else part.upto,
        ttl_s=site.ttl_s,
        urgent=site.urgent,
        text=edits.text_of(edit if edit is not None and edit.changed and not again else post),
        unless=edits.text_of(edit) if again else None,
    )


def advance_fan_out(
    session: Session, post_id: int, *, token: str | None, cursor: int, users: int, now: datetime
) -> bool:
    """Move the cursor after a slice whose messages are out, and give the lease back; False when it was not ours."""
    return _end_slice(
        session,
        post_id,
        token=token,
        fanout_cursor=cursor,
        matched_users=Post.matched_users + users,
        fanout_enqueued_at=now,
    )


def finish_fan_out(
    session: Session, post_id: int, *, token: str | None, users: int, now: datetime, again: bool = False
) -> bool:
    """Close a fan-out whose last slice is out; False when it was not ours.

    `again` says that it was for those alone whom an edit concerns.
    """
    ours = _end_slice(
        session,
        post_id,
        token=token,
        fanout="done",
        fanout_at=now,
        matched_users=Post.matched_users + users,
    )
    if ours and again:
        edits.end(session, [post_id], served=True)
    return ours


def hand_back_fan_out(session: Session, post_id: int, *, token: str, now: datetime) -> None:
    """Give the lease back with nothing done, because the notify queue is full or we are stopping."""
    if not _end_slice(session, post_id, token=token, fanout_enqueued_at=now):
        fanout_ranges.hand_back(session, post_id, token=token)
        _end_slice(session, post_id, token=None, fanout_enqueued_at=now)


def _end_slice(session: Session, post_id: int, *, token: str | None, **values: Any) -> bool:
    held = session.scalar(
        update(Post)
        .where(Post.id == post_id, Post.fanout_token == token, Post.fanout == "ready")
        .values(fanout_token=None, fanout_lease_until=None, **values)
        .returning(Post.id)
    )
    return held is not None


def stranded(session: Session, *, enqueued_before: datetime, now: datetime) -> list[int]:
    """Ready posts that nobody works on and whose message is long overdue, marked as enqueued now.

    A post that was split as often as it has ranges that nobody works on.
    """
    found = list(
        session.scalars(
            update(Post)
            .where(
                Post.fanout == "ready",
                Post.fanout_enqueued_at < enqueued_before,
                or_(Post.fanout_lease_until.is_(None), Post.fanout_lease_until < now),
            )
            .values(fanout_enqueued_at=now)
            .returning(Post.id)
        )
    )
    return sorted([*found, *fanout_ranges.further(session, found, now=now)])


def runs_with_undecided_posts(session: Session) -> list[int]:
    """Closed runs some of whose posts came too late for the decision, because their child outlived its lease."""
    return list(
        session.scalars(
            select(Post.run_id)
            .join(CrawlRun, CrawlRun.id == Post.run_id)
            .where(Post.fanout == "undecided", CrawlRun.status.in_(("finished", "failed")))
            .distinct()
        )
    )


def settle(session: Session, site_id: int, *, now: datetime, release: bool) -> list[int]:
    """Release a site's held posts to their readers, or drop them; returns the ids of the posts.

    What was held for its edit alone had its readers before: when that is dropped, it is as it was, and a later edit
    is looked at by itself.
    """
    is_edit = select(PostEdit.post_id).where(PostEdit.fanning)
    settled = list(
        session.scalars(
            update(Post)
            .where(Post.site_id == site_id, fanout_is("held"))
            .values(
                fanout="ready" if release else case((Post.id.in_(is_edit), "done"), else_="dropped"),
                fanout_enqueued_at=now,
            )
            .returning(Post.id)
            .execution_options(synchronize_session=False)
        )
    )
    if not release:
        edits.end(session, settled, served=False)
    return settled


def held(session: Session, site_id: int, *, limit: int) -> Sequence[Post]:
    """A site's posts that wait for an operator's word, oldest first."""
    query = select(Post).where(fanout_is("held"), Post.site_id == site_id)
    # By the id as a number, not as the key: PostgreSQL would walk over all posts in its order until it has found these.
    return session.scalars(query.order_by(Post.id + 0).limit(limit)).all()


SEARCHED = 20_000
"""A search in titles looks at so many of the newest posts, so that one that finds nothing ends soon too."""


def latest(
    session: Session,
    *which: ColumnElement[bool],
    site_id: int | None,
    limit: int | None,
    before: int | None = None,
    title: str | None = None,
) -> Sequence[tuple[Post, str]]:
    """The newest posts that meet the conditions, with the names of their sites.

    `before` is the id of the last post of the page before; `title` is looked for in the titles of the SEARCHED newest.
    """
    query = select(Post, Site.name).join(Site).where(*which).order_by(Post.id.desc()).limit(limit)
    if site_id is not None:
        query = query.where(Post.site_id == site_id)
    if before is not None:
        query = query.where(Post.id < before)
    if title is not None:
        newest = session.scalar(select(func.max(Post.id))) or 0
        query = query.where(Post.id > newest - SEARCHED, Post.title.icontains(title, autoescape=True))
    return session.execute(query).all()


class UnknownPostError(StorageError, LookupError):
    """There is no post of that id."""

    def __init__(self, post_id: int) -> None:
        super().__init__(f"there is no post {post_id}: `crawlpush posts list` shows the ids")


def by_id(session: Session, post_id: int) -> tuple[Post, str]:
    """A post and its site's name. Raises UnknownPostError."""
    row = session.execute(select(Post, Site.name).join(Site).where(Post.id == post_id)).first()
    if row is None:
        raise UnknownPostError(post_id)
    return row


def reopen_fan_out(session: Session, post_id: int, *, now: datetime) -> None:
    """Make a post's fan-out begin anew. Raises UnknownPostError."""
    post, _ = by_id(session, post_id)
    session.refresh(post, with_for_update=True)
    edits.begin_anew(session, post)
    post.fanout, post.fanout_cursor, post.matched_users = "ready", 0, 0
    post.fanout_token = post.fanout_lease_until = None
    post.fanout_enqueued_at = now


def of_run(session: Session, run_id: int, *, limit: int) -> Sequence[Post]:
    """The posts that a run was the first to see."""
    return session.scalars(select(Post).where(Post.run_id == run_id).order_by(Post.id).limit(limit)).all()
