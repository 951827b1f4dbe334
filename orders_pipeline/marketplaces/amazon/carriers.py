"""The carriers that Amazon has a code for, and what Amazon needs of a shipment.

Amazon takes a code of its list, or "Other" with the carrier's name. The list is the enumeration CarrierCode of its feeds'
schema, which Amazon changes without notice: a channel's own carrier table comes before this one.
"""

from __future__ import annotations

from orders_pipeline.marketplaces.carrier_spellings import aliases
from warehouse.shipments import Carrier, CarrierRule, Idempotency, Requirements

OTHER = "Other"

CODES: tuple[str, ...] = (
    "BRT",
    "Chronopost",
    "Colis Prive",
    "Colissimo",
    "Correos",
    "Correos Express",
    "CTT",
    "Deutsche Post",
    "DHL",
    "DHL Express",
    "DPD",
    "Evri",
    "FedEx",
    "Geodis",
    "GLS",
    "Hermes",
    "InPost",
    "La Poste",
    "Mondial Relay",
    "MRW",
    "Nacex",
    "Parcelforce",
    "Poste Italiane",
    "PostNL",
    "PostNord",
    "Royal Mail",
    "SDA",
    "SEUR",
    "TNT",
    "UPS",
    "USPS",
    "Yodel",
)

REQUIREMENTS = Requirements(
    needs_tracking_number=True,
    needs_carrier=True,
    carrier_rule=CarrierRule.LISTED_OR_NAMED,
    carriers=tuple(Carrier(code=code, label=code) for code in CODES),
    carrier_aliases=aliases(dict.fromkeys(CODES, ())),
    idempotency=Idempotency.NATURAL,
    unconfirmed_programs=("FBM_SHIP_PLUS",),
    notes=(
        "A carrier that is not in the list is reported as Other with its name.",
        "Orders of the programme FBM Ship+ are not confirmed here: Amazon confirms them by their label.",
        "No confirmation is needed for a package whose label was bought from Amazon.",
    ),
)
"""The same for every connection: Amazon has no call that tells it."""
