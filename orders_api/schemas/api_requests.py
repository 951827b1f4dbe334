"""The shapes of requests to the API, counted."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from orders_api.schemas.vocabulary import RECEIVED_AT, ListPage, Shape


class ApiRequestCount(Shape):
    """Requests that were alike in one minute."""

    minute: datetime = Field(description="When the minute begins.", examples=["2026-11-02T09:15:00.000Z"])
    consumer: str = Field(description='Whose token; "": no token was accepted.', examples=["erp"])
    method: str = Field(description="HTTP method.", examples=["GET"])
    route: str = Field(description='Template of the path; "": there is no such path.', examples=["/v1/orders/{id}"])
    status: int = Field(description="HTTP status; 499: the client went away.", examples=[404])
    code: str = Field(description='Code of the problem; "": there was none.', examples=["unknown_order"])
    requests: int = Field(description="How many there were.", examples=[12])
    mean_milliseconds: int = Field(description="How long one took in the mean.", examples=[4])
    slowest_milliseconds: int = Field(description="How long the slowest took.", examples=[11])
    last_at: datetime = Field(description="When the last one ended.", examples=[RECEIVED_AT])
    request_id: str = Field(
        description="The last one's `X-Request-ID`, which the log has too.", examples=["9f86d081884c7d65"]
    )


class ApiRequestPage(ListPage):
    """A page of requests."""

    requests: list[ApiRequestCount] = Field(description="The newest minute first.", examples=[[]])
