"""Indexes of what lists are filtered by: country, ship-by, confirmation, history, and orders that a consumer refused."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

TO_SHIP = sa.text("status IN ('WAITING_FOR_SHIPMENT', 'PARTIALLY_SHIPPED')")
UNSETTLED = sa.text("confirmation_status NOT IN ('none', 'verified')")
REFUSED = sa.text("outcome = 'error'")


def upgrade() -> None:
    """The indexes; the partial ones are of few rows."""
    op.create_index("ix_orders_country", "orders", ["shipping_country_code", "purchased_at", "id"])
    op.create_index(
        "ix_orders_historical",
        "orders",
        ["purchased_at", "id"],
        sqlite_where=sa.text("is_historical = 1"),
        postgresql_where=sa.text("is_historical"),
    )
    op.create_index(
        "ix_orders_ship_by", "orders", ["status", "ship_by", "id"], sqlite_where=TO_SHIP, postgresql_where=TO_SHIP
    )
    op.create_index(
        "ix_orders_confirmation",
        "orders",
        ["confirmation_status", "id"],
        sqlite_where=UNSETTLED,
        postgresql_where=UNSETTLED,
    )
    op.create_index(
        "ix_acknowledgements_refused",
        "acknowledgements",
        ["consumer", "order_id"],
        sqlite_where=REFUSED,
        postgresql_where=REFUSED,
    )
