"""Stories: what several sites of a group say is told a person once."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STATUS = "ck_notifications_status"
STATUSES = "status IN ('pending', 'sending', 'sent', 'failed', 'skipped', 'merged')"
INDEXES = (
    ("uq_posts_story_id", "posts", ["story_id", "site_id"], "story_id IS NOT NULL", True),
    (
        "uq_notifications_story",
        "notifications",
        ["story_id", "user_id"],
        "story_id IS NOT NULL AND status <> 'merged'",
        True,
    ),
    ("ix_notifications_story_id", "notifications", ["story_id", "user_id"], "story_id IS NOT NULL", False),
    ("ix_notifications_merged", "notifications", ["created_at"], "status = 'merged'", False),
)


def upgrade() -> None:
    op.create_table(
        "stories",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("story_group", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=512), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stories")),
        sa.UniqueConstraint("story_group", "key", "number", name=op.f("uq_stories_story_group_key_number")),
    )
    op.add_column("sites", sa.Column("story_group", sa.String(length=64), nullable=True))
    op.add_column("sites", sa.Column("labels", sa.Text(), nullable=True))
    story = sa.Column("story_id", BIG_ID, nullable=True)
    is_split: sa.Column[bool] = sa.Column("is_split", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    name = op.f("fk_posts_story_id_stories")
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table("posts") as posts:
            posts.add_column(story)
            posts.add_column(is_split)
            posts.create_foreign_key(name, "stories", ["story_id"], ["id"])
        with op.batch_alter_table("notifications") as notifications:
            notifications.add_column(sa.Column("story_id", sa.BigInteger(), nullable=True))
            notifications.drop_constraint(op.f(STATUS), type_="check")
            notifications.create_check_constraint(op.f(STATUS), STATUSES)
    else:
        op.add_column("posts", story)
        op.add_column("posts", is_split)
        op.create_foreign_key(name, "posts", "stories", ["story_id"], ["id"])
        op.add_column("notifications", sa.Column("story_id", sa.BigInteger(), nullable=True))
        # Checked apart: the rows that are there hold what the old constraint allowed.
        op.execute(f"ALTER TABLE notifications DROP CONSTRAINT {STATUS}")
        op.execute(f"ALTER TABLE notifications ADD CONSTRAINT {STATUS} CHECK ({STATUSES}) NOT VALID")
        op.execute(f"ALTER TABLE notifications VALIDATE CONSTRAINT {STATUS}")
    for index, table, columns, where, unique in INDEXES:
        op.create_index(
            index, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
        )
