"""People, their phones, and what they want to hear of."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.types import Base, BigId, one_of, partial_index

TOKEN_LENGTH = 2048
"""PostgreSQL refuses an index entry over 2,704 bytes; FCM's tokens are some hundred characters long."""
KEYWORD_KINDS = ("word", "substring")
PACES = ("now", "hourly", "daily", "inbox")
"""From the liveliest to the one that never pushes."""


class User(Base):
    """A person, by the id that the app knows them by."""

    __tablename__ = "users"
    # Those who said when they want to hear: a fan-out looks for them, and asks nobody else.
    __table_args__ = (
        partial_index("ix_users_preferences", "id", where="preferences IS NOT NULL"),
        partial_index("ix_users_snooze_until", "id", where="snooze_until IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    external_id: Mapped[str] = mapped_column(String(255), unique=True)
    timezone: Mapped[str] = mapped_column(String(64), server_default="UTC")
    paused: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime]
    # Quiet hours, digests and the like (pipeline.basics.preferences); NULL: as the installation has it.
    preferences: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    snooze_until: Mapped[datetime | None]


class Device(Base):
    """A phone (or, for development, the console). A token belongs to one user at a time."""

    __tablename__ = "devices"
    __table_args__ = (
        UniqueConstraint("platform", "token"),
        Index("ix_devices_user_id", "user_id"),
        # The app's own name for this copy of itself: its token may change, the installation stays.
        partial_index(
            "uq_devices_installation", "user_id", "installation", where="installation IS NOT NULL", unique=True
        ),
        partial_index("ix_devices_refused", "platform", "refused_code", where="refused_code IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    # A road that pipeline.push has a channel for; which there are is nothing that the database knows.
    platform: Mapped[str] = mapped_column(String(16))
    token: Mapped[str] = mapped_column(String(TOKEN_LENGTH))
    # APNs only: the environment that this token lives in, once known.
    environment: Mapped[str | None] = mapped_column(String(16))
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]
    # The vendor asked for a pause for this one device: nothing is sent to it before.
    busy_until: Mapped[datetime | None]
    installation: Mapped[str | None] = mapped_column(String(64))
    # APNs only: the app's bundle id, where it is not APNS_TOPIC (a debug build, a second app).
    app: Mapped[str | None] = mapped_column(String(155))
    # A BCP 47 tag such as ko-KR.
    locale: Mapped[str | None] = mapped_column(String(35))
    # The vendor's code when it last refused this one for a reason that may be ours as well, and since when it does. Of
    # several devices it speaks against the channel; one that is refused alone is tried again later.
    refused_code: Mapped[str | None] = mapped_column(String(64))
    refused_since: Mapped[datetime | None]

    def __repr__(self) -> str:
        return f"Device(id={self.id}, user_id={self.user_id}, platform={self.platform!r})"


class Keyword(Base):
    """A distinct phrase, in the matcher's canonical form; many subscriptions share it."""

    __tablename__ = "keywords"
    __table_args__ = (
        UniqueConstraint("text", "kind"),
        one_of("kind", KEYWORD_KINDS),
        # A matcher in memory, and the notifications that name a keyword, must never take a new one for one that went.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    text: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(16))


class Subscription(Base):
    """What a user wants to hear of: a phrase (or every post of a site), on one site or on all."""

    __tablename__ = "subscriptions"
    __table_args__ = (
        CheckConstraint("keyword_id IS NOT NULL OR site_id IS NOT NULL", name="something"),
        # NULLs are distinct in a unique constraint, so each combination of NULLs has an index of its own.
        partial_index(
            "uq_subscriptions_keyword_site",
            "user_id",
            "keyword_id",
            "site_id",
            where="keyword_id IS NOT NULL AND site_id IS NOT NULL",
            unique=True,
        ),
        partial_index("uq_subscriptions_keyword", "user_id", "keyword_id", where="site_id IS NULL", unique=True),
        partial_index("uq_subscriptions_site", "user_id", "site_id", where="keyword_id IS NULL", unique=True),
        # What belongs to a user: to show, to count and to forget it.
        Index("ix_subscriptions_user_id", "user_id"),
        # A slice of a fan-out reads the next users of a phrase on every site or on one, or of all posts of a site, in
        # the order of their ids; those who look in the body too have an index of their own.
        Index("ix_subscriptions_matching", "keyword_id", "site_id", "user_id"),
        partial_index("ix_subscriptions_in_body", "keyword_id", "site_id", "user_id", where="match_body"),
        partial_index("ix_subscriptions_site_id", "site_id", where="site_id IS NOT NULL"),
        partial_index("ix_subscriptions_pace", "user_id", where="pace IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    keyword_id: Mapped[int | None] = mapped_column(ForeignKey("keywords.id"))
    site_id: Mapped[int | None] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"))
    match_body: Mapped[bool] = mapped_column(server_default=text("false"))
    # Not in the body, even on a site in whose bodies phrases are looked for.
    title_only: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime]
    # How often it may push; NULL: as its user's digests say, else at once.
    pace: Mapped[str | None] = mapped_column(String(8))


class SubscriptionExclusion(Base):
    """A phrase that silences a subscription for the posts in which it occurs."""

    __tablename__ = "subscription_exclusions"
    __table_args__ = (Index("ix_subscription_exclusions_keyword_id", "keyword_id"),)

    subscription_id: Mapped[int] = mapped_column(ForeignKey("subscriptions.id", ondelete="CASCADE"), primary_key=True)
    keyword_id: Mapped[int] = mapped_column(ForeignKey("keywords.id"), primary_key=True)
