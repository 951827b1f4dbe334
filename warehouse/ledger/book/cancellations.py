"""Requests to cancel an order or some of its lines: what was asked for, by whom, what was decided, and what came of it.

`observe` follows what the marketplace shows, in the transaction in which the order is written; `decide` keeps a person's
decision; telling the marketplace is in `orders_pipeline.stages.cancel`. What a request holds meanwhile is in `holds`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from warehouse.cancellations import (
    HOLD_SETTING,
    LIVE,
    LONGEST_HOLD_HOURS,
    MERCHANT,
    UNDECIDED,
    Decision,
    RequestState,
    request_id,
)
from warehouse.ids import line_id
from warehouse.ledger.base.database import CANCELLATIONS, insert_into, next_values
from warehouse.ledger.base.prepared import Prepared
from warehouse.ledger.base.rows import Json, read_rows
from warehouse.ledger.base.schema import cancellation_requests, channels, orders
from warehouse.ledger.book import holds, order_events
from warehouse.ledger.book.cancellation_queries import COLUMNS, CancellationRecord, find
from warehouse.ledger.book.order_events import OrderEvent
from warehouse.ledger.book.orders_to_export import export_again
from warehouse.ledger.book.retired_orders import facts_of
from warehouse.ledger.settings.carriers import requirements_of
from warehouse.ledger.watch import incidents
from warehouse.order_lines import Line
from warehouse.order_parts import Cancellation
from warehouse.order_states import Status
from warehouse.shipments import Cancels

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.book.arrivals import Arrival
    from warehouse.orders import Order

Row = CancellationRecord
Asked = Json
"""JSON: a line, how many units of it are to be cancelled, and how many were shipped and cancelled by then."""

STAGE = "cancel"
"""The stage of its incidents and log entries."""


class Refusal(StrEnum):
    """Why a decision cannot be taken."""

    UNKNOWN = "unknown_cancellation_request"
    CLOSED = "cancellation_request_closed"
    CARRIED_OUT = "cancellation_carried_out"
    UNDER_WAY = "cancellation_under_way"
    UNKNOWN_LINE = "unknown_line"
    NOTHING_REMAINS = "nothing_to_cancel"
    WHOLE_ORDER_ONLY = "whole_order_only"
    UNKNOWN_REASON = "unknown_cancel_reason"


class CancellationUndecidable(Exception):
    """A decision that cannot be taken; `refusal` says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


_OF_ORDERS = Prepared(
    sa.select(*COLUMNS).where(cancellation_requests.c.order_id.in_(sa.bindparam("ids", expanding=True)))
)


def observe(transaction: Transaction, arrived: Sequence[Arrival], now: datetime) -> None:
    """Bring requests in line with orders that the marketplace has just shown, in the transaction that writes them.

    Args:
        transaction: A write transaction that holds `orders.lock_book`.
        arrived: The orders as the marketplace describes them.
        now: When they were seen.
    """
    ids = [each.rendered.id for each in arrived]
    rows = read_rows(transaction, CancellationRecord, _OF_ORDERS, {"ids": ids})
    known = {(row.order_id, row.requester): row for row in rows}
    of_known = {row.order_id for row in rows}
    concerned = [
        each.order for each in arrived if each.rendered.has_cancellation_request or each.rendered.id in of_known
    ]
    if not concerned:
        return
    holds = _holds(transaction, {order.channel for order in concerned})
    changed: list[Row] = []
    for order in concerned:
        asked = _asked(order)
        requesters = dict.fromkeys([*asked, *(name for own_id, name in known if own_id == order.id)])
        for requester in requesters:
            before = known.get((order.id, requester))
            after = _follow(order, requester, asked.get(requester), before, now)
            if after is not None and after != before:
                changed.append(_with_hold(after, before, holds.get(order.channel), now))
    _write(transaction, changed, known, now)


