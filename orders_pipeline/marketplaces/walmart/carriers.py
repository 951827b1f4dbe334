"""The carriers that Walmart takes by a code of its own, and what it needs of a shipment (Orders API v3, shipping updates)."""

from __future__ import annotations

from orders_pipeline.marketplaces.carrier_spellings import aliases
from orders_pipeline.marketplaces.walmart.states import CREATED
from warehouse.shipments import CancelReason, Cancels, Carrier, CarrierRule, Idempotency, Requirements

CODES = (
    *("UPS", "USPS", "FedEx", "Airborne", "OnTrac", "DHL Ecommerce - US", "DHL", "LS", "UDS", "UPSMI", "FDX", "PILOT"),
    *("ESTES", "SAIA", "FDS Express", "Seko Worldwide", "HIT Delivery", "FEDEXSP", "RL Carriers"),
    *("Metropolitan Warehouse & Delivery", "China Post", "YunExpress", "Yellow Freight Sys", "AIT Worldwide Logistics"),
    *("Chukou1", "Sendle", "Landmark Global", "Sunyou", "Yanwen", "4PX", "GLS", "OSM Worldwide", "FIRST MILE"),
    *("AM Trucking", "CEVA", "India Post", "SF Express", "CNE", "TForce Freight", "AxleHire", "LSO", "Royal Mail"),
    *("ABF Freight System", "WanB", "Roadrunner Freight", "Meyer Distribution", "AAA Cooper", "Canada Post"),
    *("Southeastern Freight Lines", "Japan Post", "Correos de Mexico", "XPO Logistics", "JD Logistics", "YDH", "JCEX"),
    *("Flyt", "Deutsche Post"),
)

CUSTOMER_REQUEST = "CUSTOMER_REQUESTED_SELLER_TO_CANCEL"
CANCEL_REASONS = (
    CancelReason(code=CUSTOMER_REQUEST, label="The customer asked for it"),
    CancelReason(code="SELLER_CANCEL_OUT_OF_STOCK", label="Out of stock"),
    CancelReason(code="SELLER_CANCEL_PRICING_ERROR", label="Pricing error"),
    CancelReason(code="SELLER_CANCEL_FRAUD_STOP_SHIPMENT", label="Fraud"),
    CancelReason(code="SELLER_CANCEL_ADDRESS_NOT_SERVICEABLE", label="The address is not served"),
)

REQUIREMENTS = Requirements(
    needs_tracking_number=True,
    needs_carrier=True,
    needs_tracking_url_of_named=True,
    carrier_rule=CarrierRule.LISTED_OR_NAMED,
    carriers=tuple(Carrier(code=code, label=code) for code in CODES),
    carrier_aliases=aliases(dict.fromkeys(CODES, ())),
    idempotency=Idempotency.NONE,
    acceptance_state=CREATED,
    acceptance_within_hours=4,
    can_refuse=False,
    cancels=Cancels.LINES,
    cancel_reasons=CANCEL_REASONS,
    notes=(
        "An order is acknowledged before it is shipped; what is not shipped in time Walmart cancels by itself.",
        "A buyer's request to cancel is answered by cancelling the lines, or by shipping them nevertheless.",
        "Orders of Walmart's own warehouses (WFS) are not confirmed.",
    ),
)
