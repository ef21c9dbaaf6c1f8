"""Subscriptions that look in the title only, even on a site in whose bodies phrases are looked for."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column(
        "subscriptions", sa.Column("title_only", sa.Boolean(), server_default=sa.text("(false)"), nullable=False)
    )