def decide(
    transaction: Transaction,
    wanted_id: str,
    decision: Decision,
    by: str,
    reason: str | None,
    visible_channels: tuple[str, ...] | None,
    now: datetime,
) -> Row:
    """Keep a decision; the same one again changes nothing.

    An accepted request is due to be carried out at once; so is a declined one, where the marketplace wants to hear of it.

    Args:
        transaction: A write transaction that holds `orders.lock_book`.
        wanted_id: The request.
        decision: What the seller wants.
        by: Who decides.
        reason: Plain text, without personal data.
        visible_channels: What that person may see; None for everything.
        now: When it is decided.

    Raises:
        Undecidable: There is no such request, the marketplace has closed it, or it was told of the decision already.
    """
    row = find(transaction, wanted_id, visible_channels)
    if row is None:
        raise CancellationUndecidable(Refusal.UNKNOWN)
    state = RequestState.ACCEPTED if decision is Decision.ACCEPT else RequestState.DECLINED
    if row.state == state.value:
        return row
    if row.state in {RequestState.EXECUTED, RequestState.WITHDRAWN}:
        raise CancellationUndecidable(Refusal.CLOSED)
    if row.state in DECIDED and (row.told_at is not None or row.claimed_until is not None):
        raise CancellationUndecidable(Refusal.CARRIED_OUT)
    is_to_tell = decision is Decision.ACCEPT or (row.requester != MERCHANT and _decides(transaction, row.channel))
    decided = row._replace(
        state=state.value,
        decided_by=by,
        decided_at=now,
        decision_reason=reason,
        due_at=now if is_to_tell else None,
        claimed_until=None,
        attempts=0,
        closed_at=None if decision is Decision.ACCEPT else now,
        updated_at=now,
    )
    _write(transaction, [decided], {(row.order_id, row.requester): row}, now)
    if decision is Decision.DECLINE and (row.state == RequestState.ACCEPTED.value or row.hold_until is not None):
        export_again(transaction, [row.order_id])
    return decided


def ask(
    transaction: Transaction,
    order_id: str,
    wanted: Mapping[str, int | None] | None,
    by: str,
    reason: str | None,
    now: datetime,
) -> Row:
    """Keep that the seller wants to cancel units of an order that nobody asked to cancel; accepted from the start.

    Args:
        transaction: A write transaction that holds `orders.lock_book`.
        order_id: An order that is there.
        wanted: Line id → units, None for all that remains of it; None for all that remains of the order.
        by: Who wants it.
        reason: The marketplace's reason code, or plain text.
        now: When.

    Raises:
        Undecidable: An earlier wish is still under way, a line is none of the order's, that much does not remain of it, or
            the marketplace takes whole orders only, or no such reason.
    """
    columns = (orders.c.id, orders.c.original_id, orders.c.channel, orders.c.marketplace, orders.c.facts)
    order = transaction.execute(sa.select(*columns).where(orders.c.id == order_id)).one()
    before = find(transaction, request_id(order_id, MERCHANT), None)
    if before is not None and before.state in LIVE:
        raise CancellationUndecidable(Refusal.UNDER_WAY)
    facts = order.facts or facts_of(transaction, [order_id])[order_id]
    lines = orjson.loads("{" + facts + "}")["lines"]
    units = _wanted_lines(lines, wanted)
    _check_offered(
        transaction,
        order.channel,
        reason,
        is_whole={each["id"]: each["quantity"] for each in units}
        == {line["id"]: line["quantity_remaining_to_ship"] for line in lines if line["quantity_remaining_to_ship"]},
    )
    asked = _blank(order, MERCHANT, now)._replace(
        reason=reason,
        lines=units,
        state=RequestState.ACCEPTED.value,
        decided_by=by,
        decided_at=now,
        due_at=now,
    )
    (row,) = _write(transaction, [asked], {} if before is None else {(order_id, MERCHANT): before}, now)
    return row


DECIDED = frozenset({RequestState.ACCEPTED, RequestState.DECLINED})
"""Decisions that a marketplace may have been told of; they cannot be taken back then."""


def _decides(transaction: Transaction, channel: str) -> bool:
    needs = requirements_of(transaction, [channel]).get(channel)
    return needs is not None and needs.decides_cancellations


def _check_offered(transaction: Transaction, channel: str, reason: str | None, *, is_whole: bool) -> None:
    needs = requirements_of(transaction, [channel]).get(channel)
    if needs is None:
        return
    if needs.cancels is Cancels.WHOLE_ORDER and not is_whole:
        raise CancellationUndecidable(Refusal.WHOLE_ORDER_ONLY)
    if needs.cancel_reasons and reason not in {each.code for each in needs.cancel_reasons}:
        raise CancellationUndecidable(Refusal.UNKNOWN_REASON)


def _wanted_lines(lines: Sequence[Mapping[str, Any]], wanted: Mapping[str, int | None] | None) -> list[dict[str, Any]]:
    known = {line["id"]: line for line in lines}
    remaining = {own_id: line["quantity_remaining_to_ship"] for own_id, line in known.items()}
    if wanted is None:
        wanted = {own_id: units for own_id, units in remaining.items() if units}
    if not wanted:
        raise CancellationUndecidable(Refusal.NOTHING_REMAINS)
    found = []
    for own_id, asked in wanted.items():
        if own_id not in known:
            raise CancellationUndecidable(Refusal.UNKNOWN_LINE)
        units = remaining[own_id] if asked is None else asked
        if not units or units < 1 or units > (remaining[own_id] or 0):
            raise CancellationUndecidable(Refusal.NOTHING_REMAINS)
        line = known[own_id]
        found.append(
            {
                "id": own_id,
                "original_id": line["original_id"],
                "quantity": units,
                "shipped": line["quantity_shipped"] or 0,
                "cancelled": line["quantity_cancelled"] or 0,
            }
        )
    return found


