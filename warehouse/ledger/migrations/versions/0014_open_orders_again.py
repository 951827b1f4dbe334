"""Open orders are read again from what the marketplace sent: those of an older release said that all of them may ship.

The migration only says up to which raw order; the next normalisations do it, the newest orders first.
"""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """A cursor that goes down to 0."""
    op.execute("INSERT INTO marks (name, value) SELECT 'read_again_through', coalesce(max(raw_seq), 0) FROM orders")
