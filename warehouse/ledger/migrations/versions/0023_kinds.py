"""Indexes of the kinds of orders that lists ask for, by purchase and by arrival."""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"

KIND = ["channel", "status", "has_errors", "has_cancellation_request", "fulfilled_by"]


def upgrade() -> None:
    """Two indexes; each is about 150 bytes an order."""
    op.create_index("ix_orders_kind_purchased", "orders", [*KIND, "purchased_at", "id", "received_at"])
    op.create_index("ix_orders_kind_received", "orders", [*KIND, "received_at", "purchased_at", "id"])
