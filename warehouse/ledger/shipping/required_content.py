"""What a channel's marketplace needs to be told of a package, and what a report leaves out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from warehouse.ledger.base.schema import channels, connections
from warehouse.shipment_reports import ReportFault, ShipmentReport
from warehouse.shipments import CarrierRule

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.settings.carriers import Carriers, MarketplaceCarrier
    from warehouse.shipments import Requirements


class ChannelFacts(NamedTuple):
    """What is settled of a channel and its connection."""

    code: str
    is_confirming: bool
    ship_from: str | None
    return_carrier: str | None
    shipping_method: str | None
    places: frozenset[str]


_CHANNELS = (
    sa.select(channels.c.code, channels.c.confirmation, channels.c.settings, connections.c.settings.label("shared"))
    .join_from(channels, connections)
    .where(channels.c.code.in_(sa.bindparam("codes", expanding=True)))
)


def read_channels(transaction: Transaction, codes: Sequence[str]) -> dict[str, ChannelFacts]:
    """Code → what is settled, of these channels."""
    return {
        row.code: ChannelFacts(
            row.code,
            row.confirmation,
            row.settings.get("ship_from"),
            row.settings.get("return_carrier"),
            row.settings.get("shipping_method"),
            frozenset(row.shared.get("ship_from_places", ())),
        )
        for row in transaction.execute(_CHANNELS, {"codes": codes})
    }


def missing_content(
    given: ShipmentReport, needs: Requirements, channel: ChannelFacts, carriers: Carriers
) -> Iterator[ReportFault]:
    """Each thing that the channel's marketplace needs to be told of a package, where a report leaves it out or wrong."""
    if needs.needs_tracking_number and given.tracking_number is None:
        message = "The marketplace takes no shipment without a tracking number."
        yield ReportFault(code="tracking_number_missing", field="tracking_number", message=message)
    if given.carrier_code is not None or given.carrier_name is not None:
        carrier = carriers.translated(channel.code, given.carrier_code, given.carrier_name)
        yield from _missing_with_carrier(given, needs, channel, carrier)
    elif needs.needs_carrier:
        message = "The marketplace takes no shipment without a carrier."
        yield ReportFault(code="carrier_missing", field="carrier_code", message=message)
    if needs.needs_ship_from_place and (given.ship_from or channel.ship_from) not in channel.places:
        message = (
            "The marketplace wants the address that a package leaves from: name a place of the connection's "
            "ship_from_places, here or in the channel's setting."
        )
        yield ReportFault(code="ship_from_missing", field="ship_from", message=message)
    if needs.shipping_methods and not given.shipping_method and not channel.shipping_method:
        message = (
            "The marketplace wants to know in its own words how the package is sent: name a shipping_method, here or in the "
            "channel's setting."
        )
        yield ReportFault(code="shipping_method_missing", field="shipping_method", message=message)


def _missing_with_carrier(
    given: ShipmentReport, needs: Requirements, channel: ChannelFacts, carrier: MarketplaceCarrier
) -> Iterator[ReportFault]:
    if needs.carrier_rule is CarrierRule.LISTED and carrier.code is None:
        message = (
            "The marketplace takes only carriers of its list, and this one is neither on it nor mapped to it: see "
            "`orders carriers`."
        )
        field = "carrier_name" if given.carrier_code is None else "carrier_code"
        yield ReportFault(code="carrier_unknown", field=field, message=message)
    has_address = given.tracking_url is not None or carrier.tracking_url is not None
    if needs.needs_tracking_url_of_named and carrier.code is None and not has_address:
        message = (
            "The marketplace has no code for this carrier, and then it wants the address where the parcel is tracked."
        )
        yield ReportFault(code="tracking_url_missing", field="tracking_url", message=message)
    if carrier.code in needs.needs_return_label_with:
        if given.return_tracking_number is None:
            message = "With this carrier the marketplace wants the number of the return label."
            yield ReportFault(code="return_label_missing", field="return_tracking_number", message=message)
        if needs.return_carrier(given.return_carrier or channel.return_carrier, carrier.code) is None:
            taken = ", ".join(needs.return_carriers)
            message = f"The marketplace takes return labels of {taken} only: name one of them."
            yield ReportFault(code="return_label_missing", field="return_carrier", message=message)
