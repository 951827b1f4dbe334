"""The orders of actions on many."""

from __future__ import annotations

import sqlalchemy as sa

from warehouse.ledger.base.schema.columns import Instant, metadata

bulk_chunks = sa.Table(
    "bulk_chunks",
    metadata,
    sa.Column("selection", sa.String(36), primary_key=True, comment="id of the operator request, once it is asked"),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False, comment="the chunk's place, from 0"),
    sa.Column("chosen_at", Instant, nullable=False),
    sa.Column("orders", sa.LargeBinary, nullable=False, comment="internal ids, 16 bytes each"),
    sa.Column("fates", sa.Text, comment="JSON: what became of each, in their order; null: their turn has not come"),
)
