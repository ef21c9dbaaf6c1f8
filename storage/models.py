"""Every table of crawlpush.

Times are aware datetimes in UTC on the way in and on the way out, whatever the database keeps. Each unique
constraint here is a promise (see docs/architecture.md): code may try anything twice, the constraint decides.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.types import Base, BigId, one_of, partial_index

metadata = Base.metadata
"""Of all tables."""

EXTERNAL_ID_LENGTH = 512
TOKEN_LENGTH = 2048
"""PostgreSQL refuses an index entry over 2,704 bytes; FCM's tokens are some hundred characters long."""

RUN_UNFINISHED = ("queued", "running")
RUN_STATUSES = (*RUN_UNFINISHED, "finished", "failed")
FANOUT_STATES = ("undecided", "ready", "held", "dropped", "silent", "done")
NOTIFICATION_STATUSES = ("pending", "sending", "sent", "failed", "skipped")
DELIVERY_STATUSES = ("retry", "delivered", "failed")
KEYWORD_KINDS = ("word", "substring")
API_SCOPES = ("app", "sites", "read", "install", "sign")


class Site(Base):
    """A board or feed that is watched."""

    __tablename__ = "sites"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    spider: Mapped[str] = mapped_column(String(64))
    params: Mapped[dict[str, Any]] = mapped_column(default=dict)
    schedule: Mapped[str] = mapped_column(String(128), server_default="5m")
    timezone: Mapped[str] = mapped_column(String(64), server_default="UTC")
    active_hours: Mapped[str | None] = mapped_column(String(16))
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime]
    next_crawl_at: Mapped[datetime | None]
    # The first finished run that saw items is a silent baseline; this says that it is behind us (or was not wanted).
    baseline_done: Mapped[bool] = mapped_column(server_default=text("false"))
    # Consecutive failed runs, and consecutive finished runs without items where there used to be some.
    failures: Mapped[int] = mapped_column(server_default="0")
    empty_runs: Mapped[int] = mapped_column(server_default="0")
    suspended_until: Mapped[datetime | None]
    # What alerts and `status` go by, with hysteresis: "broken", "suspect", "ids change" or nothing, and the good runs
    # in a row since.
    trouble: Mapped[str | None] = mapped_column(String(16))
    trouble_since: Mapped[datetime | None]
    good_runs: Mapped[int] = mapped_column(server_default="0")
    # What to set, in words, when a run showed that the definition does not fit; shown while the site is in trouble.
    advice: Mapped[str | None]
    # Of an adaptive schedule: the interval that how often the site posts gives now.
    adaptive_interval_s: Mapped[int | None]
    # Due crawls that were left out because the last run was still unfinished.
    skipped_runs: Mapped[int] = mapped_column(server_default="0")
    # Posts published longer ago than this are stored and never pushed; notices older than ttl are not sent any more.
    max_age_s: Mapped[int] = mapped_column(server_default=str(7 * 86_400))
    ttl_s: Mapped[int] = mapped_column(server_default=str(3 * 86_400))
    match_body: Mapped[bool] = mapped_column(server_default=text("false"))
    # What differs from the usual message: templates, sound, Android channel and so on (pipeline.delivery.template).
    push: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"), default=dict)
    # Loopback and private addresses are refused unless the site says so; robots.txt is obeyed unless a reason is given.
    allow_private: Mapped[bool] = mapped_column(server_default=text("false"))
    robots_exempt_reason: Mapped[str | None]
    # An operator paused this site's crawls, or the pushes of its posts (storage.pauses).
    crawl_paused_at: Mapped[datetime | None]
    push_paused_at: Mapped[datetime | None]


