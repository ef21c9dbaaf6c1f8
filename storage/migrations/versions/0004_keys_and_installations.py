"""Keys of the HTTP API, phones without a login, and what an app tells about devices and notifications."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

MOMENT = sa.DateTime(timezone=True)
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("prefix", sa.String(length=32), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=True),
        sa.Column("algorithm", sa.String(length=16), nullable=True),
        sa.Column("verification_key", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.CheckConstraint("scope IN ('app', 'sites', 'read', 'install', 'sign')", name=op.f("ck_api_keys_scope")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_keys_prefix")),
    )
    op.create_index("ix_api_keys_name", "api_keys", ["name"])
    op.create_table(
        "installations",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_installations_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installations")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_installations_secret_hash")),
    )
    op.create_index("ix_installations_user_id", "installations", ["user_id"])
    op.add_column("devices", sa.Column("installation", sa.String(length=64), nullable=True))
    op.add_column("devices", sa.Column("app", sa.String(length=155), nullable=True))
    op.add_column("devices", sa.Column("locale", sa.String(length=35), nullable=True))
    op.create_index(
        "uq_devices_installation",
        "devices",
        ["user_id", "installation"],
        unique=True,
        sqlite_where=sa.text("installation IS NOT NULL"),
        postgresql_where=sa.text("installation IS NOT NULL"),
    )
    op.add_column("notifications", sa.Column("opened_at", MOMENT, nullable=True))
    op.add_column("notifications", sa.Column("dismissed_at", MOMENT, nullable=True))
