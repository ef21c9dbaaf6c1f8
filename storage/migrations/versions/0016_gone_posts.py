"""Posts that were taken off their page."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

MISSING = sa.text("missing > 0")


def upgrade() -> None:
    op.add_column("posts", sa.Column("missing", sa.Integer(), server_default="0", nullable=False))
    op.add_column("posts", sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_posts_missing", "posts", ["site_id"], sqlite_where=MISSING, postgresql_where=MISSING)
