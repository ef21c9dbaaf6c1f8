"""When and how often a person wants to hear, and what waits for their time."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
COLUMNS: tuple[tuple[str, "sa.Column[Any]"], ...] = (
    ("users", sa.Column("preferences", sa.JSON(), nullable=True)),
    ("users", sa.Column("snooze_until", sa.DateTime(timezone=True), nullable=True)),
    ("subscriptions", sa.Column("pace", sa.String(length=8), nullable=True)),
    ("sites", sa.Column("urgent", sa.Boolean(), server_default=sa.text("false"), nullable=False)),
    ("notifications", sa.Column("deferred", sa.String(length=16), nullable=True)),
    ("notifications", sa.Column("digest_id", sa.BigInteger(), nullable=True)),
)
INDEXES = (
    ("ix_notifications_deferred", "notifications", "user_id", sa.text("deferred IS NOT NULL")),
    ("ix_notifications_digest_id", "notifications", "digest_id", sa.text("digest_id IS NOT NULL")),
    ("ix_users_preferences", "users", "id", sa.text("preferences IS NOT NULL")),
    ("ix_users_snooze_until", "users", "id", sa.text("snooze_until IS NOT NULL")),
    ("ix_subscriptions_pace", "subscriptions", "user_id", sa.text("pace IS NOT NULL")),
    ("ix_digests_open", "digests", "id", sa.text("closed_at IS NULL")),
)


def upgrade() -> None:
    for table, column in COLUMNS:
        op.add_column(table, column)
    op.create_table(
        "digests",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lead_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_digests_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_digests")),
        sa.UniqueConstraint("user_id", "due_at", name=op.f("uq_digests_user_id_due_at")),
    )
    for name, table, indexed, where in INDEXES:
        op.create_index(name, table, [indexed], sqlite_where=where, postgresql_where=where)
