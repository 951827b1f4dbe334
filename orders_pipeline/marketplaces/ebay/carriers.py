"""The carriers that eBay calls by a code of its own, and what it needs of a shipment (Fulfillment API v1)."""

from __future__ import annotations

from orders_pipeline.marketplaces.carrier_spellings import aliases
from warehouse.shipments import CancelReason, Cancels, Carrier, CarrierRule, Idempotency, Requirements

CODES: dict[str, tuple[str, ...]] = {
    "UPS": (),
    "USPS": (),
    "FedEx": ("FEDEX",),
    "DHL": (),
    "DHLExpress": ("DHL EXPRESS",),
    "DHLEKB": (),
    "DeutschePost": ("DEUTSCHE POST",),
    "Hermes": ("HERMES",),
    "GLS": (),
    "DPD": (),
    "TNT": (),
    "RoyalMail": ("ROYAL MAIL",),
    "Parcelforce": ("PARCELFORCE",),
    "Yodel": ("YODEL",),
    "Evri": ("EVRI",),
    "Chronopost": ("CHRONOPOST",),
    "Colissimo": ("COLISSIMO",),
    "LaPoste": ("LA POSTE",),
    "MondialRelay": ("MONDIAL RELAY",),
    "Correos": ("CORREOS",),
    "SEUR": (),
    "MRW": (),
    "Nacex": ("NACEX",),
    "PosteItaliane": ("POSTE ITALIANE",),
    "BRT": (),
    "SDA": (),
    "PostNL": ("POSTNL",),
    "BPOST": (),
    "InPost": ("INPOST",),
    "CanadaPost": ("CANADA POST",),
    "AustraliaPost": ("AUSTRALIA POST",),
    "SwissPost": ("SWISS POST",),
    "ChinaPost": ("CHINA POST",),
    "JapanPost": ("JAPAN POST",),
    "OnTrac": ("ONTRAC",),
}

CANCEL_REASONS = (
    CancelReason(code="BUYER_ASKED_CANCEL", label="The buyer asked for it"),
    CancelReason(code="OUT_OF_STOCK_OR_CANNOT_FULFILL", label="Out of stock, or it cannot be sent"),
    CancelReason(code="ADDRESS_ISSUES", label="Something is wrong with the address"),
)

REQUIREMENTS = Requirements(
    needs_tracking_number=False,
    needs_carrier=True,
    carrier_rule=CarrierRule.LISTED_OR_NAMED,
    carriers=tuple(Carrier(code=code, label=code) for code in CODES),
    carrier_aliases=aliases(CODES),
    idempotency=Idempotency.NONE,
    takes_corrections=False,
    cancels=Cancels.WHOLE_ORDER,
    cancel_reasons=CANCEL_REASONS,
    decides_cancellations=True,
    notes=(
        "A tracking number is told without blanks and hyphens, and must be of letters and digits only.",
        "What was told of a package cannot be changed over the API: correct the tracking in Seller Hub.",
        "Only whole orders are cancelled; a buyer's request is approved or rejected.",
        "Orders that eBay itself ships (Fulfilled by eBay, its vault) are not confirmed.",
    ),
)
