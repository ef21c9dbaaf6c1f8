"""What a post's own page held, and whether it is still to be read."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("posts", sa.Column("page_tries", sa.Integer(), nullable=True))
    op.add_column("posts", sa.Column("attachments", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("posts", sa.Column("image", sa.Text(), nullable=True))
    where = sa.text("page_tries IS NOT NULL")
    op.create_index("ix_posts_page_owed", "posts", ["site_id"], sqlite_where=where, postgresql_where=where)
    op.add_column("crawl_runs", sa.Column("post_pages", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("crawl_runs", sa.Column("page_problem", sa.Text(), nullable=True))