class PageValidator(Base):
    """What a conditional GET needs: the ETag and Last-Modified of a page, from the last finished run."""

    __tablename__ = "page_validators"
    __table_args__ = (UniqueConstraint("site_id", "url"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"))
    url: Mapped[str] = mapped_column(String(2048))
    etag: Mapped[str | None]
    last_modified: Mapped[str | None]
    # When the page last came whole; without it, long ago.
    fetched_at: Mapped[datetime | None]


class Showing(Base):
    """What a site's page showed in the last good run that found new posts: what a later one is compared with."""

    __tablename__ = "showings"

    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True)
    post_ids: Mapped[list[int]]


class RobotsFile(Base):
    """A robots.txt, kept so that it is not fetched before each crawl, and for when it cannot be fetched."""

    __tablename__ = "robots_files"

    origin: Mapped[str] = mapped_column(String(512), primary_key=True)
    body: Mapped[str]
    fetched_at: Mapped[datetime]


class CrawlRun(Base):
    """One crawl of one site, owed (queued), under way (running) or over."""

    __tablename__ = "crawl_runs"
    __table_args__ = (
        one_of("status", RUN_STATUSES),
        # At most one unfinished run per site: this is what keeps two crawls of a site from overlapping.
        partial_index("uq_crawl_runs_unfinished", "site_id", where="status IN ('queued', 'running')", unique=True),
        # The line of those that wait for a host.
        partial_index("ix_crawl_runs_line", "host", "id", where="status IN ('queued', 'running')"),
        Index("ix_crawl_runs_site_id_id", "site_id", "id"),
        Index("ix_crawl_runs_finished_at", "finished_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"))
    # The host that it goes to, which takes one crawl at a time. None in the runs of older versions.
    host: Mapped[str | None] = mapped_column(String(255))
    trigger: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    enqueued_at: Mapped[datetime | None]
    # The lease: whoever closes the run must still hold this token; a run whose lease ran out is dead.
    owner: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    finish_reason: Mapped[str | None] = mapped_column(String(64))
    pages: Mapped[int] = mapped_column(server_default="0")
    bytes: Mapped[int] = mapped_column(BigInteger, server_default="0")
    items_seen: Mapped[int] = mapped_column(server_default="0")
    new_posts: Mapped[int] = mapped_column(server_default="0")
    # Posts that came under new ids and were recognised as old ones (pipeline.crawling.same_posts).
    carried_posts: Mapped[int] = mapped_column(server_default="0")
    errors: Mapped[int] = mapped_column(server_default="0")
    first_error: Mapped[str | None]
    status_counts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    not_modified: Mapped[bool] = mapped_column(server_default=text("false"))
    cpu_s: Mapped[float | None]


class Post(Base):
    """A post of a site. It is new exactly once: when this row is inserted."""

    __tablename__ = "posts"
    __table_args__ = (
        UniqueConstraint("site_id", "external_id"),
        one_of("fanout", FANOUT_STATES),
        Index("ix_posts_run_id", "run_id"),
        Index("ix_posts_first_seen_at", "first_seen_at"),
        Index("ix_posts_site_id_id", "site_id", "id"),
        # Retention empties old texts, and must not read those again that it has emptied.
        partial_index("ix_posts_with_body", "first_seen_at", where="body <> ''"),
        # The states that somebody still has to act upon are few; finished posts are many.
        partial_index(
            "ix_posts_fanout_open", "fanout", "fanout_lease_until", where="fanout IN ('undecided', 'ready', 'held')"
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("crawl_runs.id", ondelete="SET NULL"))
    external_id: Mapped[str] = mapped_column(String(EXTERNAL_ID_LENGTH))
    url: Mapped[str]
    title: Mapped[str]
    body: Mapped[str] = mapped_column(server_default="")
    author: Mapped[str] = mapped_column(server_default="")
    published_at: Mapped[datetime | None]
    first_seen_at: Mapped[datetime]
    content_hash: Mapped[str] = mapped_column(String(64))
    fanout: Mapped[str] = mapped_column(String(16), server_default="undecided")
    # The last user id whose notification rows and messages are done; a fan-out goes on after it.
    fanout_cursor: Mapped[int] = mapped_column(BigInteger, server_default="0")
    fanout_token: Mapped[str | None] = mapped_column(String(64))
    fanout_lease_until: Mapped[datetime | None]
    fanout_enqueued_at: Mapped[datetime | None]
    fanout_at: Mapped[datetime | None]
    matched_users: Mapped[int] = mapped_column(server_default="0")


class User(Base):
    """A person, by the id that the app knows them by."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    external_id: Mapped[str] = mapped_column(String(255), unique=True)
    timezone: Mapped[str] = mapped_column(String(64), server_default="UTC")
    paused: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime]


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
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    keyword_id: Mapped[int | None] = mapped_column(ForeignKey("keywords.id"))
    site_id: Mapped[int | None] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"))
    match_body: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime]


class SubscriptionExclusion(Base):
    """A phrase that silences a subscription for the posts in which it occurs."""

    __tablename__ = "subscription_exclusions"
    __table_args__ = (Index("ix_subscription_exclusions_keyword_id", "keyword_id"),)

    subscription_id: Mapped[int] = mapped_column(ForeignKey("subscriptions.id", ondelete="CASCADE"), primary_key=True)
    keyword_id: Mapped[int] = mapped_column(ForeignKey("keywords.id"), primary_key=True)


class Notification(Base):
    """A post owed to a user. The unique pair is why a phone rings once."""

    __tablename__ = "notifications"
    __table_args__ = (
        UniqueConstraint("post_id", "user_id"),
        one_of("status", NOTIFICATION_STATUSES),
        Index("ix_notifications_user_id_id", "user_id", "id"),
        partial_index("ix_notifications_pending", "next_attempt_at", where="status = 'pending'"),
        partial_index("ix_notifications_sending", "lease_until", where="status = 'sending'"),
        partial_index("ix_notifications_failed", "id", where="status = 'failed'"),
        # The badge: how many of a user's notifications are unread.
        partial_index("ix_notifications_unread", "user_id", where="status = 'sent' AND read_at IS NULL"),
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
    # Status pending: the fault or the pause whose end makes it due (storage.waiting).
    waits_for: Mapped[str | None] = mapped_column(String(80))


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
    # Status retry: not before this, whatever the user's other devices are due for.
    next_attempt_at: Mapped[datetime | None]
    at: Mapped[datetime]


class ChannelState(Base):
    """A push channel that is paused, why, and until when. No row: the channel is open."""

    __tablename__ = "channels"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    paused_at: Mapped[datetime]
    paused_until: Mapped[datetime]
    code: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str]


class ChannelHealth(Base):
    """When a vendor last took a message over a channel, and since when it takes none by a fault of its own."""

    __tablename__ = "channel_health"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    # Half a minute old at the most while messages go out.
    accepted_at: Mapped[datetime | None]
    trouble_since: Mapped[datetime | None]
    trouble_code: Mapped[str | None] = mapped_column(String(64))
    trouble_detail: Mapped[str | None]


class Pause(Base):
    """What an operator paused everywhere: "crawl", "push", or the pushes of the channel of this name.

    It stays until the operator ends it, apart from the pauses in `channels`, which a probe ends.
    """

    __tablename__ = "pauses"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    paused_at: Mapped[datetime]


class ApiKey(Base):
    """A key for the HTTP API. Of a secret one only the hash is kept; it is shown once, when it is made."""

    __tablename__ = "api_keys"
    __table_args__ = (one_of("scope", API_SCOPES), Index("ix_api_keys_name", "name"))

    id: Mapped[int] = mapped_column(primary_key=True)
    # Two valid keys may have one name, so that one can replace the other without a pause.
    name: Mapped[str] = mapped_column(String(64))
    scope: Mapped[str] = mapped_column(String(16))
    # The part of the key that finds its row, and that lists show; for a signing key the `kid` of its tokens.
    prefix: Mapped[str] = mapped_column(String(32), unique=True)
    # SHA-256 of the whole key: 256 random bits need no slow hash.
    hash: Mapped[str | None] = mapped_column(String(64))
    # Of a key that signs users' tokens: ES256 with the public key, or HS256 with the secret itself.
    algorithm: Mapped[str | None] = mapped_column(String(16))
    verification_key: Mapped[str | None]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    def __repr__(self) -> str:
        return f"ApiKey(id={self.id}, name={self.name!r}, scope={self.scope!r})"


class Installation(Base):
    """A phone without a login: the anonymous user that it got, and the hash of the secret in its keychain."""

    __tablename__ = "installations"
    __table_args__ = (Index("ix_installations_user_id", "user_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]

    def __repr__(self) -> str:
        return f"Installation(id={self.id}, user_id={self.user_id})"
