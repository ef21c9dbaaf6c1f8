"""Stories: posts of several sites of a group that say the same. A person gets a story once.

Of a user's notifications of one story all but one are "merged"; a unique index sees to that. The one that is not speaks
for all: it waits, was sent, or failed. When it fails or is skipped, a merged one that was never tried takes its place,
so that nobody gets silence: it becomes pending, and the other becomes merged and keeps its reason.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, func, select, update
from sqlalchemy.orm import Session, aliased

from storage.dialect import insert
from storage.json_table import given_values
from storage.models import Notification, Post, Site, Story

WINDOW = timedelta(days=14)
"""A post that comes later than this after the first of a story begins another."""
DROPPED = "dropped by an operator"
"""Why a notification was skipped that an operator gave up: nobody gets the story instead."""
_OVER = ("failed", "skipped")
_FREE = dict.fromkeys(("lease_token", "lease_until", "waits_for", "deferred", "digest_id"))
"""Of a notification that nobody works on, and that waits for nothing."""


def open_posts(session: Session, run_id: int) -> Sequence[Post]:
    """The posts of a run that people are told of now, or may be, and that are part of no story."""
    return session.scalars(
        select(Post).where(
            Post.run_id == run_id, Post.fanout.in_(("ready", "held")), Post.story_id.is_(None), ~Post.is_split
        )
    ).all()


def assign(session: Session, site: Site, keys: Mapping[int, str], *, now: datetime) -> None:
    """Give a site's new posts (post id -> story key) their stories; the first of a story begins it.

    A story holds one post of each site: the same title again on one board is news. Two sites that find a story at the
    same moment both try to begin it, and the unique key decides; so it is asked again who did.
    """
    group = site.group
    if group is None or not keys:
        return
    for post_id, key in sorted(keys.items(), key=lambda item: (item[1], item[0])):
        story_id = _join_or_begin(session, group, key, site_id=site.id, now=now)
        session.execute(update(Post).where(Post.id == post_id).values(story_id=story_id))


def _join_or_begin(session: Session, group: str, key: str, *, site_id: int, now: datetime) -> int:
    latest = select(Story).where(Story.group == group, Story.key == key).order_by(Story.number.desc()).limit(1)
    number = 1
    while True:
        story = session.scalar(latest)
        if story is not None:
            own = select(Post.id).where(Post.story_id == story.id, Post.site_id == site_id)
            if now - story.begun_at < WINDOW and session.scalar(own) is None:
                return story.id
            number = story.number + 1
        begun = insert(session, Story).values(group=group, key=key, number=number, begun_at=now)
        begun = begun.on_conflict_do_nothing(index_elements=[Story.group, Story.key, Story.number])
        story_id: int | None = session.scalar(begun.returning(Story.id))
        if story_id is not None:
            return story_id


def slot(session: Session, post_id: int, users: Collection[int]) -> tuple[int | None, set[int]]:
    """A post's story, and those of the users who have it already from another of its posts.

    Who could not be reached by the other is not among them: that notification becomes merged, and this one counts.
    Locks the post, so that it cannot be split from its story meanwhile.
    """
    story_id = session.scalar(select(Post.story_id).where(Post.id == post_id).with_for_update())
    if story_id is None:
        return None, set()
    theirs = (
        Notification.story_id == story_id,
        Notification.post_id != post_id,
        Notification.status != "merged",
        Notification.user_id.in_(given_values(session, "readers", users, BigInteger())),
    )
    session.execute(
        update(Notification)
        .where(*theirs, Notification.status.in_(_OVER))
        .values(status="merged", reason=func.coalesce(Notification.reason, Notification.status))
        .execution_options(synchronize_session=False)
    )
    return story_id, set(session.scalars(select(Notification.user_id).where(*theirs)))


def hand_on(session: Session, over: ColumnElement[bool], *, now: datetime) -> int:
    """Of the notifications that a condition names, let those that nobody got be followed by a merged one, if any.

    Returns how many were.
    """
    other = aliased(Notification)
    followers = session.execute(
        select(func.min(other.id), Notification.id)
        .join(other, and_(other.story_id == Notification.story_id, other.user_id == Notification.user_id))
        .where(
            over,
            Notification.story_id.is_not(None),
            Notification.status.in_(_OVER),
            func.coalesce(Notification.reason, "") != DROPPED,
            other.status == "merged",
            other.reason.is_(None),
        )
        .group_by(Notification.id)
        .order_by(Notification.id)
    ).all()
    _set(session, [gone for _, gone in followers], status="merged", reason=func.coalesce(Notification.reason, "failed"))
    _set(session, [following for following, _ in followers], **_pending(now))
    return len(followers)


def heal(session: Session, *, now: datetime, since: datetime) -> int:
    """Hand on what failed at the moment at which another notification merged into it, and so did not know of that.

    Looks at those that merged since a moment; nothing is longer under way than that.
    """
    other = aliased(Notification)
    fresh = select(other.story_id, other.user_id).where(
        other.status == "merged", other.reason.is_(None), other.created_at > since
    )
    rows = session.execute(fresh.distinct()).all()
    if not rows:
        return 0
    stories = {story_id for story_id, _ in rows}
    users = {user_id for _, user_id in rows}
    return hand_on(session, and_(Notification.story_id.in_(stories), Notification.user_id.in_(users)), now=now)


def split(session: Session, post_id: int, *, now: datetime) -> int:
    """Take a post out of its story for good; returns how many people are owed a post now that they had merged.

    Those are the people for whom the post itself was merged, and those for whom others of the story merged into it.
    """
    post = session.get_one(Post, post_id, with_for_update=True)
    story_id, post.story_id, post.is_split = post.story_id, None, True
    session.flush()
    if story_id is None:
        return 0
    mine = Notification.post_id == post_id
    owed = _rows(session, mine, Notification.status == "merged", Notification.reason.is_(None))
    tried = _rows(session, mine, Notification.status == "merged", Notification.reason.is_not(None))
    _set(session, owed, story_id=None, **_pending(now))
    _set(session, tried, story_id=None, status="failed")
    session.execute(update(Notification).where(mine).values(story_id=None).execution_options(synchronize_session=False))
    speaks = aliased(Notification)
    others = session.scalars(
        select(func.min(Notification.id))
        .where(
            Notification.story_id == story_id,
            Notification.status == "merged",
            Notification.reason.is_(None),
            ~select(speaks.id)
            .where(speaks.story_id == story_id, speaks.user_id == Notification.user_id, speaks.status != "merged")
            .exists(),
        )
        .group_by(Notification.user_id)
    ).all()
    _set(session, others, **_pending(now))
    return len(owed) + len(others)


def leave(session: Session, site_id: int, *, now: datetime) -> None:
    """Before a site goes with its notifications: let what waits there be followed by what merged into it."""
    waiting = (
        Notification.post_id.in_(select(Post.id).where(Post.site_id == site_id, Post.story_id.is_not(None))),
        Notification.story_id.is_not(None),
        Notification.status.in_(("pending", "sending")),
    )
    ids = _rows(session, *waiting)
    _set(session, ids, status="skipped", reason="its site was removed", **_FREE)
    hand_on(session, Notification.id.in_(given_values(session, "left", ids, BigInteger())), now=now)


def merge_into(session: Session, old: int, new: int) -> None:
    """Before a user's notifications become another's: merge those of stories that the other has too."""
    has = aliased(Notification)
    session.execute(
        update(Notification)
        .where(
            Notification.user_id == old,
            Notification.story_id.is_not(None),
            Notification.status != "merged",
            select(has.id)
            .where(has.user_id == new, has.story_id == Notification.story_id, has.status != "merged")
            .exists(),
        )
        .values(status="merged", reason=func.coalesce(Notification.reason, Notification.status))
        .execution_options(synchronize_session=False)
    )


def _rows(session: Session, *conditions: ColumnElement[bool]) -> Sequence[int]:
    return session.scalars(select(Notification.id).where(*conditions).order_by(Notification.id).with_for_update()).all()


def _pending(now: datetime) -> dict[str, Any]:
    return {"status": "pending", "attempts": 0, "next_attempt_at": now, "enqueued_at": None, "reason": None}


def _set(session: Session, ids: Sequence[int], **values: Any) -> None:
    if ids:
        session.execute(
            update(Notification)
            .where(Notification.id.in_(given_values(session, "ids", ids, BigInteger())))
            .values(values)
            .execution_options(synchronize_session=False)
        )


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Another post of the same story."""

    post_id: int
    site: str
    url: str


def elsewhere(session: Session, story_ids: Collection[int]) -> dict[int, list[Elsewhere]]:
    """The posts of stories, by story, in the order in which they came."""
    found: dict[int, list[Elsewhere]] = {}
    if story_ids:
        rows = session.execute(
            select(Post.story_id, Post.id, Site.name, Post.url)
            .join(Site, Site.id == Post.site_id)
            .where(Post.story_id.in_(story_ids))
            .order_by(Post.id)
        )
        for story_id, post_id, site, url in rows:
            found.setdefault(story_id or 0, []).append(Elsewhere(post_id=post_id, site=site, url=url))
    return found
