"""Arrivals: an order as a payload says it, ready to be compared with the book."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse import documents, personal
from warehouse.orders import Order

if TYPE_CHECKING:
    from datetime import datetime

    from warehouse.ledger.book.fulfilment import Raised
    from warehouse.order_states import Status


@dataclass(frozen=True, slots=True)
class Arrival:
    """A normalised order on its way into the book, with where it came from; rendered before any lock is taken."""

    order: Order
    raw_seq: int
    received_at: datetime
    is_historical: bool
    facts: str
    parties: str
    content_hash: bytes
    pii_state: str
    raised: Raised | None = None
    """The order with our shipments taken into account; None: there are none."""

    @property
    def status(self) -> Status:
        """The state that readers see."""
        return self.order.status if self.raised is None else self.raised.status

    @property
    def seen_facts(self) -> str:
        """The facts that readers see."""
        return self.facts if self.raised is None else self.raised.facts


def arrive(order: Order, raw_seq: int, received_at: datetime, *, is_historical: bool) -> Arrival:
    """Render an order for the book. Pure; costs about as much as everything the lock covers, so it is done outside."""
    rendered_facts = documents.facts(order)
    rendered_parties = personal.parties(personal.personal(order))
    return Arrival(
        order,
        raw_seq,
        received_at,
        is_historical,
        rendered_facts,
        rendered_parties,
        documents.content_hash(rendered_facts, rendered_parties),
        personal.pii_state(order),
    )
