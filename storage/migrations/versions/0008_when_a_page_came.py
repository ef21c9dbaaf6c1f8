"""When a page last came whole, so that a server that answers 304 for ever is asked without a condition now and then."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("page_validators", sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True))
