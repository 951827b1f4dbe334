"""The carriers that OTTO takes, and what it needs of a shipment (Shipments API v1)."""

from __future__ import annotations

from orders_pipeline.marketplaces.carrier_spellings import aliases
from warehouse.shipments import Cancels, Carrier, CarrierRule, Idempotency, Requirements

PARCEL_CARRIERS = ("DHL", "DHL_EXPRESS", "GLS", "HERMES", "DPD", "UPS")
"""What they carry comes with a return label."""

FORWARDERS = (
    *("DHL_FREIGHT", "DHL_HOME_DELIVERY", "BTW", "BURSPED", "CARGOLINE", "DACHSER", "DB_SCHENKER", "DSV", "EMONS"),
    *("EPH_DIREKT", "IDS", "GEIS", "GEL", "GUETTLER", "HES", "HELLMANN", "HEUEL", "KOCH", "KUEHNE_NAGEL", "LOGWIN"),
    *("MEYER_JUMBO", "RABEN_LOGISTIK", "RHENUS", "REIMER", "REITHMEIER", "SCHOCKEMOEHLE", "SCHMIDT_GEVELSBERG"),
    *("ZUFALL", "OTHER_FORWARDER"),
)

RETURN_CARRIERS = ("DHL", "GLS", "HERMES")

_CODES = (*PARCEL_CARRIERS, *FORWARDERS)

REQUIREMENTS = Requirements(
    needs_tracking_number=True,
    needs_carrier=True,
    carrier_rule=CarrierRule.LISTED,
    carriers=tuple(Carrier(code=code, label=code.replace("_", " ")) for code in _CODES),
    carrier_aliases=aliases({code: (code.replace("_", " "),) for code in _CODES}),
    idempotency=Idempotency.NONE,
    needs_ship_from_place=True,
    needs_return_label_with=PARCEL_CARRIERS,
    return_carriers=RETURN_CARRIERS,
    takes_corrections=False,
    cancels=Cancels.LINES,
    notes=(
        "A shipment names the place that it leaves from, and a parcel the number and the carrier of its return label.",
        "A unit that is only announced may not be shipped or cancelled yet.",
        "What was told of a package cannot be changed afterwards.",
        "Buyers cannot ask to cancel over the API, and nothing is accepted or refused.",
    ),
)
