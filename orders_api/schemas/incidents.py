"""The shapes of incidents and of the log."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from orders_api.schemas.vocabulary import INCIDENT_ID, ORDER_ID, RECEIVED_AT, Body, ListPage, PlainText, Shape
from warehouse.incidents import IncidentKind
from warehouse.ledger.watch.activity import Level


class Incident(Shape):
    """One problem, counted while it lasts."""

    id: str = Field(description="Id of the incident, the same for good.", examples=[INCIDENT_ID])
    number: int | None = Field(
        description="Its number in commands; null for a token that is limited to channels.", examples=[17]
    )
    scope: Literal["channel", "connection", "system"] = Field(description="What it is about.", examples=["channel"])
    subject: str = Field(description="Code of the channel or connection, or the component.", examples=["amazon_fr"])
    stage: str = Field(description="Where it happened.", examples=["pull"])
    code: str = Field(description="Stable word.", examples=["throttled"])
    kind: IncidentKind = Field(description="Whose business it is.", examples=["retrieval"])
    order_id: str | None = Field(description="Internal order id, when it is about one order.", examples=[None])
    message: str = Field(description="Plain sentence.", examples=["The marketplace asks to slow down."])
    cause: str = Field(description="What usually lies behind it, or empty.", examples=["The quota is used up."])
    hint: str = Field(description="What to do, or empty.", examples=["Nothing: it is tried again."])
    details: dict[str, Any] = Field(description="Technical details.", examples=[{"status": 429}])
    run_id: str | None = Field(description="Dagster's run that saw it last, where known.", examples=[None])
    file_id: str | None = Field(description="The file that it is about, if one.", examples=[None])
    attempt_id: str | None = Field(description="The attempt to confirm that it is about, if one.", examples=[None])
    first_seen_at: datetime = Field(description="When it began.", examples=[RECEIVED_AT])
    last_seen_at: datetime = Field(description="When it was seen last.", examples=[RECEIVED_AT])
    occurrences: int = Field(description="How often it was seen.", examples=[3])
    resolved_at: datetime | None = Field(description="When it ended; null while it lasts.", examples=[None])
    resolution: str | None = Field(description="How it ended.", examples=["succeeded"])
    acknowledged_by: str | None = Field(description="Who looks after it.", examples=[None])
    acknowledged_until: datetime | None = Field(description="So long nobody is alerted of it.", examples=[None])


class IncidentPage(ListPage):
    """A page of incidents."""

    incidents: list[Incident] = Field(description="Newest first.", examples=[[]])


class IncidentResolution(Body):
    """Why an incident is no problem any more."""

    reason: PlainText = Field(
        description="Plain text for people, without personal data.",
        min_length=1,
        max_length=1000,
        examples=["Confirmed by telephone"],
    )


class IncidentAcknowledgement(Body):
    """Until when somebody looks after an incident."""

    until: AwareDatetime = Field(
        description="So long nobody is alerted of it: a time to come, within thirty days.",
        examples=["2026-11-03T08:00:00Z"],
    )


class LogEntry(Shape):
    """One thing that happened."""

    id: str = Field(description="Id of the entry.", examples=["entry_y3b7m2a4d6qwzr5t3n7uek5xg6"])
    at: datetime = Field(description="When it happened.", examples=[RECEIVED_AT])
    level: Level = Field(description="How much it matters.", examples=["info"])
    stage: str = Field(description="Where it happened.", examples=["normalise"])
    kind: str = Field(description="What happened, in one word.", examples=["order_received"])
    channel: str | None = Field(description="Code of the channel, if it concerns one.", examples=["amazon_fr"])
    connection: str | None = Field(
        description="Code of the connection, if it concerns no single channel.", examples=[None]
    )
    order_id: str | None = Field(description="Internal order id, if it concerns one.", examples=[ORDER_ID])
    text: str = Field(description="Plain sentence.", examples=["Received from Amazon FR as PENDING"])
    data: dict[str, Any] = Field(description="Technical details.", examples=[{"status": "PENDING"}])


class Logs(ListPage):
    """A page of the log."""

    entries: list[LogEntry] = Field(description="Newest first.", examples=[[]])
