"""Arrivals: an order as a payload says it, ready to be compared with the book."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from warehouse import documents, personal
from warehouse.order_states import Bar, FulfilledBy, Status
from warehouse.orders import Order
from warehouse.wire import money

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.ledger.book.fulfilment import Raised
    from warehouse.order_lines import Line


class RenderedLine(Struct, frozen=True, array_like=True):
    """What the book's own columns hold of a line, as its payload says it."""

    id: str
    original_id: str
    number: int
    sku: str | None
    gtin: str | None
    quantity_ordered: int | None
    quantity_shipped: int | None
    quantity_cancelled: int | None
    quantity_remaining_to_ship: int | None
    quantity_refunded: int | None
    bar: Bar | None


class RenderedOrder(Struct, frozen=True, array_like=True):
    """What the book keeps of an order, as its payload says it: the members that have columns of their own, and the document.

    Attributes:
        total: As the wire has it.
        has_packages: Whether the payload tells of packages.
        whole_bar, may_not_ship_reason: As of an order.
        facts, parties, content_hash, pii_state: As of `documents` and `personal`.
    """

    id: str
    original_id: str
    channel: str
    marketplace: str
    status: Status
    marketplace_status: str | None
    fulfilled_by: FulfilledBy | None
    purchased_at: datetime
    marketplace_updated_at: datetime
    ship_by: datetime | None
    currency: str | None
    total: str | None
    shipping_country_code: str | None
    has_problems: bool
    has_cancellation_request: bool
    has_packages: bool
    whole_bar: Bar | None
    may_not_ship_reason: Bar | None
    lines: tuple[RenderedLine, ...]
    facts: str
    parties: str
    content_hash: bytes
    pii_state: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """A normalised order on its way into the book, with where it came from; rendered before any lock is taken."""

    rendered: RenderedOrder
    whole: Order | Callable[[], Order]
    """The order, or what makes it: of most that another process has read, only what is rendered is asked for."""
    raw_seq: int
    received_at: datetime
    is_historical: bool
    raised: Raised | None = None
    """The order with our shipments taken into account; None: there are none."""

    @property
    def order(self) -> Order:
        """All that the payload says; may have to be made first."""
        return self.whole if isinstance(self.whole, Order) else self.whole()

    @property
    def status(self) -> Status:
        """The state that readers see."""
        return self.rendered.status if self.raised is None else self.raised.status

    @property
    def seen_facts(self) -> str:
        """The facts that readers see."""
        return self.rendered.facts if self.raised is None else self.raised.facts


def arrive(order: Order, raw_seq: int, received_at: datetime, *, is_historical: bool) -> Arrival:
    """An order with where it came from, rendered for the book."""
    return Arrival(render(order), order, raw_seq, received_at, is_historical)


def render(order: Order) -> RenderedOrder:
    """Render an order for the book. Pure; costs about as much as everything the lock covers, so it is done outside."""
    facts = documents.facts(order)
    parties = personal.parties(personal.personal(order))
    return RenderedOrder(
        order.id,
        order.original_id,
        order.channel,
        order.marketplace,
        order.status,
        order.marketplace_status,
        order.fulfilled_by,
        order.purchased_at,
        order.marketplace_updated_at,
        order.ship_by,
        order.currency,
        money(order.total),
        order.shipping_country_code,
        bool(order.problems),
        order.has_cancellation_request,
        bool(order.packages),
        order.whole_bar,
        order.may_not_ship_reason,
        tuple([_line(each) for each in order.lines]),
        facts,
        parties,
        documents.content_hash(facts, parties),
        personal.pii_state(order),
    )


def _line(line: Line) -> RenderedLine:
    return RenderedLine(
        line.id,
        line.original_id,
        line.number,
        line.sku,
        line.gtin,
        line.quantity_ordered,
        line.quantity_shipped,
        line.quantity_cancelled,
        line.quantity_remaining_to_ship,
        line.quantity_refunded,
        line.bar,
    )
