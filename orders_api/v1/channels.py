"""Channels, how complete each one is, what it needs of a shipment, and the incidents that concern them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from orders_api.kit.answers import json_answer, rendered
from orders_api.kit.errors import not_found
from orders_api.kit.reading import NoQuery, Reading, Route
from orders_api.schemas.channels import ChannelCoverageList, ChannelList, ChannelRequirements
from orders_api.v1.shipments import READERS
from warehouse.clock import iso
from warehouse.ledger.settings import carriers
from warehouse.ledger.status import channel_status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from starlette.responses import Response

    from warehouse.ledger.settings.carriers import CarrierEntry
    from warehouse.shipments import Requirements

router = APIRouter(tags=["Channels"])

CHANNEL_MEMBERS = ("code", "label", "marketplace", "connection", "retrieval", "confirmation", "acceptance")


CHANNEL_PARAMETER = {
    "name": "code",
    "in": "path",
    "required": True,
    "description": "Code of the channel.",
    "example": "amazon_fr",
    "schema": {"type": "string"},
}


@Route(
    path="/v1/channels", operation_id="list_channels", summary="List channels", query=NoQuery, answer=ChannelList
).serve(router)
def list_channels(reading: Reading, _query: NoQuery) -> Response:
    """Every channel that the token may see."""
    rows = channel_status.channel_rows(reading.transaction, reading.caller.visible_channels)
    channels = [{name: row[name] for name in CHANNEL_MEMBERS} for row in rows]
    return json_answer(reading.request, rendered({"channels": channels}), holds_pii=False)


@Route(
    path="/v1/channels/{code}/requirements",
    operation_id="get_channel_requirements",
    summary="Read what a channel needs of a shipment",
    query=NoQuery,
    answer=ChannelRequirements,
    problems=(404,),
    path_parameters=(CHANNEL_PARAMETER,),
    scopes=READERS,
).serve(router)
def get_channel_requirements(reading: Reading, _query: NoQuery) -> Response:
    """What to tell of a shipment, which carriers are understood, and whether the marketplace is told at all.

    The pipeline asks the marketplace; until it has, `is_known` is false, and a shipment is not checked against its needs.
    """
    code = reading.path["code"]
    rows = channel_status.channel_rows(reading.transaction, reading.caller.visible_channels)
    channel = next((row for row in rows if row["code"] == code), None)
    if channel is None:
        raise not_found("code", "There is no such channel for this token.", "unknown_channel")
    known = carriers.latest_requirements(reading.transaction, code)
    body = {
        "channel": code,
        "confirmation": channel["confirmation"],
        "acceptance": channel["acceptance"],
        "is_known": known is not None,
        "shipments": None if known is None else _needs(*known),
        "decisions": None if known is None else decisions(known[0]),
        "mapping": [_mapped(each) for each in carriers.mapped(reading.transaction, [code])],
    }
    return json_answer(reading.request, rendered(body), holds_pii=False)


@Route(
    path="/v1/coverage",
    operation_id="get_coverage",
    summary="Read how complete each channel is",
    query=NoQuery,
    answer=ChannelCoverageList,
).serve(router)
def get_coverage(reading: Reading, _query: NoQuery) -> Response:
    """From when to when no order of a channel is missing, and how the last attempt to retrieve went."""
    now = reading.installation.clock()
    rows = channel_status.coverage_rows(reading.transaction, reading.caller.visible_channels)
    body = rendered({"coverage": [_coverage(row, now) for row in rows]})
    return json_answer(reading.request, body, holds_pii=False)


def _needs(needs: Requirements, asked_at: datetime) -> dict[str, Any]:
    return {
        "tracking_number": needs.needs_tracking_number,
        "carrier": needs.needs_carrier,
        "carrier_rule": needs.carrier_rule,
        "partial": needs.takes_part,
        "several_packages": needs.takes_several_packages,
        "carriers": [{"code": each.code, "label": each.label} for each in needs.carriers],
        "carrier_aliases": dict(needs.carrier_aliases),
        "notes": list(needs.notes),
        "asked_at": iso(asked_at),
    }


def decisions(needs: Requirements) -> dict[str, Any]:
    """What may be decided about orders, as `OrderDecisions` shows it."""
    return {
        "accepts": needs.acceptance_state is not None,
        "refuses": needs.acceptance_state is not None and needs.can_refuse,
        "accept_within_hours": needs.acceptance_within_hours,
        "cancels": needs.cancels,
        "cancel_reasons": [{"code": each.code, "label": each.label} for each in needs.cancel_reasons],
        "answers_requests_to_cancel": needs.decides_cancellations,
    }


def _mapped(entry: CarrierEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in ("code", "carrier_code", "carrier_name", "tracking_url")}


def _coverage(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    through = row["complete_through"]
    pull = None
    if row["outcome"] is not None:
        pull = {
            "outcome": row["outcome"],
            "started_at": iso(row["started_at"]),
            "finished_at": iso(row["finished_at"]),
            "error_code": row["error_code"],
        }
    return {
        "channel": row["code"],
        "retrieval": row["retrieval"],
        "complete_from": _wire(row["complete_from"]),
        "complete_through": _wire(through),
        "age_seconds": None if through is None else (now - through).total_seconds(),
        "last_pull": pull,
    }


def _wire(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)
