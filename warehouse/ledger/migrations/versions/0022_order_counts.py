"""How many orders there are of each kind, by the day of arrival; days are those of UTC until the pipeline takes the merchant's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"

COUNT = """
INSERT INTO order_counts
    (channel, marketplace, status, has_errors, has_cancellation_request, fulfilled_by, may_ship, day, orders)
SELECT channel, marketplace, status, has_errors, has_cancellation_request, coalesce(fulfilled_by, ''),
    may_not_ship_reason IS NULL, {day}, count(*)
FROM orders
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
"""
DAYS = {"sqlite": "substr(received_at, 1, 10)", "postgresql": "(received_at AT TIME ZONE 'UTC')::date"}


def upgrade() -> None:
    """The table, filled from the orders that there are."""
    op.create_table(
        "order_counts",
        sa.Column("channel", sa.String(64), primary_key=True),
        sa.Column("marketplace", sa.Text(), primary_key=True),
        sa.Column("status", sa.String(24), primary_key=True),
        sa.Column("has_errors", sa.Boolean(), primary_key=True),
        sa.Column("has_cancellation_request", sa.Boolean(), primary_key=True),
        sa.Column("fulfilled_by", sa.String(12), primary_key=True, comment='"": the marketplace does not say'),
        sa.Column("may_ship", sa.Boolean(), primary_key=True),
        sa.Column("day", sa.Date(), primary_key=True, comment="of arrival, in the zone of `order_counts_zone`"),
        sa.Column("orders", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
        comment="how many orders there are of each kind, written with the orders",
    )
    op.create_table(
        "order_counts_zone",
        sa.Column("zone", sa.Text(), primary_key=True),
        comment="one row: in whose days orders are counted; locked by who counts",
    )
    op.execute("INSERT INTO order_counts_zone (zone) VALUES ('UTC')")
    op.execute(COUNT.format(day=DAYS[op.get_bind().dialect.name]))
