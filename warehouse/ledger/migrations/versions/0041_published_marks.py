"""How far the ledger was at the last publish: a tick that has nothing to publish does not open the lake."""

from __future__ import annotations

from alembic import op

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    """The marks, before anything was published."""
    for name in ("lake_position", "lake_raw", "lake_products", "lake_at"):
        op.execute(f"INSERT INTO marks (name, value) VALUES ('{name}', 0)")  # noqa: S608 - ours
