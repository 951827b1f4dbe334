"""What the newest versions of orders say stands in the orders alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from warehouse.ledger.base.schema import Instant, Sequence

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    """Versions that say what their orders say lose their facts; SQLite writes the table anew, so that the room is free."""
    if op.get_context().dialect.name == "postgresql":
        op.alter_column("order_versions", "facts", nullable=True, comment="null: what the order says now")
        op.execute(
            "UPDATE order_versions SET facts = NULL FROM orders "
            "WHERE orders.id = order_versions.order_id AND orders.facts = order_versions.facts"
        )
        return
    op.create_table(
        "order_versions_anew",
        sa.Column("position", Sequence, primary_key=True, autoincrement=False),
        sa.Column("order_id", sa.String(36), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("status", sa.String(24), nullable=False),
        sa.Column("marketplace_updated_at", Instant, nullable=False),
        sa.Column("recorded_at", Instant, nullable=False),
        sa.Column("raw_seq", Sequence, nullable=False),
        sa.Column("changed", sa.Text, nullable=False),
        sa.Column("facts", sa.Text),
    )
    op.execute(
        "INSERT INTO order_versions_anew SELECT position, order_id, revision, status, marketplace_updated_at, recorded_at, "
        "raw_seq, changed, nullif(facts, (SELECT orders.facts FROM orders WHERE orders.id = order_id)) "
        "FROM order_versions ORDER BY position"
    )
    op.drop_table("order_versions")
    op.rename_table("order_versions_anew", "order_versions")
    op.create_index("ix_order_versions_order", "order_versions", ["order_id", "revision"])
