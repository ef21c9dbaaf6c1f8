"""What phones show of an edited post is replaced by its new text, where the post's site wants that.

`pipeline.fanout.edits` plans it: when, for each post. Then the notifications that a phone shows an older text of are
marked (`to_show`), slice by slice. What is marked is sent for, claimed, leased, put off and recorded like a pending
notification, by the same functions, but stays `sent`: for its person, the inbox and the badge nothing happened. Each
delivery says which version of the text its device shows, so that no device is told one twice.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, and_, case, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from storage.json_table import given_values
from storage.models import Delivery, Device, Notification, Post, PostEdit


def plan(session: Session, post_id: int, *, at: datetime, replaced: Sequence[int], shown: int) -> None:
    """Have what phones show of an edited post, whose row is locked, replaced at a time.

    replaced: such times, in seconds, this one the last. shown: a digest of the text.
    """
    edit = session.get_one(PostEdit, post_id)
    edit.replace_at, edit.replaced, edit.shown = at, list(replaced), shown
    session.flush()


def planned(session: Session, *, now: datetime, limit: int) -> Sequence[int]:
    """Posts that phones are to show another text of now."""
    query = select(PostEdit.post_id).where(PostEdit.replace_at <= now).order_by(PostEdit.replace_at)
    return session.scalars(query.limit(limit)).all()


def mark(session: Session, post_id: int, *, after: int, limit: int, now: datetime) -> int | None:
    """Mark the next notifications of a post whose devices show an older text; returns the last user, None at the end.

    `after` is the user before. Not marked is what its person has read, opened or dismissed: it would come back. Nor is
    what was told among others in a digest. May be done again from the beginning at any time: what shows the text
    already, and devices that got it meanwhile, are passed over.
    """
    version = session.scalar(select(Post.version).where(Post.id == post_id)) or 0
    others = aliased(Notification)
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
            exists().where(
                Delivery.notification_id == Notification.id,
                Delivery.status == "delivered",
                func.coalesce(Delivery.version, 0) < version,
                Delivery.device_id == Device.id,
                Device.disabled_at.is_(None),
            ),
            or_(
                Notification.digest_id.is_(None),
                ~exists().where(
                    others.digest_id == Notification.digest_id,
                    others.id != Notification.id,
                    others.status == "sent",
                ),
            ),
        )
        .order_by(Notification.user_id)
        .limit(limit)
    ).all()
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
    if len(rows) == limit:
        return int(rows[-1].user_id)
    session.execute(
        update(PostEdit)
        .where(PostEdit.post_id == post_id, and_(PostEdit.replace_at <= now))
        .values(replace_at=None)
        .execution_options(synchronize_session=False)
    )
    return None
