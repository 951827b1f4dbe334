"""Columns and a table that say what they hold in the words of the code and of the API."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"

COLUMNS = (
    ("shipments", "known_as", "marketplace_package_id"),
    ("order_lines", "told_shipped", "marketplace_quantity_shipped"),
    ("confirmation_attempts", "told", "content"),
    ("alert_recipients", "requests_told", "requests_through"),
)


def upgrade() -> None:
    """Names only: both databases rename in place, with what refers to a name."""
    for table, old, new in COLUMNS:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    op.rename_table("alerts_told", "announced_troubles")
    if op.get_bind().dialect.name == "postgresql":  # SQLite keeps no comments
        op.execute("COMMENT ON COLUMN raw_orders.pull_id IS '0: no pull has brought it, it was given to us'")
