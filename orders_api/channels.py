"""Channels, how complete each one is, what it needs of a shipment, and the incidents that concern them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from orders_api import cursors
from orders_api.answers import json_answer, rendered
from orders_api.errors import not_found
from orders_api.order_filters import Word, check_channels
from orders_api.orders import next_path
from orders_api.reading import NoQuery, Reading, Route
from orders_api.schemas import ChannelRequirements, Channels, Coverage, Incidents
from orders_api.shipment_reading import READERS
from warehouse.clock import iso
from warehouse.ledger import carriers, channel_status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from starlette.responses import Response

    from warehouse.ledger.carriers import CarrierEntry
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


class IncidentState(StrEnum):
    """Which incidents."""

    OPEN = "open"
    RESOLVED = "resolved"
    ALL = "all"


class IncidentQuery(BaseModel):
    """Which incidents, and which page of them."""

    model_config = ConfigDict(extra="forbid")

    state: IncidentState = Field(IncidentState.OPEN, description="Open ones, resolved ones, or all.", examples=["open"])
    channel: list[Word] = Field(
        [],
        description="Of any of these channels, their connections' among them; may be repeated.",
        examples=["amazon_fr"],
    )
    limit: int = Field(100, ge=1, le=1000, description="Incidents a page.", examples=[100])
    cursor: str | None = Field(None, description="Where the page begins: from `next`.", examples=["WzEsImlkIiwxN10"])


@Route(
    path="/v1/channels", operation_id="list_channels", summary="List channels", query=NoQuery, answer=Channels
).serve(router)
def list_channels(reading: Reading, _query: NoQuery) -> Response:
    """Every channel that the token may see."""
    rows = channel_status.channel_rows(reading.connection, reading.caller.visible_channels)
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
    rows = channel_status.channel_rows(reading.connection, reading.caller.visible_channels)
    channel = next((row for row in rows if row["code"] == code), None)
    if channel is None:
        raise not_found("code", "There is no such channel for this token.", "unknown_channel")
    known = carriers.latest_requirements(reading.connection, code)
    body = {
        "channel": code,
        "confirmation": channel["confirmation"],
        "acceptance": channel["acceptance"],
        "is_known": known is not None,
        "shipments": None if known is None else _needs(*known),
        "mapping": [_mapped(each) for each in carriers.mapped(reading.connection, [code])],
    }
    return json_answer(reading.request, rendered(body), holds_pii=False)


@Route(
    path="/v1/coverage",
    operation_id="get_coverage",
    summary="Read how complete each channel is",
    query=NoQuery,
    answer=Coverage,
).serve(router)
def get_coverage(reading: Reading, _query: NoQuery) -> Response:
    """From when to when no order of a channel is missing, and how the last attempt to retrieve went."""
    now = reading.installation.clock()
    rows = channel_status.coverage_rows(reading.connection, reading.caller.visible_channels)
    body = rendered({"coverage": [_coverage(row, now) for row in rows]})
    return json_answer(reading.request, body, holds_pii=False)


@Route(
    path="/v1/incidents",
    operation_id="list_incidents",
    summary="List incidents",
    query=IncidentQuery,
    answer=Incidents,
    problems=(400, 404),
).serve(router)
def list_incidents(reading: Reading, query: IncidentQuery) -> Response:
    """Problems that concern the token's channels, newest first; each is one row, however often it happened."""
    visible = reading.caller.visible_channels
    check_channels(reading.connection, query.channel, visible)
    fingerprint = f"incidents {query.state.value} {' '.join(sorted(query.channel))}"
    before = None if query.cursor is None else cursors.decode_number(query.cursor, fingerprint)
    wanted = channel_status.IncidentFilter(
        visible_channels=visible,
        channels=tuple(query.channel),
        is_open={IncidentState.OPEN: True, IncidentState.RESOLVED: False, IncidentState.ALL: None}[query.state],
    )
    rows = channel_status.incident_rows(reading.connection, wanted, before, query.limit + 1)
    following = None
    if len(rows) > query.limit:
        rows.pop()
        following = next_path(reading.request, cursors.encode_number(fingerprint, rows[-1]["id"]))
    links = {"Link": f'<{following}>; rel="next"'} if following else None
    body = rendered({"incidents": [_incident(row) for row in rows], "next": following})
    return json_answer(reading.request, body, holds_pii=False, headers=links)


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


def _incident(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "scope": row["scope"],
        "subject": row["subject"],
        "stage": row["stage"],
        "code": row["code"],
        "order_id": row["order_id"] or None,
        "message": row["message"],
        "hint": row["hint"],
        "details": row["details"],
        "first_seen_at": iso(row["first_seen_at"]),
        "last_seen_at": iso(row["last_seen_at"]),
        "occurrences": row["occurrences"],
        "resolved_at": _wire(row["resolved_at"]),
        "resolution": row["resolution"],
    }


def _wire(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)