_OVER = sa.select(*COLUMNS).where(
    cancellation_requests.c.state == RequestState.OPEN.value, cancellation_requests.c.hold_until <= sa.bindparam("now")
)


def expire(transaction: Transaction, now: datetime) -> int:
    """End the holds that are over: what nobody decided is exported and confirmed again. Returns how many.

    Args:
        transaction: A write transaction that holds `orders.lock_book`.
        now: The present instant.
    """
    rows = read_rows(transaction, CancellationRecord, _OVER, {"now": now})
    if not rows:
        return 0
    known = {(row.order_id, row.requester): row for row in rows}
    over = [row._replace(state=RequestState.EXPIRED.value, closed_at=now) for row in rows]
    _write(transaction, over, known, now)
    export_again(transaction, [row.order_id for row in rows])
    return len(rows)


# -- what the marketplace shows


def _asked(order: Order) -> dict[str, tuple[str | None, list[Line]]]:
    """Requester → reason and lines."""
    found: dict[str, tuple[str | None, list[Line]]] = {}
    for line in order.lines:
        if line.cancellation is not None and line.cancellation.requested_by:
            reason = line.cancellation.request_reason
            found.setdefault(line.cancellation.requested_by, (reason, []))[1].append(line)
    whole = order.cancellation
    if not found and whole is not None and whole.requested_by:
        found[whole.requested_by] = (whole.request_reason, list(order.lines))
    return found


def _follow(
    order: Order, requester: str, asked: tuple[str | None, list[Line]] | None, before: Row | None, now: datetime
) -> Row | None:
    """The row of a request after the order was seen; None when there is nothing to keep."""
    row = before
    if asked is not None:
        row = _with_lines(order, requester, asked, before, now)
    elif before is not None and requester != MERCHANT and before.state in LIVE:
        is_over = order.status in {Status.CANCELED, Status.REFUSED} or _shipped(order, before)
        row = before if is_over else _closed(before, RequestState.WITHDRAWN, now)
    if row is None or row.state not in UNDECIDED:
        return row
    return _progress(order, row, now)


def _with_lines(
    order: Order, requester: str, asked: tuple[str | None, list[Line]], before: Row | None, now: datetime
) -> Row:
    """A new request, the known one with the lines that joined it, or one that is asked for again."""
    reason, lines = asked
    live = before.lines if before is not None and before.state in LIVE else []
    known = {each["original_id"] for each in (before.lines if before else ())}
    joined = [line for line in lines if line.original_id not in known]
    if before is not None and not joined and before.state != RequestState.WITHDRAWN:
        return before
    base = before if before is not None and live else _blank(order, requester, now)
    return base._replace(
        reason=reason,
        lines=[*live, *(_line(order, line) for line in (joined if live else lines))],
        requested_at=order.marketplace_updated_at,
        state=RequestState.OPEN.value,
        **_UNDECIDED,
    )


def _line(order: Order, line: Line) -> Asked:
    open_units = line.quantity_remaining_to_ship
    return {
        "id": line_id(order.id, line.original_id),
        "original_id": line.original_id,
        "quantity": line.quantity_ordered if open_units is None else open_units,
        "shipped": line.quantity_shipped or 0,
        "cancelled": line.quantity_cancelled or 0,
    }


def _progress(order: Order, row: Row, now: datetime) -> Row:
    """What has become of the units that were asked for: cancelled, shipped, or neither yet."""
    lines = {line.original_id: line for line in order.lines}
    fates = [_fate(order, each, lines.get(each["original_id"])) for each in row.lines]
    despite = _shipped(order, row)
    after = row._replace(shipped_despite=row.shipped_despite or despite)
    if fates and all(fate is not None for fate in fates):
        is_cancelled = RequestState.EXECUTED in fates or order.status in {Status.CANCELED, Status.REFUSED}
        after = _closed(after, RequestState.EXECUTED if is_cancelled else RequestState.EXPIRED, now)
    return after


def _fate(order: Order, asked: Asked, line: Line | None) -> RequestState | None:
    """EXECUTED, EXPIRED (shipped), or None while the units are neither."""
    if line is None or order.status in {Status.CANCELED, Status.REFUSED}:
        return RequestState.EXECUTED
    if _is_executed(line.cancellation) or _gone(line.quantity_cancelled, asked, "cancelled"):
        return RequestState.EXECUTED
    is_shipped = order.status is Status.SHIPPED or _gone(line.quantity_shipped, asked, "shipped")
    return RequestState.EXPIRED if is_shipped else None


