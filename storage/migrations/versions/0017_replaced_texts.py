"""Edits that replace what phones show."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

COLUMNS: tuple[tuple[str, "sa.Column[Any]"], ...] = (
    ("sites", sa.Column("edits", sa.String(length=16), server_default="keep", nullable=False)),
    ("posts", sa.Column("version", sa.Integer(), server_default="0", nullable=False)),
    ("post_edits", sa.Column("replace_at", sa.DateTime(timezone=True), nullable=True)),
    ("post_edits", sa.Column("replaced", sa.JSON(), server_default=sa.text("'[]'"), nullable=False)),
    ("post_edits", sa.Column("shown", sa.BigInteger(), nullable=True)),
    ("notifications", sa.Column("to_show", sa.Integer(), nullable=True)),
    ("deliveries", sa.Column("version", sa.Integer(), nullable=True)),
)
INDEXES = (
    ("ix_post_edits_replace_at", "post_edits", "replace_at", sa.text("replace_at IS NOT NULL")),
    ("ix_notifications_to_show", "notifications", "next_attempt_at", sa.text("to_show IS NOT NULL")),
)


def upgrade() -> None:
    for table, column in COLUMNS:
        op.add_column(table, column)
    for name, table, indexed, where in INDEXES:
        op.create_index(name, table, [indexed], sqlite_where=where, postgresql_where=where)
