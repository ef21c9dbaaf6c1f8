"""Posts under new ids."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "showings",
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("post_ids", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_showings_site_id_sites"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("site_id", name=op.f("pk_showings")),
    )
    op.add_column("sites", sa.Column("advice", sa.Text(), nullable=True))
    op.add_column("crawl_runs", sa.Column("carried_posts", sa.Integer(), server_default="0", nullable=False))