def _is_executed(cancellation: Cancellation | None) -> bool:
    return cancellation is not None and bool(cancellation.executed_by or cancellation.execution_reason)


def _gone(units: int | None, asked: Asked, name: str) -> bool:
    return bool(asked["quantity"]) and units is not None and units - asked[name] >= asked["quantity"]


def _shipped(order: Order, row: Row) -> bool:
    """Whether units that were asked for left nevertheless."""
    before = {each["original_id"]: each["shipped"] for each in row.lines}
    return any(
        (line.quantity_shipped or 0) > before.get(line.original_id, line.quantity_shipped or 0) for line in order.lines
    )


def _closed(row: Row, state: RequestState, now: datetime) -> Row:
    if row.state == state.value:
        return row
    return row._replace(state=state.value, closed_at=now, due_at=None, claimed_until=None)


# -- rows


_UNDECIDED: Mapping[str, Any] = {
    name: CancellationRecord._field_defaults[name]
    for name in (
        *("decided_by", "decided_at", "decision_reason"),
        *("attempts", "due_at", "claimed_until", "told_at", "closed_at"),
    )
}


def _blank(order: Any, requester: str, now: datetime) -> Row:  # noqa: ANN401 - an order, or a row of one
    return CancellationRecord(
        id=request_id(order.id, requester),
        number=0,
        order_id=order.id,
        original_id=order.original_id,
        channel=order.channel,
        marketplace=order.marketplace,
        requester=requester,
        reason=None,
        lines=[],
        requested_at=now,
        seen_at=now,
        state=RequestState.OPEN.value,
        updated_at=now,
    )


def _holds(transaction: Transaction, codes: Iterable[str]) -> dict[str, timedelta]:
    """How long each of the channels holds an order with an open request, of those that do."""
    query = sa.select(channels.c.code, channels.c.settings).where(channels.c.code.in_(sorted(codes)))
    found = {}
    for code, settings in transaction.execute(query):
        hours = settings.get(HOLD_SETTING)
        if isinstance(hours, int | float) and not isinstance(hours, bool) and hours > 0:
            found[code] = timedelta(hours=min(float(hours), LONGEST_HOLD_HOURS))
    return found


def _with_hold(row: Row, before: Row | None, hold: timedelta | None, now: datetime) -> Row:
    is_new = row.state == RequestState.OPEN.value and (before is None or before.state not in LIVE)
    return row._replace(hold_until=now + hold) if is_new and hold is not None else row


def _write(
    transaction: Transaction, rows: Sequence[Row], known: Mapping[tuple[str, str], Row], now: datetime
) -> Sequence[Row]:
    """Write rows, tell of them in the order's timeline and the log, and end the incidents of those that are over.

    Returns them, with a new number each that somebody has to be told of.
    """
    if not rows:
        return rows
    before = [known.get((row.order_id, row.requester)) for row in rows]
    news = [_is_news(row, old) for row, old in zip(rows, before, strict=True)]
    numbers = itertools.count(next_values(transaction, CANCELLATIONS, sum(news)) if any(news) else 0)
    rows = [row._replace(number=next(numbers)) if is_new else row for row, is_new in zip(rows, news, strict=True)]
    insert = insert_into(transaction, cancellation_requests)
    columns = [column.name for column in cancellation_requests.columns if column.name != "id"]
    update = insert.on_conflict_do_update(index_elements=["id"], set_={name: insert.excluded[name] for name in columns})
    transaction.execute(update, [{**row._asdict(), "updated_at": now} for row in rows])
    moved = [row for row, old in zip(rows, before, strict=True) if old is None or old.state != row.state]
    _tell(transaction, moved, now)
    over = [row.order_id for row in moved if row.state not in LIVE]
    if over:
        incidents.resolve_order(transaction, over, STAGE, now)
    holds.follow(transaction, [row.order_id for row in moved], now)
    return rows


def _is_news(row: Row, before: Row | None) -> bool:
    """Whether somebody asks for something that nobody has been told of."""
    return row.number == 0 or (
        before is not None and row.state == RequestState.OPEN.value and row.lines != before.lines
    )


def _tell(transaction: Transaction, rows: Sequence[Row], now: datetime) -> None:
    events = []
    for row in rows:
        kind = "cancellation_requested" if row.state == RequestState.OPEN.value else f"cancellation_{row.state}"
        data = {
            "request": row.id,
            "requester": row.requester,
            "reason": row.reason,
            "by": row.decided_by,
            "lines": [each["id"] for each in row.lines],
            "shipped_despite": row.shipped_despite,
        }
        events.append(OrderEvent(row.order_id, kind, data))
    order_events.record(transaction, events, now)
