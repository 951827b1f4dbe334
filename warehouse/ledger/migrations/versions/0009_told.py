"""What each attempt told, and references that nobody else has counted up to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

TOLD = "reference, tracking number and units that were told, and the units that were shipped before; by line"


def upgrade() -> None:
    """One column; packages that no marketplace was told of yet get a number that other tools do not use."""
    from warehouse.ledger.shipping.references import free_reference

    op.add_column("confirmation_attempts", sa.Column("told", sa.JSON(none_as_null=True), nullable=True, comment=TOLD))
    connection = op.get_bind()
    untold = connection.execute(
        sa.text(
            "SELECT id FROM shipments WHERE sent_version IS NULL"
            " AND NOT EXISTS (SELECT 1 FROM confirmation_attempts WHERE shipment_id = shipments.id)"
        )
    ).scalars()
    rows = [{"own_id": own_id, "number": free_reference(own_id, ())} for own_id in untold]
    if rows:
        connection.execute(sa.text("UPDATE shipments SET reference = :number WHERE id = :own_id"), rows)
