"""Orders that were chosen for one action on many, and requests that are carried out in several goes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from warehouse.ledger.base.schema import Instant

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """A table, and a column of what is asked."""
    op.create_table(
        "bulk_chunks",
        sa.Column("selection", sa.String(36), primary_key=True, comment="id of the operator request, once it is asked"),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False, comment="the chunk's place, from 0"),
        sa.Column("chosen_at", Instant, nullable=False),
        sa.Column("orders", sa.LargeBinary, nullable=False, comment="internal ids, 16 bytes each"),
        sa.Column(
            "fates", sa.Text, comment="JSON: what became of each, in their order; null: their turn has not come"
        ),
    )
    fruitful = sa.Column(
        "fruitful",
        sa.Integer,
        nullable=False,
        server_default="0",
        comment="how many of the claims, up to the last that brought it forward",
    )
    op.add_column("operator_requests", fruitful)
