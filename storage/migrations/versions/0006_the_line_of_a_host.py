"""The line of those that wait for a host."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

UNFINISHED = sa.text("status IN ('queued', 'running')")


def upgrade() -> None:
    op.add_column("crawl_runs", sa.Column("host", sa.String(length=255), nullable=True))
    op.create_index(
        "ix_crawl_runs_line", "crawl_runs", ["host", "id"], postgresql_where=UNFINISHED, sqlite_where=UNFINISHED
    )
