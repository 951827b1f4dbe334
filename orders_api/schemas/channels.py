"""The shapes of channels: which there are, how far they are read, how they stand, and what shipments need there."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from orders_api.schemas.vocabulary import RECEIVED_AT, Shape
from warehouse.ledger.status.channel_status import ChannelState
from warehouse.shipments import Cancels, CarrierRule


class Channel(Shape):
    """A channel."""

    code: str = Field(description="Code of the channel.", examples=["amazon_fr"])
    label: str = Field(description="Its name for people.", examples=["Amazon France"])
    marketplace: str = Field(description="Label of the marketplace.", examples=["Amazon FR"])
    connection: str = Field(description="Code of the seller account it belongs to.", examples=["amazon_eu"])
    retrieval: bool = Field(description="Whether its orders are retrieved.", examples=[True])
    confirmation: bool = Field(description="Whether shipments are confirmed to the marketplace.", examples=[False])
    acceptance: str = Field(description="Who accepts orders: `manual`, `automatic` or `off`.", examples=["manual"])


class ChannelList(Shape):
    """Every channel that the token may see."""

    channels: list[Channel] = Field(description="By code.", examples=[[]])


class LastPull(Shape):
    """The last attempt to retrieve."""

    outcome: str = Field(description="`complete`, `failed` or `abandoned`.", examples=["complete"])
    started_at: datetime = Field(description="When it began.", examples=[RECEIVED_AT])
    finished_at: datetime = Field(description="When it ended.", examples=[RECEIVED_AT])
    error_code: str | None = Field(description="Why it failed, in one stable word.", examples=["throttled"])


class ChannelCoverage(Shape):
    """How complete a channel is."""

    channel: str = Field(description="Code of the channel.", examples=["amazon_fr"])
    retrieval: bool = Field(description="Whether its orders are retrieved.", examples=[True])
    complete_from: datetime | None = Field(
        description="From here on nothing is missing; null before the first success.",
        examples=["2026-10-26T09:00:00.000Z"],
    )
    complete_through: datetime | None = Field(description="Up to here nothing is missing.", examples=[RECEIVED_AT])
    open_orders_only: bool = Field(
        description="The marketplace lists open orders and no changes: all that were open at `complete_through`, which is "
        "`complete_from` too, are here. One that was opened and closed in between may be missing; no time is covered.",
        examples=[False],
    )
    age_seconds: float | None = Field(description="How long ago `complete_through` is, in seconds.", examples=[184.2])
    last_pull: LastPull | None = Field(
        description="Its connection's last finished attempt.",
        examples=[{"outcome": "complete", "started_at": RECEIVED_AT, "finished_at": RECEIVED_AT, "error_code": None}],
    )


class ChannelCoverageList(Shape):
    """How complete every channel is."""

    coverage: list[ChannelCoverage] = Field(description="By channel code.", examples=[[]])


class ChannelStatus(Shape):
    """How a channel stands."""

    channel: str = Field(description="Code of the channel.", examples=["amazon_fr"])
    connection: str = Field(description="Code of its connection.", examples=["amazon_eu"])
    state: ChannelState = Field(
        description="`ok`; `off`: not retrieved; `given`: there is no marketplace, its orders are given to us; `new`: never "
        "complete yet; `throttled`: the marketplace asked to wait; "
        "`late`: more than three intervals behind; `failing`: its connection has an open incident.",
        examples=["ok"],
    )
    last_success_at: datetime | None = Field(
        description="When its connection's last complete pull ended.", examples=[RECEIVED_AT]
    )
    complete_through: datetime | None = Field(description="Up to here nothing is missing.", examples=[RECEIVED_AT])
    open_orders_only: bool = Field(
        description="Nothing is missing of the orders that were open then; of others nothing is said.", examples=[False]
    )
    lag_seconds: float | None = Field(description="How long ago `complete_through` is, in seconds.", examples=[184.2])
    next_run_at: datetime | None = Field(description="When it is pulled next; null: it is not.", examples=[RECEIVED_AT])
    backlog: int = Field(description="Payloads that wait to be read, at most 2,000.", examples=[0])
    quarantined: int = Field(description="Payloads that could not be read.", examples=[0])
    confirmation: bool = Field(description="Whether shipments are confirmed to the marketplace.", examples=[True])
    shipments_held: int = Field(
        description="Shipments of which the marketplace is not told until somebody decides.", examples=[0]
    )


class ChannelStatuses(Shape):
    """How every channel stands that the token may see."""

    at: datetime = Field(description="When this was so.", examples=[RECEIVED_AT])
    channels: list[ChannelStatus] = Field(description="By code.", examples=[[]])


class KnownCarrier(Shape):
    """A carrier of the marketplace's list."""

    code: str = Field(description="The marketplace's code.", examples=["COLISSIMO"])
    label: str = Field(description="Its name.", examples=["Colissimo"])


