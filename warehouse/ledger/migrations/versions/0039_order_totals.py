"""How many orders there are of each kind on all days: a count without a range of days adds no days up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    """The table, filled from the counts of days; the book is not read."""
    op.create_table(
        "order_totals",
        sa.Column("channel", sa.String(64), primary_key=True),
        sa.Column("marketplace", sa.Text(), primary_key=True),
        sa.Column("status", sa.String(24), primary_key=True),
        sa.Column("has_errors", sa.Boolean(), primary_key=True),
        sa.Column("has_cancellation_request", sa.Boolean(), primary_key=True),
        sa.Column("fulfilled_by", sa.String(12), primary_key=True, comment='"": the marketplace does not say'),
        sa.Column("may_ship", sa.Boolean(), primary_key=True),
        sa.Column("orders", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
        comment="the same of all days, of which there are more and more",
    )
    kind = "channel, marketplace, status, has_errors, has_cancellation_request, fulfilled_by, may_ship"
    op.execute(f"INSERT INTO order_totals ({kind}, orders) SELECT {kind}, sum(orders) FROM order_counts GROUP BY {kind}")  # noqa: S608 - ours
