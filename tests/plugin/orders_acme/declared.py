"""What Acme needs of a connection and of a shipment."""

from __future__ import annotations

from pydantic import Field

from orders_pipeline.marketplaces.settings import HttpSettings
from warehouse.shipments import CancelReason, Cancels, Carrier, CarrierRule, Idempotency, Requirements

REQUIREMENTS = Requirements(
    needs_tracking_number=True,
    needs_carrier=True,
    carrier_rule=CarrierRule.LISTED_OR_NAMED,
    carriers=(Carrier(code="DHL", label="DHL"), Carrier(code="GLS", label="GLS")),
    idempotency=Idempotency.NATURAL,
    acceptance_state="NEW",
    acceptance_within_hours=4,
    can_refuse=False,
    cancels=Cancels.WHOLE_ORDER,
    cancel_reasons=(CancelReason(code="STOCK", label="Out of stock"),),
    decides_cancellations=True,
)


class AcmeSettings(HttpSettings):
    """The settings of an Acme connection."""

    page_size: int = Field(50, ge=1, le=50, description="Orders per page.")
    is_listening: bool = Field(default=False, description="Whether Acme's news of changes bring pulls forward.")
