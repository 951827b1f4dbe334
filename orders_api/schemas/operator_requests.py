"""The shapes of requests to the pipeline."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from orders_api.schemas.vocabulary import ORDER_ID, Body, Shape, Word
from warehouse.operator_requests import RULES, RequestKind, RequestProgress

KINDS = "; ".join(
    f"`{kind}` of a {rule.subject}: {rule.meaning}" for kind, rule in RULES.items() if kind is not RequestKind.BULK
)


class NewRequest(Body):
    """What the pipeline is to do."""

    kind: RequestKind = Field(description=f"What is asked. {KINDS}.", examples=["pull"])
    subject: Word = Field(
        description="Code of the connection, channel, storage or recipient.", max_length=64, examples=["amazon_eu"]
    )
    arguments: dict[str, Any] = Field(
        {},
        description="`folder` (test_storage, browse), `since` (pull), `original_ids` (fetch, replay); no others.",
        examples=[{"since": "2026-01-31T00:00:00Z"}],
    )


class OperatorRequestState(Shape):
    """A request, and how far it has come."""

    id: str = Field(description="Id of the request.", examples=[ORDER_ID])
    kind: RequestKind = Field(description="What is to be done.", examples=["pull"])
    subject: str = Field(description="What it is about; of `bulk` the channels of the orders.", examples=["amazon_eu"])
    arguments: dict[str, Any] = Field(description="What else was said.", examples=[{}])
    asked_by: str = Field(description="Who asked.", examples=["erp"])
    asked_at: str = Field(description="When.", examples=["2026-11-02T09:30:00.000000Z"])
    state: RequestProgress = Field(
        description="`asked` until the pipeline takes it up; `expired` when none has within an hour.", examples=["done"]
    )
    claimed_at: str | None = Field(
        description="When the pipeline took it up.", examples=["2026-11-02T09:30:04.000000Z"]
    )
    finished_at: str | None = Field(description="When it ended.", examples=["2026-11-02T09:30:09.000000Z"])
    result: dict[str, Any] = Field(
        description="What came of it; of a failure `code`, `message` and `hint`. Empty until it has ended, but of `bulk` "
        "`orders`, `handled`, `done` and `left_out` by code say how far it is.",
        examples=[{"windows": 1, "seen": 12, "kept": 3, "skipped": 0, "orders": {"new": 3}}],
    )
    pipeline_seen_at: str | None = Field(
        description="When a pipeline has last looked for requests; null: never. Long ago: none runs.",
        examples=["2026-11-02T09:30:00.000000Z"],
    )


class OperatorRequestList(Shape):
    """The newest requests."""

    requests: list[OperatorRequestState] = Field(description="Newest first.", examples=[[]])