class MappedCarrier(Shape):
    """A carrier of your own mapping."""

    code: str = Field(description="Your word, in capitals.", examples=["DPD01"])
    carrier_code: str | None = Field(description="The marketplace's code; null: it goes by its name.", examples=["DPD"])
    carrier_name: str | None = Field(description="Its name.", examples=["DPD"])
    tracking_url: str | None = Field(
        description="Address of its tracking page.", examples=["https://dpd.example/{tracking_number}"]
    )


class ShipmentNeeds(Shape):
    """What the marketplace needs of a shipment."""

    tracking_number: bool = Field(description="Whether one without a tracking number is refused.", examples=[False])
    carrier: bool = Field(description="Whether one without a carrier is refused.", examples=[True])
    tracking_url_of_named: bool = Field(
        description="Whether a carrier that the marketplace has no code for needs `tracking_url`.", examples=[False]
    )
    ship_from_place: bool = Field(
        description="Whether `ship_from` has to name a place of the connection's `ship_from_places`.", examples=[False]
    )
    return_label_with: list[str] = Field(
        description="Carriers whose packages need `return_tracking_number` and `return_carrier`.", examples=[[]]
    )
    return_carriers: list[str] = Field(description="Carriers that a return label may be of; empty: any.", examples=[[]])
    shipping_methods: list[str] = Field(
        description="Known words for `shipping_method`, where a shipment or its channel has to name one; empty: none is "
        "needed.",
        examples=[[]],
    )
    corrections: bool = Field(
        description="Whether what was told of a package can be changed afterwards.", examples=[True]
    )
    carrier_rule: CarrierRule = Field(
        description="`any` word; `listed_or_named`: of the list, or any other by name; `listed`: only of the list.",
        examples=["listed_or_named"],
    )
    partial: bool = Field(description="Whether a part of an order may be shipped.", examples=[True])
    several_packages: bool = Field(description="Whether an order may have several packages.", examples=[True])
    carriers: list[KnownCarrier] = Field(
        description="The marketplace's list.", examples=[[{"code": "COLISSIMO", "label": "Colissimo"}]]
    )
    carrier_aliases: dict[str, str] = Field(
        description="Usual spellings that are understood, to the marketplace's code.",
        examples=[{"LA POSTE": "COLISSIMO"}],
    )
    notes: list[str] = Field(description="Plain sentences.", examples=[[]])
    asked_at: datetime | None = Field(
        description="When the marketplace was asked; null: there is none to be asked.", examples=[RECEIVED_AT]
    )


class KnownCancelReason(Shape):
    """A reason to cancel that the marketplace takes."""

    code: str = Field(description="The marketplace's code.", examples=["OUT_OF_STOCK"])
    label: str = Field(description="What it means.", examples=["Out of stock"])


class OrderDecisions(Shape):
    """What the seller may decide about an order over the marketplace's API."""

    accepts: bool = Field(description="Whether orders wait to be accepted.", examples=[True])
    refuses: bool = Field(description="Whether such an order may be refused.", examples=[True])
    accept_within_hours: float | None = Field(
        description="How long an order may wait for that, where the marketplace has one rule for all.", examples=[4.0]
    )
    cancels: Cancels = Field(
        description="What the seller can cancel: `none`, units of `lines`, or a `whole_order` only.", examples=["lines"]
    )
    cancel_reasons: list[KnownCancelReason] = Field(
        description="The reasons that it takes; empty: it has no list.",
        examples=[[{"code": "OUT_OF_STOCK", "label": "Out of stock"}]],
    )
    answers_requests_to_cancel: bool = Field(
        description="Whether the marketplace is told of a declined request to cancel too.", examples=[False]
    )


class ChannelRequirements(Shape):
    """What is needed to ship for a channel."""

    channel: str = Field(description="Code of the channel.", examples=["amazon_fr"])
    confirmation: bool = Field(
        description="Whether shipments are confirmed to the marketplace; if not they are held.", examples=[True]
    )
    acceptance: str = Field(description="Who accepts orders: `manual`, `automatic` or `off`.", examples=["manual"])
    is_known: bool = Field(
        description="Whether the marketplace has been asked. Until then a shipment is not checked against its needs.",
        examples=[True],
    )
    shipments: ShipmentNeeds | None = Field(
        description="What a shipment needs; null until it is known.", examples=[None]
    )
    decisions: OrderDecisions | None = Field(
        description="What may be decided about its orders; null until it is known.", examples=[None]
    )
    mapping: list[MappedCarrier] = Field(
        description="Your own carriers, which go before the marketplace's.",
        examples=[[{"code": "DPD01", "carrier_code": "DPD", "carrier_name": None, "tracking_url": None}]],
    )
