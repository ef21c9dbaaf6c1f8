"""What a notification waits for.

Nothing is filled in: the code of this release knows rows that the last one wrote by their reason (storage.waiting).
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("notifications", sa.Column("waits_for", sa.String(length=80), nullable=True))
