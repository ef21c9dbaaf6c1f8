"""Posts whose text changed since their readers were found."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "post_edits",
        sa.Column("post_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("changed", sa.Boolean(), nullable=False),
        sa.Column("fanning", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("expected", sa.Boolean(), nullable=False),
        sa.Column("seen", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name=op.f("fk_post_edits_post_id_posts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("post_id", name=op.f("pk_post_edits")),
    )
    op.create_index(
        "ix_post_edits_changed",
        "post_edits",
        ["post_id"],
        sqlite_where=sa.text("changed"),
        postgresql_where=sa.text("changed"),
    )
