"""Incidents that somebody has taken note of, and how often each was seen a day; indexes of pulls and acceptances by time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from warehouse.ledger.base.schema import Instant, Sequence

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """New columns and a table, both empty; what is there stays as it is."""
    op.add_column("incidents", sa.Column("acknowledged_by", sa.String(64), comment="who has taken note of it"))
    op.add_column("incidents", sa.Column("acknowledged_until", Instant(), comment="so long nobody is alerted of it"))
    op.create_table(
        "incident_days",
        sa.Column("incident", Sequence, sa.ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("day", sa.Date(), primary_key=True, comment="of UTC"),
        sa.Column("occurrences", sa.Integer(), nullable=False),
    )
    op.create_index("ix_pulls_until", "pulls", ["until"])
    op.create_index("ix_acceptances_requested", "acceptances", ["requested_at", "order_id"])
