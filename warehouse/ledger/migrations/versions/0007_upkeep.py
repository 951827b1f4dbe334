"""What upkeep asks for: when an order was closed, which rows still hold personal data, and counts for metrics."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """One column, two indexes of the few rows that hold personal data, one table, one mark."""
    from warehouse.ledger.base.schema import Instant

    op.add_column(
        "orders",
        sa.Column(
            "closed_at",
            Instant(),
            nullable=True,
            comment="the marketplace's time of the change that closed it; null while it is open",
        ),
    )
    op.execute(
        "UPDATE orders SET closed_at = marketplace_updated_at WHERE status IN ('SHIPPED', 'CANCELED', 'REFUSED')"
    )
    for name, table, columns, where in (
        ("ix_orders_personal", "orders", ["received_at", "id"], "pii_state = 'present'"),
        ("ix_raw_orders_sealed", "raw_orders", ["received_at", "seq"], "body IS NOT NULL"),
    ):
        op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    op.create_table(
        "counters",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False, comment="the channel or connection that it counts for"),
        sa.Column(
            "bucket",
            sa.String(16),
            nullable=False,
            comment='of a histogram: upper bound or sum; "" of a counter',
        ),
        sa.Column("value", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", "subject", "bucket"),
    )
    op.execute("INSERT INTO marks (name, value) VALUES ('traces', 0)")
