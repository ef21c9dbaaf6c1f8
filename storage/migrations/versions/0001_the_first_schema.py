"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)

INDEXES = (
    ("ix_crawl_runs_finished_at", "crawl_runs", ["finished_at"], None),
    ("ix_crawl_runs_site_id_id", "crawl_runs", ["site_id", "id"], None),
    ("uq_crawl_runs_unfinished", "crawl_runs", ["site_id"], "status IN ('queued', 'running')"),
    ("ix_devices_user_id", "devices", ["user_id"], None),
    ("ix_subscriptions_in_body", "subscriptions", ["keyword_id", "site_id", "user_id"], "match_body"),
    ("ix_subscriptions_matching", "subscriptions", ["keyword_id", "site_id", "user_id"], None),
    ("ix_subscriptions_site_id", "subscriptions", ["site_id"], "site_id IS NOT NULL"),
    ("ix_subscriptions_user_id", "subscriptions", ["user_id"], None),
    ("uq_subscriptions_keyword", "subscriptions", ["user_id", "keyword_id"], "site_id IS NULL"),
    (
        "uq_subscriptions_keyword_site",
        "subscriptions",
        ["user_id", "keyword_id", "site_id"],
        "keyword_id IS NOT NULL AND site_id IS NOT NULL",
    ),
    ("uq_subscriptions_site", "subscriptions", ["user_id", "site_id"], "keyword_id IS NULL"),
    ("ix_posts_fanout_open", "posts", ["fanout", "fanout_lease_until"], "fanout IN ('undecided', 'ready', 'held')"),
    ("ix_posts_first_seen_at", "posts", ["first_seen_at"], None),
    ("ix_posts_run_id", "posts", ["run_id"], None),
    ("ix_posts_site_id_id", "posts", ["site_id", "id"], None),
    ("ix_posts_with_body", "posts", ["first_seen_at"], "body <> ''"),
    ("ix_subscription_exclusions_keyword_id", "subscription_exclusions", ["keyword_id"], None),
    ("ix_notifications_failed", "notifications", ["id"], "status = 'failed'"),
    ("ix_notifications_pending", "notifications", ["next_attempt_at"], "status = 'pending'"),
    ("ix_notifications_sending", "notifications", ["lease_until"], "status = 'sending'"),
    ("ix_notifications_unread", "notifications", ["user_id"], "status = 'sent' AND read_at IS NULL"),
    ("ix_notifications_user_id_id", "notifications", ["user_id", "id"], None),
    ("ix_deliveries_device_id", "deliveries", ["device_id"], None),
)
"""Name, table, columns, and of which rows; those that begin with uq_ are unique."""


