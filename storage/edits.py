"""Posts whose text changed since their readers were found: whom the new text newly concerns is owed them too.

Whoever changes what phrases are looked for in calls `note` or `note_page` before, in the same transaction. What is
noted outlives every process; `pipeline.fanout.edits` looks at it every few seconds, and a fan-out like any other serves
the new readers.

A post's readers are those who were found by the text that is kept here, so the new ones are those whom the post's text
concerns and this one does not. It is kept until nothing is left to do: however often a post is edited meanwhile, nobody
is passed over.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import and_, case, or_, select, update
from sqlalchemy.orm import Session

from storage.dialect import connection_of, insert
from storage.models import CrawlRun, Post, PostEdit, Site
from storage.replacing import SEVERAL

_HAD_READERS = ("ready", "done", "silent")
"""Fan-out states in which an edit counts. Before, all readers are found by the new text; dropped is dropped.

It counts too in a post that is held for an earlier edit: others have the post already.
"""
SEEN_MOST = 20
"""So many findings are remembered of a post whose text goes to and fro."""


class Text(NamedTuple):
    """What phrases are looked for in."""

    title: str
    body: str


def text_of(row: Post | PostEdit) -> Text:
    """The text of a post, or the one by which its readers were found."""
    return Text(row.title, row.body)


def note(session: Session, texts: Mapping[int, tuple[str, str]]) -> None:
    """Note that a page lists posts under these titles, with these bodies; to be called before these are written.

    A body that came from the post's own page stays. Locks the posts in the order in which a crawl does.
    """
    posts, new = _locked(session, texts), {}
    for post in posts:
        title, body = texts[post.id]
        new[post.id] = Text(title, body if post.attachments is None else post.body)
    _note(session, posts, new, expected=False)


def note_page(session: Session, post_id: int, *, body: str) -> None:
    """Note that a post's own page was read, later than the list; to be called before its body is written."""
    posts = _locked(session, [post_id])
    _note(session, posts, {post.id: Text(post.title, body) for post in posts}, expected=True)


def _locked(session: Session, post_ids: Collection[int]) -> Sequence[Post]:
    query = select(Post).where(Post.id.in_(post_ids)).order_by(Post.external_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).all()


def _note(session: Session, posts: Sequence[Post], new: Mapping[int, Text], *, expected: bool) -> None:
    held = [post.id for post in posts if post.fanout == "held"]
    fanning = select(PostEdit.post_id).where(PostEdit.post_id.in_(held), PostEdit.fanning)
    held_again = set(session.scalars(fanning)) if held else set()
    changed = [
        {
            "post_id": post.id,
            "title": post.title,
            "body": post.body,
            "changed": True,
            "expected": expected,
        }
        for post in posts
        if (post.fanout in _HAD_READERS or post.id in held_again) and text_of(post) != new[post.id]
    ]
    if not changed:
        return
    counted = update(Post).where(Post.id.in_([each["post_id"] for each in changed])).values(version=Post.version + 1)
    session.execute(counted.execution_options(synchronize_session=False))
    statement = insert(session, PostEdit)
    is_idle = and_(~PostEdit.changed, ~PostEdit.fanning)
    connection_of(session).execute(
        statement.on_conflict_do_update(
            index_elements=[PostEdit.post_id],
            set_={
                **{
                    name: case((is_idle, statement.excluded[name]), else_=getattr(PostEdit, name))
                    for name in ("title", "body")
                },
                "changed": True,
                # What was sent since the last look shows the text between.
                "shown": case((PostEdit.changed, SEVERAL), else_=PostEdit.shown),
                "expected": or_(is_idle, PostEdit.expected) & statement.excluded.expected,
            },
        ),
        changed,
    )


