"""Channels, how complete each one is, what it needs of a shipment, and the incidents that concern them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit.answers import json_answer, render
from orders_api.kit.auth import Caller, MayRead, may
from orders_api.kit.errors import describe, not_found
from orders_api.kit.parameters import ChannelCode
from orders_api.kit.records import fill
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.schemas.channels import (
    Channel,
    ChannelCoverage,
    ChannelCoverageList,
    ChannelList,
    ChannelRequirements,
    KnownCancelReason,
    KnownCarrier,
    LastPull,
    MappedCarrier,
    ShipmentNeeds,
)
from warehouse.ledger.settings import carriers
from warehouse.ledger.settings.channels import ConfiguredChannel, requirements_without_asking
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.status import channel_status
from warehouse.ledger.status.channel_status import CoverageRecord

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.shipments import Requirements

router = resource("Channels")


@router.get("/v1/channels", summary="List channels", response_model=ChannelList)
def list_channels(request: Request, caller: MayRead, installation: ThisInstallation) -> Response:
    """Every channel that the token may see."""
    with installation.ledger.read() as transaction:
        rows = channel_status.readable_channels(transaction, caller.visible_channels)
    channels = [fill(Channel, row) for row in rows]
    return json_answer(request, render({"channels": channels}), holds_pii=False)


@router.get(
    "/v1/channels/{code}/requirements",
    summary="Read what a channel needs of a shipment",
    response_model=ChannelRequirements,
    responses=describe(404),
)
def get_channel_requirements(
    request: Request,
    caller: Annotated[Caller, may(Scope.ORDERS_READ, Scope.SHIPMENTS_WRITE)],
    installation: ThisInstallation,
    code: ChannelCode,
) -> Response:
    """What to tell of a shipment, which carriers are understood, and whether the marketplace is told at all.

    The pipeline asks the marketplace; until it has, `is_known` is false, and a shipment is not checked against its needs.
    """
    with installation.ledger.read() as transaction:
        rows = channel_status.readable_channels(transaction, caller.visible_channels)
        channel = next((row for row in rows if row.code == code), None)
        if channel is None:
            raise not_found("code", "There is no such channel for this token.", "unknown_channel")
        known = _known_needs(transaction, channel)
        mapping = carriers.mapped(transaction, [code])
    body = {
        "channel": code,
        "confirmation": channel.confirmation,
        "acceptance": channel.acceptance,
        "is_known": known is not None,
        "shipments": None if known is None else _needs(*known),
        "decisions": None if known is None else decisions(known[0]),
        "mapping": [fill(MappedCarrier, each) for each in mapping],
    }
    return json_answer(request, render(body), holds_pii=False)


@router.get("/v1/coverage", summary="Read how complete each channel is", response_model=ChannelCoverageList)
def get_coverage(request: Request, caller: MayRead, installation: ThisInstallation) -> Response:
    """From when to when no order of a channel is missing, and how the last attempt to retrieve went."""
    now = installation.clock()
    with installation.ledger.read() as transaction:
        rows = channel_status.coverages(transaction, caller.visible_channels)
    body = render({"coverage": [_coverage(row, now) for row in rows]})
    return json_answer(request, body, holds_pii=False)


def _known_needs(transaction: Transaction, channel: ConfiguredChannel) -> tuple[Requirements, datetime | None] | None:
    """What a channel needs, and when its marketplace was asked; where there is none, that is known without asking."""
    without_asking = requirements_without_asking(transaction, channel.connection)
    if without_asking is not None:
        return without_asking, None
    return carriers.latest_requirements(transaction, channel.code)


def _needs(needs: Requirements, asked_at: datetime | None) -> dict[str, Any]:
    return fill(
        ShipmentNeeds,
        needs,
        tracking_number=needs.needs_tracking_number,
        carrier=needs.needs_carrier,
        tracking_url_of_named=needs.needs_tracking_url_of_named,
        ship_from_place=needs.needs_ship_from_place,
        return_label_with=needs.needs_return_label_with,
        corrections=needs.takes_corrections,
        partial=needs.takes_part,
        several_packages=needs.takes_several_packages,
        carriers=[fill(KnownCarrier, each) for each in needs.carriers],
        carrier_aliases=dict(needs.carrier_aliases),
        asked_at=asked_at,
    )


def decisions(needs: Requirements) -> dict[str, Any]:
    """What may be decided about orders, as `OrderDecisions` shows it."""
    return {
        "accepts": needs.acceptance_state is not None,
        "refuses": needs.acceptance_state is not None and needs.can_refuse,
        "accept_within_hours": needs.acceptance_within_hours,
        "cancels": needs.cancels,
        "cancel_reasons": [fill(KnownCancelReason, each) for each in needs.cancel_reasons],
        "answers_requests_to_cancel": needs.decides_cancellations,
    }


def _coverage(row: CoverageRecord, now: datetime) -> dict[str, Any]:
    through = row.complete_through
    return fill(
        ChannelCoverage,
        row,
        channel=row.code,
        age_seconds=None if through is None else (now - through).total_seconds(),
        last_pull=None if row.outcome is None else fill(LastPull, row),
    )
