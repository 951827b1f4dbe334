"""An index of when the time of personal data began to run, so that what is due is found without looking at the rest."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"

CLOSED_AT = "coalesce(closed_at, marketplace_updated_at)"
TIME_BEGAN = (
    "CASE WHEN status IN ('CANCELED', 'REFUSED', 'SHIPPED') "
    f"THEN CASE WHEN ship_by > {CLOSED_AT} THEN ship_by ELSE {CLOSED_AT} END END"
)


def upgrade() -> None:
    """Of orders that have personal data still."""
    present = sa.text("pii_state = 'present'")
    op.create_index(
        "ix_orders_time_began",
        "orders",
        [sa.text(f"({TIME_BEGAN})")],
        sqlite_where=present,
        postgresql_where=present,
    )
