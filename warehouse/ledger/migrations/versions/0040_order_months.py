"""How many orders there are of each kind in each month: a long range adds no more days up than those of its ends."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"

FIRST_DAYS = {
    "sqlite": "date(day, 'start of month')",
    "postgresql": "CAST(date_trunc('month', day) AS date)",
}


def upgrade() -> None:
    """The table, filled from the counts of days; the book is not read."""
    op.create_table(
        "order_months",
        sa.Column("channel", sa.String(64), primary_key=True),
        sa.Column("marketplace", sa.Text(), primary_key=True),
        sa.Column("status", sa.String(24), primary_key=True),
        sa.Column("has_errors", sa.Boolean(), primary_key=True),
        sa.Column("has_cancellation_request", sa.Boolean(), primary_key=True),
        sa.Column("fulfilled_by", sa.String(12), primary_key=True, comment='"": the marketplace does not say'),
        sa.Column("may_ship", sa.Boolean(), primary_key=True),
        sa.Column("month", sa.Date(), primary_key=True, comment="its first day"),
        sa.Column("orders", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
        comment="the same of a month's days, so that a long range does not add up each of its days",
    )
    kind = "channel, marketplace, status, has_errors, has_cancellation_request, fulfilled_by, may_ship"
    first_day = FIRST_DAYS[op.get_bind().dialect.name]
    op.execute(
        f"INSERT INTO order_months ({kind}, month, orders) "  # noqa: S608 - ours
        f"SELECT {kind}, {first_day}, sum(orders) FROM order_counts GROUP BY {kind}, {first_day}"
    )
