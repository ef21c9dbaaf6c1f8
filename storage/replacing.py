"""What phones show of an edited post is replaced by its new text, where the post's site wants that.

`pipeline.fanout.edits` plans it: when, for each post. Then the notifications that a phone shows an older text of are
marked (`to_show`), slice by slice. What is marked is sent for, claimed, leased, put off and recorded like a pending
notification, by the same functions, but stays `sent`: for its person, the inbox and the badge nothing happened. Each
delivery says which version of the text its device shows, so that no device is told one twice.

What was not sent yet needs none of this: a message takes its text after its claim, and after it was found which phones
show an older one (pipeline.delivery.batch). What is in a sender's hands may go out with the old text, so all of that is
marked too, and looked at once it is recorded.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import BigInteger, case, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from storage.json_table import given_values
from storage.models import Delivery, Device, Notification, Post, PostEdit

SEVERAL = -1
"""In place of a digest of the text that phones show: they may show more than one."""


def plan(session: Session, post_id: int, *, at: datetime, replaced: Sequence[int], shown: int) -> None:
    """Have what phones show of an edited post, whose row is locked, replaced at a time.

    replaced: such times, in seconds, this one the last. shown: a digest of the text.
    """
    edit = session.get_one(PostEdit, post_id)
    edit.replace_at, edit.replaced, edit.shown = at, list(replaced), shown
    session.flush()


def leave(session: Session, post_ids: Collection[int]) -> None:
    """Have nothing planned for the texts of some posts, which what is sent from now on says all the same."""
    edits = update(PostEdit).where(PostEdit.post_id.in_(post_ids)).values(shown=SEVERAL)
    session.execute(edits.execution_options(synchronize_session=False))


def planned(session: Session, *, now: datetime, limit: int) -> list[tuple[int, int]]:
    """Posts that phones are to show another text of now, each with the version of its text."""
    query = select(PostEdit.post_id, Post.version).join(Post, Post.id == PostEdit.post_id)
    rows = session.execute(query.where(PostEdit.replace_at <= now).order_by(PostEdit.replace_at).limit(limit))
    return [(post_id, version) for post_id, version in rows]


def mark(session: Session, post_id: int, *, version: int, after: int, limit: int, now: datetime) -> int | None:
    """Mark the next notifications of a post whose devices show an older text; returns the last user, None at the end.

    `after` is the user before. Not marked is what its person has read, opened or dismissed: it would come back. Nor is
    what was told among others in a digest. May be done again from the beginning at any time: what shows the text
    already, and devices that got it meanwhile, are passed over. So it is done again where the post was edited between
    the first slice and the last: the first ones may have been sent by then.
    """
    others = aliased(Notification)
    shows_older = exists().where(
        Delivery.notification_id == Notification.id,
        Delivery.status == "delivered",
        func.coalesce(Delivery.version, 0) < version,
        Delivery.device_id == Device.id,
        Device.disabled_at.is_(None),
    )
    rows = session.execute(
        select(Notification.id, Notification.user_id)
        .where(
            Notification.post_id == post_id,
            Notification.user_id > after,
            Notification.status.in_(("sent", "pending", "sending")),
            func.coalesce(Notification.to_show, -1) < version,
            Notification.read_at.is_(None),
            Notification.opened_at.is_(None),
            Notification.dismissed_at.is_(None),
            or_(Notification.status == "sending", shows_older),
            or_(
                Notification.digest_id.is_(None),
                ~exists().where(
                    others.digest_id == Notification.digest_id,
                    others.id != Notification.id,
                    # On its way, the others are still pending.
                    others.status != "skipped",
                ),
            ),
        )
        .order_by(Notification.user_id)
        .limit(limit)
    ).all()
    if len(rows) < limit:
        # Under the lock under which edits are judged: who plans for a newer text finds this one planned, or nothing.
        latest = select(Post.version).where(Post.id == post_id).with_for_update(key_share=True)
        if session.scalar(latest) == version:
            over = update(PostEdit).where(PostEdit.post_id == post_id).values(replace_at=None)
            session.execute(over.execution_options(synchronize_session=False))
    if rows:
        is_sent = Notification.status == "sent"
        ids = given_values(session, "stale", [row.id for row in rows], BigInteger())
        # Locked in the order of their ids, as by those who record.
        locked = select(Notification.id).where(Notification.id.in_(ids)).order_by(Notification.id).with_for_update()
        session.execute(
            update(Notification)
            .where(Notification.id.in_(locked))
            .values(
                to_show=version,
                # What is still sent to other devices keeps its own time.
                next_attempt_at=case((is_sent, now), else_=Notification.next_attempt_at),
                enqueued_at=case((is_sent, None), else_=Notification.enqueued_at),
            )
            .execution_options(synchronize_session=False)
        )
    return int(rows[-1].user_id) if len(rows) == limit else None