@dataclass(frozen=True, kw_only=True)
class Edited:
    """A post that was edited, locked, as it was when its readers were found and as it is."""

    post_id: int
    site_id: int
    before: Text
    text: Text
    match_body: bool
    expected: bool
    # It was published, or at least first seen, too long ago to be pushed.
    too_old: bool
    seen: Sequence[int]
    # Whether phones are to show the new text, how the site's messages look, and what was planned of it so far.
    replaces: bool
    push: Mapping[str, Any]
    replace_at: datetime | None
    replaced: Sequence[int]
    shown: int | None


def waiting(session: Session, *, now: datetime, limit: int) -> list[Edited]:
    """Posts that were edited and that no fan-out is under way for, locked."""
    rows = session.execute(
        select(Post, PostEdit, Site)
        .join(PostEdit, PostEdit.post_id == Post.id)
        .join(Site, Site.id == Post.site_id)
        .where(and_(PostEdit.changed), Post.fanout.in_(("done", "silent")))
        .order_by(PostEdit.post_id)
        .limit(limit)
        .with_for_update(of=Post, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    return [
        Edited(
            post_id=post.id,
            site_id=post.site_id,
            before=text_of(edit),
            text=text_of(post),
            match_body=site.match_body,
            expected=edit.expected,
            too_old=(now - (post.published_at or post.first_seen_at)).total_seconds() > site.max_age_s,
            seen=edit.seen,
            replaces=site.edits == "replace",
            push=site.push,
            replace_at=edit.replace_at,
            replaced=edit.replaced,
            shown=edit.shown,
        )
        for post, edit, site in rows
    ]


def shown(session: Session, site_id: int) -> int:
    """How many posts a site's page showed when it last came whole; 0 when it never did."""
    return (
        session.scalar(
            select(CrawlRun.items_seen)
            .where(CrawlRun.site_id == site_id, CrawlRun.status == "finished", CrawlRun.not_modified.is_(False))
            .order_by(CrawlRun.id.desc())
            .limit(1)
        )
        or 0
    )


def fan_out_again(session: Session, edited: Edited, *, seen: Sequence[int], hold: bool, now: datetime) -> None:
    """Have a locked post's new readers served, or held for approval; `seen` adds to what is remembered of it."""
    session.execute(
        update(Post)
        .where(Post.id == edited.post_id)
        .values(fanout="held" if hold else "ready", fanout_cursor=0, fanout_enqueued_at=now)
    )
    remembered = [*edited.seen, *(digest for digest in seen if digest not in edited.seen)][-SEEN_MOST:]
    session.execute(
        update(PostEdit).where(PostEdit.post_id == edited.post_id).values(changed=False, fanning=True, seen=remembered)
    )


def drop(session: Session, post_ids: Collection[int]) -> None:
    """Forget that posts were edited, but not what was found in their texts for new readers, nor what phones show."""
    for edit in session.scalars(select(PostEdit).where(PostEdit.post_id.in_(post_ids))):
        if edit.seen or edit.replaced:
            edit.title = edit.body = ""
            edit.changed = edit.fanning = False
        else:
            session.delete(edit)
    session.flush()


def end(session: Session, post_ids: Collection[int], *, served: bool) -> None:
    """Note that the new readers of edits are served, or not to be. A post that was edited again is to be looked at."""
    # What was found in the text for which they began may have been served to nobody: slices take the post's text.
    over = {"fanning": False, **({"seen": []} if served else {})}
    again = update(PostEdit).where(PostEdit.post_id.in_(post_ids), PostEdit.changed).values(over)
    drop(session, set(post_ids).difference(session.scalars(again.returning(PostEdit.post_id))))


def begin_anew(session: Session, post: Post) -> None:
    """Note that all readers of a locked post are found anew; what phones show is still to be looked at."""
    anew = {"title": post.title, "body": post.body, "fanning": False, "shown": SEVERAL}
    edited = update(PostEdit).where(PostEdit.post_id == post.id, PostEdit.changed).values(anew)
    if session.scalar(edited.returning(PostEdit.post_id)) is None:
        drop(session, [post.id])