def upgrade() -> None:
    op.create_table(
        "channels",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("paused_at", MOMENT, nullable=False),
        sa.Column("paused_until", MOMENT, nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_channels")),
    )
    op.create_table(
        "keywords",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("text", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.CheckConstraint("kind IN ('word', 'substring')", name=op.f("ck_keywords_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keywords")),
        sa.UniqueConstraint("text", "kind", name=op.f("uq_keywords_text_kind")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "robots_files",
        sa.Column("origin", sa.String(length=512), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("fetched_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("origin", name=op.f("pk_robots_files")),
    )
    op.create_table(
        "sites",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("spider", sa.String(length=64), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("schedule", sa.String(length=128), server_default="5m", nullable=False),
        sa.Column("timezone", sa.String(length=64), server_default="UTC", nullable=False),
        sa.Column("active_hours", sa.String(length=16), nullable=True),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("(true)"), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("next_crawl_at", MOMENT, nullable=True),
        sa.Column("last_ok_at", MOMENT, nullable=True),
        sa.Column("baseline_done", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("empty_runs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("suspended_until", MOMENT, nullable=True),
        sa.Column("trouble", sa.String(length=16), nullable=True),
        sa.Column("trouble_since", MOMENT, nullable=True),
        sa.Column("good_runs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("adaptive_interval_s", sa.Integer(), nullable=True),
        sa.Column("skipped_runs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("max_age_s", sa.Integer(), server_default="604800", nullable=False),
        sa.Column("ttl_s", sa.Integer(), server_default="259200", nullable=False),
        sa.Column("match_body", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("push", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("allow_private", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("robots_exempt_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sites")),
        sa.UniqueConstraint("name", name=op.f("uq_sites_name")),
    )
    op.create_table(
        "users",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=False),
        sa.Column("timezone", sa.String(length=64), server_default="UTC", nullable=False),
        sa.Column("paused", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("external_id", name=op.f("uq_users_external_id")),
    )
    op.create_table(
        "crawl_runs",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("trigger", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("enqueued_at", MOMENT, nullable=True),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("finish_reason", sa.String(length=64), nullable=True),
        sa.Column("pages", sa.Integer(), server_default="0", nullable=False),
        sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("items_seen", sa.Integer(), server_default="0", nullable=False),
        sa.Column("new_posts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("errors", sa.Integer(), server_default="0", nullable=False),
        sa.Column("first_error", sa.Text(), nullable=True),
        sa.Column("status_counts", sa.JSON(), nullable=False),
        sa.Column("not_modified", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("cpu_s", sa.Double(), nullable=True),
        sa.CheckConstraint("status IN ('queued', 'running', 'finished', 'failed')", name=op.f("ck_crawl_runs_status")),
        sa.ForeignKeyConstraint(
            ["site_id"], ["sites.id"], name=op.f("fk_crawl_runs_site_id_sites"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_crawl_runs")),
    )
    op.create_table(
        "devices",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("platform", sa.String(length=16), nullable=False),
        sa.Column("token", sa.String(length=2048), nullable=False),
        sa.Column("environment", sa.String(length=16), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_seen_at", MOMENT, nullable=False),
        sa.Column("disabled_at", MOMENT, nullable=True),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("busy_until", MOMENT, nullable=True),
        sa.CheckConstraint("platform IN ('fcm', 'apns', 'console')", name=op.f("ck_devices_platform")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_devices_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("platform", "token", name=op.f("uq_devices_platform_token")),
    )
    op.create_table(
        "page_validators",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("url", sa.String(length=2048), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["site_id"], ["sites.id"], name=op.f("fk_page_validators_site_id_sites"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_page_validators")),
        sa.UniqueConstraint("site_id", "url", name=op.f("uq_page_validators_site_id_url")),
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("keyword_id", BIG_ID, nullable=True),
        sa.Column("site_id", sa.Integer(), nullable=True),
        sa.Column("match_body", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint("keyword_id IS NOT NULL OR site_id IS NOT NULL", name=op.f("ck_subscriptions_something")),
        sa.ForeignKeyConstraint(["keyword_id"], ["keywords.id"], name=op.f("fk_subscriptions_keyword_id_keywords")),
        sa.ForeignKeyConstraint(
            ["site_id"], ["sites.id"], name=op.f("fk_subscriptions_site_id_sites"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_subscriptions_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriptions")),
    )
    op.create_table(
        "posts",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("run_id", BIG_ID, nullable=True),
        sa.Column("external_id", sa.String(length=512), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), server_default="", nullable=False),
        sa.Column("author", sa.Text(), server_default="", nullable=False),
        sa.Column("published_at", MOMENT, nullable=True),
        sa.Column("first_seen_at", MOMENT, nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("fanout", sa.String(length=16), server_default="undecided", nullable=False),
        sa.Column("fanout_cursor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("fanout_token", sa.String(length=64), nullable=True),
        sa.Column("fanout_lease_until", MOMENT, nullable=True),
        sa.Column("fanout_enqueued_at", MOMENT, nullable=True),
        sa.Column("fanout_at", MOMENT, nullable=True),
        sa.Column("matched_users", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "fanout IN ('undecided', 'ready', 'held', 'dropped', 'silent', 'done')", name=op.f("ck_posts_fanout")
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["crawl_runs.id"], name=op.f("fk_posts_run_id_crawl_runs"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_posts_site_id_sites"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posts")),
        sa.UniqueConstraint("site_id", "external_id", name=op.f("uq_posts_site_id_external_id")),
    )
    op.create_table(
        "subscription_exclusions",
        sa.Column("subscription_id", BIG_ID, nullable=False),
        sa.Column("keyword_id", BIG_ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["keyword_id"], ["keywords.id"], name=op.f("fk_subscription_exclusions_keyword_id_keywords")
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscriptions.id"],
            name=op.f("fk_subscription_exclusions_subscription_id_subscriptions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("subscription_id", "keyword_id", name=op.f("pk_subscription_exclusions")),
    )
    op.create_table(
        "notifications",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("post_id", BIG_ID, nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("keyword_id", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.String(length=16), server_default="pending", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("enqueued_at", MOMENT, nullable=True),
        sa.Column("next_attempt_at", MOMENT, nullable=False),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("lease_token", sa.String(length=64), nullable=True),
        sa.Column("sent_at", MOMENT, nullable=True),
        sa.Column("read_at", MOMENT, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status IN ('pending', 'sending', 'sent', 'failed', 'skipped')", name=op.f("ck_notifications_status")
        ),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name=op.f("fk_notifications_post_id_posts"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_notifications_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        sa.UniqueConstraint("post_id", "user_id", name=op.f("uq_notifications_post_id_user_id")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("notification_id", BIG_ID, nullable=False),
        sa.Column("device_id", BIG_ID, nullable=False),
        sa.Column("platform", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="1", nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("next_attempt_at", MOMENT, nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.CheckConstraint("status IN ('retry', 'delivered', 'failed')", name=op.f("ck_deliveries_status")),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_deliveries_device_id_devices"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notifications.id"],
            name=op.f("fk_deliveries_notification_id_notifications"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("notification_id", "device_id", name=op.f("uq_deliveries_notification_id_device_id")),
    )
    for name, table, columns, of in INDEXES:
        where = sa.text(of) if of else None
        unique = name.startswith("uq_")
        op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)
    op.create_index("ix_deliveries_at", "deliveries", ["at"], postgresql_using="brin")
