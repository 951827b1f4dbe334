"""The shapes of an answer that something is wrong (RFC 9457), and of whether the API can serve."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from orders_api.schemas.shipment_reports import ShipmentResult
from orders_api.schemas.vocabulary import Shape


class Health(Shape):
    """The process answers."""

    status: Literal["ok"] = Field(description="Always `ok`.", examples=["ok"])


class Readiness(Shape):
    """The process can serve."""

    status: Literal["ready"] = Field(
        description="Always `ready`; otherwise the answer is a problem.", examples=["ready"]
    )
    checks: list[str] = Field(description="What was checked.", examples=[["ledger", "schema", "disk"]])


class ProblemError(Shape):
    """One place where the request is wrong. Either parameter or pointer is there."""

    parameter: str | None = Field(None, description="Name of the path or query parameter.", examples=["limit"])
    pointer: str | None = Field(
        None, description="JSON pointer (RFC 6901) into the body.", examples=["/acknowledgements/0/outcome"]
    )
    code: str | None = Field(None, description="Stable word, where there is one.", examples=["unknown_order"])
    message: str = Field(description="What is wrong there.", examples=["Input should be less than or equal to 1000"])


class ProblemDocument(Shape):
    """An error (RFC 9457)."""

    type: str = Field(
        description="URI of the kind of problem.", examples=["urn:orders-syndication:problem:unknown_cursor"]
    )
    title: str = Field(description="The status in words.", examples=["Bad Request"])
    status: int = Field(description="HTTP status.", examples=[400])
    detail: str = Field(description="Plain sentence that says what to do.", examples=["Start again without a cursor."])
    code: str = Field(description="Stable word to branch on.", examples=["unknown_cursor"])
    errors: list[ProblemError] = Field(
        description="Where the request is wrong.",
        examples=[[{"parameter": "cursor", "message": "not a cursor of this list"}]],
    )
    request_id: str = Field(description="Id of the request, in the server's log too.", examples=["8f14e45fceea167a"])
    results: list[ShipmentResult] | None = Field(
        None, description="What became of each shipment, when all are refused.", examples=[[]]
    )
