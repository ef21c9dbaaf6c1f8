"""Any platform; which devices a vendor refuses, how well each channel is; one form for APNs' tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

COLUMNS = (
    sa.Column("refused_code", sa.String(length=64), nullable=True),
    sa.Column("refused_since", sa.DateTime(timezone=True), nullable=True),
)


def upgrade() -> None:
    _drop_what_is_kept_twice()
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table("devices") as batch:
            batch.drop_constraint(op.f("ck_devices_platform"), type_="check")
            for column in COLUMNS:
                batch.add_column(column)
    else:
        op.execute("ALTER TABLE devices DROP CONSTRAINT ck_devices_platform")
        for column in COLUMNS:
            op.add_column("devices", column)
    op.create_index(
        "ix_devices_refused",
        "devices",
        ["platform", "refused_code"],
        sqlite_where=sa.text("refused_code IS NOT NULL"),
        postgresql_where=sa.text("refused_code IS NOT NULL"),
    )
    op.create_table(
        "channel_health",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trouble_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trouble_code", sa.String(length=64), nullable=True),
        sa.Column("trouble_detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_channel_health")),
    )


def _drop_what_is_kept_twice() -> None:
    """A token of APNs in capital letters is the same phone: the one that was seen last stays, in small letters."""
    hexadecimal = (
        "token NOT GLOB '*[^0-9A-Fa-f]*'" if op.get_bind().dialect.name == "sqlite" else "token ~ '^[0-9A-Fa-f]+$'"
    )
    twice = f"""
        SELECT id FROM (
            SELECT id, row_number() OVER (PARTITION BY lower(token) ORDER BY last_seen_at DESC, id DESC) AS place
            FROM devices WHERE platform = 'apns' AND {hexadecimal}
        ) AS ranked WHERE place > 1
    """  # noqa: S608 - nothing in it comes from outside
    op.execute(f"DELETE FROM deliveries WHERE device_id IN ({twice})")  # noqa: S608
    op.execute(f"DELETE FROM devices WHERE id IN ({twice})")  # noqa: S608
    op.execute(
        f"UPDATE devices SET token = lower(token) WHERE platform = 'apns' AND token <> lower(token) AND {hexadecimal}"  # noqa: S608
    )
