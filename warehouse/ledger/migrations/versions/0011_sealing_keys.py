"""The keys that the ledger was sealed with, each with a value that opens with that key only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """One table; it is filled when the ledger is next opened with a key ring that opens what is in it."""
    from warehouse.ledger.base.schema import Instant

    op.create_table(
        "sealing_keys",
        sa.Column("id", sa.Text, nullable=False, comment="a fingerprint, or an id given by hand: sealed data may name it"),
        sa.Column("fingerprint", sa.String(16), nullable=False),
        sa.Column("check_value", sa.LargeBinary, nullable=False, comment="sealed: opens with the same key only"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
