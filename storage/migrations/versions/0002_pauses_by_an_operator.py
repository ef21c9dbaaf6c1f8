"""Pauses by an operator."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "pauses",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_pauses")),
    )
    op.add_column("sites", sa.Column("crawl_paused_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("sites", sa.Column("push_paused_at", sa.DateTime(timezone=True), nullable=True))
