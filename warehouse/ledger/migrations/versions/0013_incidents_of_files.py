"""An incident about a file is one of its own; alerts remember the newest incident told, and are paced by when they arrived."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

IS_OPEN = sa.text("resolved_at IS NULL")


def upgrade() -> None:
    """The file joins the key of open incidents; what is open now counts as told."""
    op.execute("UPDATE incidents SET file_id = '' WHERE file_id IS NULL")
    op.drop_index("ux_incidents_open", "incidents")
    with op.batch_alter_table("incidents") as table:
        table.alter_column(
            "file_id",
            existing_type=sa.String(36),
            nullable=False,
            server_default="",
            comment='"" when not about one file',
        )
    op.create_index(
        "ux_incidents_open",
        "incidents",
        ["scope", "subject", "stage", "code", "order_id", "file_id"],
        unique=True,
        sqlite_where=IS_OPEN,
        postgresql_where=IS_OPEN,
    )
    op.add_column(
        "alerts_told",
        sa.Column("newest", sa.Integer(), nullable=False, server_default="0", comment="id of the newest incident told"),
    )
    op.create_index("ix_alert_messages_sent", "alert_messages", ["sent_at"])
    op.execute("UPDATE alerts_told SET newest = (SELECT coalesce(max(id), 0) FROM incidents)")
