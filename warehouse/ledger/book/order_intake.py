"""Taking in an order that is given to us: the one door for `POST /v1/orders` and `orders add`.

The document is kept as any payload, and becomes an order of the book in the same transaction. What a document holds is in
`warehouse.given_orders`; the book's lock makes an original id unique in its channel.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from warehouse.given_orders import (
    PII_PATHS,
    GivenOrder,
    OrderFault,
    UnfitDocument,
    canonical,
    check,
    envelope,
    opened,
    order_of,
)
from warehouse.ids import order_id
from warehouse.ledger.base.schema import order_lines, orders
from warehouse.ledger.book import products, raw_orders
from warehouse.ledger.book.arrivals import arrive
from warehouse.ledger.book.fulfilment import reported_units
from warehouse.ledger.book.order_ids import order_keys
from warehouse.ledger.book.orders import lock_book, settle
from warehouse.ledger.settings import channels
from warehouse.packing import pack
from warehouse.privacy import without_pii

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.settings.channels import ConfiguredChannel
    from warehouse.privacy import KeyRing

CLOCK_STEP = timedelta(milliseconds=1)
"""What was given later must not look older, whatever the clock does."""


class IntakeResult(StrEnum):
    """What became of a document."""

    CREATED = "created"
    CHANGED = "changed"
    ALREADY_KNOWN = "already_known"


class IntakeRefusal(StrEnum):
    """Why a document that is well formed is not taken."""

    UNKNOWN_CHANNEL = "unknown_channel"
    HAS_MARKETPLACE = "channel_has_marketplace"
    IS_KNOWN = "order_is_known"
    HAS_CHANGED = "order_has_changed"
    IS_UNKNOWN = "no_order_to_change"


class OrderNotTaken(Exception):
    """A document that is not taken; nothing was recorded."""

    def __init__(self, refusal: IntakeRefusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class TakenOrder:
    """What was taken: which order it is, and what became of the document."""

    order_id: str
    channel: str
    original_id: str
    result: IntakeResult


def take(
    transaction: Transaction,
    keys: KeyRing,
    document: Any,  # noqa: ANN401 - any JSON value
    now: datetime,
    *,
    visible_channels: Sequence[str] | None = None,
    may_change: Callable[[str], bool] | None = None,
) -> TakenOrder:
    """Take in one document: a new order, or a change of one that is known.

    Args:
        transaction: A write transaction.
        keys: Seals the document.
        document: As it was given.
        now: When.
        visible_channels: Those that the giver may see; None for all.
        may_change: Told the id of a known order, whether the giver changes it knowingly; None when he does not mean to change
            one.

    Raises:
        UnfitDocument: The document is no order, or takes away what is shipped; every fault is named.
        OrderNotTaken: It is not taken, and why.
    """
    given = check(document)
    channel = _channel(transaction, given.channel, visible_channels)
    lock_book(transaction)
    own_id = order_id(channel.code, given.original_id)
    known_at = transaction.execute(
        sa.select(orders.c.marketplace_updated_at).where(orders.c.id == own_id)
    ).scalar_one_or_none()
    if known_at is None and may_change is not None:
        raise OrderNotTaken(IntakeRefusal.IS_UNKNOWN)
    if known_at is not None:
        kept = raw_orders.newest_given(transaction, channel.connection, channel.code, given.original_id)
        if kept is not None and kept[1] == _hash(document):
            return TakenOrder(own_id, channel.code, given.original_id, IntakeResult.ALREADY_KNOWN)
        if may_change is None:
            raise OrderNotTaken(IntakeRefusal.IS_KNOWN)
        if not may_change(own_id):
            raise OrderNotTaken(IntakeRefusal.HAS_CHANGED)
        _check_shipped(transaction, own_id, given)
    _settle(transaction, keys, channel, given, document, known_at, now)
    result = IntakeResult.CREATED if known_at is None else IntakeResult.CHANGED
    return TakenOrder(own_id, channel.code, given.original_id, result)


def cancel(
    transaction: Transaction,
    keys: KeyRing,
    channel: ConfiguredChannel,
    original_id: str,
    units: Mapping[str, int],
    now: datetime,
) -> None:
    """Cancel units of an order that was given to us, by its own line ids: there is no marketplace that would.

    Raises:
        UnfitDocument: So much does not remain.
        OrderNotTaken: The order's document is not kept any more.
    """
    lock_book(transaction)
    own_id = order_id(channel.code, original_id)
    known_at = transaction.execute(
        sa.select(orders.c.marketplace_updated_at).where(orders.c.id == own_id)
    ).scalar_one_or_none()
    kept = raw_orders.newest_given(transaction, channel.connection, channel.code, original_id)
    if kept is None or known_at is None:
        raise OrderNotTaken(IntakeRefusal.IS_UNKNOWN)
    document, _ = opened(orjson.loads(kept[0].open(keys)))
    for line in document["lines"]:
        line["quantity_cancelled"] = line.get("quantity_cancelled", 0) + units.get(line["original_id"], 0)
    given = check(document)
    _check_shipped(transaction, own_id, given)
    _settle(transaction, keys, channel, given, document, known_at, now)


def _channel(transaction: Transaction, code: str, visible_channels: Sequence[str] | None) -> ConfiguredChannel:
    """The channel of a document.

    Raises:
        OrderNotTaken: There is none that the giver may see, or its orders come from a marketplace.
    """
    found = next((each for each in channels.all_channels(transaction) if each.code == code), None)
    if found is None or (visible_channels is not None and code not in visible_channels):
        raise OrderNotTaken(IntakeRefusal.UNKNOWN_CHANNEL)
    if not channels.takes_orders(transaction, found.connection):
        raise OrderNotTaken(IntakeRefusal.HAS_MARKETPLACE)
    return found


def _check_shipped(transaction: Transaction, own_id: str, given: GivenOrder) -> None:
    """A line that was given stays, and keeps at least the units that are shipped.

    Raises:
        UnfitDocument: One does not.
    """
    own = sa.select(order_lines.c.id, order_lines.c.original_id).where(
        order_lines.c.order_key.in_(order_keys([own_id]))
    )
    known = {original_id: line for line, original_id in transaction.execute(own)}
    reported = reported_units(transaction, [own_id]).get(own_id, {})
    faults = []
    for place, line in enumerate(given.lines):
        shipped = reported.get(known.pop(line.original_id, ""))
        if shipped is not None and line.quantity_ordered - line.quantity_cancelled < shipped.units:
            message = f"leaves fewer units than the {shipped.units} that are shipped"
            name = "quantity_cancelled" if line.quantity_cancelled else "quantity_ordered"
            faults.append(OrderFault("quantity_below_shipped", f"lines/{place}/{name}", message))
    if known:
        message = f"{len(known)} of the order's lines are missing: cancel their units by quantity_cancelled instead"
        faults.append(OrderFault("line_missing", "lines", message))
    if faults:
        raise UnfitDocument(faults)


def _settle(
    transaction: Transaction,
    keys: KeyRing,
    channel: ConfiguredChannel,
    given: GivenOrder,
    document: Any,  # noqa: ANN401 - any JSON value
    known_at: datetime | None,
    now: datetime,
) -> None:
    """Keep the document, then let its order meet the book as any other."""
    given_at = now if known_at is None else max(now, known_at + CLOCK_STEP)
    original_id = given.original_id
    body = envelope(orjson.dumps(document), given_at)
    redacted = without_pii(orjson.loads(body), PII_PATHS)
    sealed = keys.seal_compressed(body, raw_orders.bound_to(channel.connection, original_id))
    payload = raw_orders.Payload(original_id, channel.code, _hash(document), sealed, pack(orjson.dumps(redacted)))
    seq = raw_orders.keep_given(transaction, channel.connection, payload, now)
    _, kept_at = opened(redacted)
    assert kept_at is not None
    (order,) = products.link(transaction, [order_of(given, channel.code, channel.marketplace, kept_at)])
    settle(transaction, keys, [arrive(order, seq, now, is_historical=False)], now)


def _hash(document: Any) -> bytes:  # noqa: ANN401 - any JSON value
    return hashlib.sha256(canonical(document)).digest()
