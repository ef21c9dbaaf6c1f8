"""What is owed to whom, and what became of it."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.types import Base, BigId, one_of, partial_index

NOTIFICATION_STATUSES = ("pending", "sending", "sent", "failed", "skipped", "merged")
DELIVERY_STATUSES = ("retry", "delivered", "failed")


class Notification(Base):
    """A post owed to a user. The unique pair is why a phone rings once."""

    __tablename__ = "notifications"
    __table_args__ = (
        UniqueConstraint("post_id", "user_id"),
        one_of("status", NOTIFICATION_STATUSES),
        Index("ix_notifications_user_id_id", "user_id", "id"),
        partial_index("ix_notifications_pending", "next_attempt_at", where="status = 'pending'"),
        partial_index("ix_notifications_sending", "lease_until", where="status = 'sending'"),
        # A story is told a person by one of its notifications; the others are merged into that.
        partial_index(
            "uq_notifications_story",
            "story_id",
            "user_id",
            where="story_id IS NOT NULL AND status <> 'merged'",
            unique=True,
        ),
        partial_index("ix_notifications_story_id", "story_id", "user_id", where="story_id IS NOT NULL"),
        partial_index("ix_notifications_merged", "created_at", where="status = 'merged'"),
        partial_index("ix_notifications_failed", "id", where="status = 'failed'"),
        # The badge: how many of a user's notifications are unread.
        partial_index("ix_notifications_unread", "user_id", where="status = 'sent' AND read_at IS NULL"),
        partial_index("ix_notifications_deferred", "user_id", where="deferred IS NOT NULL"),
        partial_index("ix_notifications_to_show", "next_attempt_at", where="to_show IS NOT NULL"),
        partial_index("ix_notifications_digest_id", "digest_id", where="digest_id IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    # The first phrase that hit; NULL when the subscription means every post of its site. No foreign key: a keyword
    # that nobody uses any more goes, and ids never come back, so at worst there is no text to show.
    keyword_id: Mapped[int | None] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(16), server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime]
    enqueued_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]
    lease_token: Mapped[str | None] = mapped_column(String(64))
    sent_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]
    # What the app said of it: the person tapped it, or wiped it away.
    opened_at: Mapped[datetime | None]
    dismissed_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    # Its post's, unless the post was split off.
    story_id: Mapped[int | None] = mapped_column(BigInteger)
    # Status pending: the fault or the pause whose end makes it due (storage.waiting).
    waits_for: Mapped[str | None] = mapped_column(String(80))
    # Status pending: why it waits for its user's time ("quiet hours", pipeline.delivery.timing); nobody may send it
    # by itself before a digest was made of what waits for this user.
    deferred: Mapped[str | None] = mapped_column(String(16))
    # The digest that it is told in. No foreign key: digests go when all of their notifications have gone.
    digest_id: Mapped[int | None] = mapped_column(BigInteger)
    # Status sent: its devices show an older text than this version of its post, and are to show it instead
    # (storage.replacing). It is then claimed, leased and put off as a pending one is.
    to_show: Mapped[int | None]


class Digest(Base):
    """One message about all that waited for a user until one moment. The unique pair is why it is shown once.

    It is sent in the name of one of its notifications, the lead: that one's claim, lease and deliveries are the
    digest's. The others wait, are claimed by nobody, and become what the lead becomes.
    """

    __tablename__ = "digests"
    __table_args__ = (
        UniqueConstraint("user_id", "due_at"),
        partial_index("ix_digests_open", "id", where="closed_at IS NULL"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    # Its window: the moment for which its notifications waited.
    due_at: Mapped[datetime]
    lead_id: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class Delivery(Base):
    """What became of one notification on one device."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("notification_id", "device_id"),
        one_of("status", DELIVERY_STATUSES),
        Index("ix_deliveries_device_id", "device_id"),
        # For `status`. A block range index costs next to nothing to write, and these rows come in the order of time.
        Index("ix_deliveries_at", "at", postgresql_using="brin"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    notification_id: Mapped[int] = mapped_column(ForeignKey("notifications.id", ondelete="CASCADE"))
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id", ondelete="CASCADE"))
    platform: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(server_default="1")
    provider_id: Mapped[str | None]
    # The vendor's own code and the text of its answer; never a token.
    code: Mapped[str | None] = mapped_column(String(64))
    detail: Mapped[str | None]
    # The version of the post's text that the device shows; NULL is 0.
    version: Mapped[int | None]
    # Status retry: not before this, whatever the user's other devices are due for. Delivered: no replacement before it.
    next_attempt_at: Mapped[datetime | None]
    at: Mapped[datetime]
