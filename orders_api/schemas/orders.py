"""The shapes of orders: a document, a page, the change feed, the payload and the timeline.

The document's members are described where an order is (`warehouse.orders`); its shape is made from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any

from pydantic import Field, create_model

from orders_api.schemas.vocabulary import ORDER_ID, ORIGINAL_ID, RECEIVED_AT, ListPage, Money, Shape
from warehouse import orders
from warehouse.members import Described, Kind, described

_PLAIN: Mapping[Kind, Any] = {
    Kind.TEXT: str,
    Kind.NUMBER: int,
    Kind.FLAG: bool,
    Kind.MOMENT: datetime,
    Kind.AMOUNT: Money,
    Kind.JSON: dict[str, Any],
}


@cache
def shape(of: type) -> type[Shape]:
    """The shape of what a described class holds."""
    return _shape(of.__name__, of.__doc__, described(of))


def _shape(name: str, doc: str | None, members: Iterable[Described]) -> type[Shape]:
    fields: dict[str, Any] = {each.attribute: _field(each) for each in members}
    summary = (doc or "").partition("\n\n")[0]
    return create_model(name, __base__=Shape, __doc__=summary, __module__=__name__, **fields)


def _field(each: Described) -> tuple[Any, Any]:
    is_word = isinstance(each.type, type) and issubclass(each.type, Enum)
    kind: Any = each.type if is_word else _PLAIN.get(each.kind) or shape(each.type)
    if each.is_list:
        kind = list[kind]
    if each.is_nullable or (each.about.is_personal and each.kind is Kind.RECORD):
        kind = kind | None
    about: dict[str, Any] = {"description": each.about.meaning, "examples": [each.about.example]}
    if each.about.may_be_missing:
        about["default"] = None
    if each.name != each.attribute:
        about["alias"] = each.name
    return kind, Field(**about)


_Order: Any = _shape("OrderDocument", None, (*described(orders.Order), *described(orders.OwnFacts)))


class OrderDocument(_Order):  # type: ignore[misc] # its members are read off their description
    """An order, in its present state."""

    payload_url: str = Field(
        description="Path of what the marketplace sent of this order, as `GET /v1/orders/{id}/payload` reads it.",
        examples=[f"/v1/orders/{ORDER_ID}/payload"],
    )
    redacted: bool = Field(description="Whether personal data was left out for want of the scope.", examples=[True])
    is_retired: bool = Field(
        False,
        description="There and true where the order was closed so long ago that it was read from the order tables: such an "
        "answer takes some ten milliseconds longer.",
        examples=[True],
    )


class OrderPage(ListPage):
    """A page of orders."""

    orders: list[OrderDocument] = Field(description="The orders of this page.", examples=[[]])
    count: int | None = Field(
        None, description="Orders that the filter finds, on all pages; only with `count=true`.", examples=[1204]
    )


class OrderChanges(Shape):
    """A part of the change feed."""

    orders: list[OrderDocument] = Field(description="Orders that changed, as they are now, by position.", examples=[[]])
    next_after: int = Field(
        description="`after` of the next call; keep it once these orders are safe.", examples=[48213]
    )
    has_more: bool = Field(description="Whether to call again at once.", examples=[False])


class OrderPayload(Shape):
    """What the marketplace sent of an order."""

    id: str = Field(description="Internal id of the order.", examples=[ORDER_ID])
    received_at: datetime = Field(description="When it came.", examples=[RECEIVED_AT])
    redacted: bool = Field(
        description="Whether personal data was left out: for want of the scope, or because it was purged.",
        examples=[True],
    )
    payload: Any = Field(description="The marketplace's own JSON.", examples=[{"orderId": ORIGINAL_ID}])


class TimelineEvent(Shape):
    """One thing that happened to an order."""

    at: datetime = Field(description="When it happened, or was recorded.", examples=[RECEIVED_AT])
    kind: str = Field(
        description="`received`, `changed`, `acknowledged`, `incident_opened`, `incident_resolved`, `shipment_…`, "
        "`confirmation_…`, `acceptance_…`, and others to come.",
        examples=["changed"],
    )
    text: str = Field(
        description="Plain sentence.", examples=["Changed to revision 2: status (PENDING to WAITING_FOR_SHIPMENT)"]
    )
    data: dict[str, Any] = Field(description="Technical details.", examples=[{"revision": 2, "members": ["status"]}])


class Timeline(Shape):
    """What happened to an order."""

    id: str = Field(description="Internal id of the order.", examples=[ORDER_ID])
    events: list[TimelineEvent] = Field(description="Oldest first.", examples=[[]])


class ExplanationGround(Shape):
    """A fact that an answer rests on."""

    holds: bool = Field(description="Whether it speaks for what was asked.", examples=[True])
    text: str = Field(description="Plain sentence.", examples=["The channel confirms shipments."])


class ExplanationAnswer(Shape):
    """One question about an order, with its answer."""

    question: str = Field(description="What is asked.", examples=["Is it held?"])
    answer: str = Field(description="Plain sentence.", examples=["It is not held."])
    grounds: list[ExplanationGround] = Field(description="The facts behind it.", examples=[[]])


class OrderExplanation(Shape):
    """Why an order is as it is."""

    id: str = Field(description="Internal id of the order.", examples=[ORDER_ID])
    sentence: str = Field(
        description="Where it stands towards the marketplace, in one or two sentences.", examples=["Ship it."]
    )
    answers: list[ExplanationAnswer] = Field(description="Question by question.", examples=[[]])
