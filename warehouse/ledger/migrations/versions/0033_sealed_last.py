"""What was sealed last and first is found by an index, however many orders there are."""

from __future__ import annotations

from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    """The key ring is tried on what it finds."""
    op.create_index("ix_parties_updated", "parties", ["updated_at"])
