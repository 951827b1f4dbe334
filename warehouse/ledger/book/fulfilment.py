"""What our shipments make of an order: its quantities, its status, and how far its confirmations have come.

The marketplace's facts and our shipments have a writer each; what readers see is put together from both here, whenever one
of them changes. Taking shipments in is in `shipments`, telling the marketplace in `confirmations`; how an arriving order
meets the book is in `orders`.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import orjson
import sqlalchemy as sa

from warehouse.ledger.base.bulk import add_rows, change_rows
from warehouse.ledger.base.database import POSITION, next_values
from warehouse.ledger.base.prepared import Prepared
from warehouse.ledger.base.rows import columns_of
from warehouse.ledger.base.schema import order_lines, order_versions, orders, shipment_lines, shipments
from warehouse.ledger.book import shipped_despite
from warehouse.ledger.book.order_ids import order_keys
from warehouse.ledger.book.retired_orders import NO_FACTS, facts_of
from warehouse.ledger.book.versions import keep_facts
from warehouse.ledger.watch import order_counts
from warehouse.ledger.watch.order_counts import kind_of
from warehouse.order_rules import effective_status, line_bar, order_bar
from warehouse.order_states import CLOSED_STATUSES, Bar, ConfirmationStatus, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.engine import Connection as Transaction

_WORST_FIRST = (
    ConfirmationStatus.REJECTED,
    ConfirmationStatus.IN_DOUBT,
    ConfirmationStatus.HELD,
    ConfirmationStatus.SENDING,
    ConfirmationStatus.QUEUED,
    ConfirmationStatus.SENT,
    ConfirmationStatus.VERIFIED,
    ConfirmationStatus.NONE,
)
"""An order with several shipments shows the state that needs somebody most."""

_UNDER_WAY = frozenset({ConfirmationStatus.QUEUED.value, ConfirmationStatus.SENDING.value})
"""Going to and fro between these is no news: it moves no revision."""


class ReportedUnits(NamedTuple):
    """Units of one line that we have reported, and those that others had shipped when we did."""

    units: int
    by_others: int


class MarketplaceCounts(NamedTuple):
    """What the marketplace says of one line: units shipped (None: it does not), and what it has against shipping it."""

    shipped: int | None
    bar: Bar | None


class Raised(NamedTuple):
    """An order as readers see it.

    Attributes:
        facts: The rendered members of the document.
        status: Its state.
        bar: Why nothing of it may be shipped; None when it may.
        lines: Line id → units shipped and remaining.
        may_have_left: Line id → units that we have reported and the marketplace has cancelled.
    """

    facts: str
    status: Status
    bar: Bar | None
    lines: Mapping[str, tuple[int | None, int | None]]
    may_have_left: Mapping[str, int]


def shipped_units(
    shown: int | None, ordered: int | None, cancelled: int | None, reported: ReportedUnits | None
) -> tuple[int | None, int]:
    """Units of a line that were shipped, by whomever, and those that we have reported although they are cancelled.

    What the marketplace cancels is cancelled, whatever was reported: together both are never more than what was ordered.

    Args:
        shown: What the marketplace says was shipped; None when it does not.
        ordered: Units ordered; None when the marketplace does not say.
        cancelled: Units cancelled; None when the marketplace does not say.
        reported: Our shipments of the line; None without any.

    >>> shipped_units(1, 3, 0, ReportedUnits(units=1, by_others=1)), shipped_units(0, 2, 2, ReportedUnits(units=2, by_others=0))
    ((2, 0), (0, 2))
    """
    if reported is None:
        return shown, 0
    units = max(shown or 0, reported.units + reported.by_others)
    room = units if ordered is None else ordered - (cancelled or 0)
    return min(units, room), min(reported.units, max(0, units - room))


def remaining_units(ordered: int | None, shipped: int | None, cancelled: int | None) -> int | None:
    """Ordered − shipped − cancelled; None when a part is unknown."""
    if ordered is None or shipped is None or cancelled is None:
        return None
    return ordered - shipped - cancelled


_REPORTED = Prepared(
    sa.select(
        shipments.c.order_id,
        shipment_lines.c.line_id,
        sa.func.sum(shipment_lines.c.quantity),
        sa.func.max(shipment_lines.c.shipped_by_others),
    )
    .join_from(shipments, shipment_lines)
    .where(shipments.c.order_id.in_(sa.bindparam("ids", expanding=True)))
    .group_by(shipments.c.order_id, shipment_lines.c.line_id)
)


def reported_units(transaction: Transaction, order_ids: Sequence[str]) -> dict[str, dict[str, ReportedUnits]]:
    """Order id → line id → our shipments of it, of the orders that have any."""
    found: dict[str, dict[str, ReportedUnits]] = {}
    for order_id, line_id, units, by_others in _REPORTED.rows(transaction, {"ids": list(order_ids)}):
        found.setdefault(order_id, {})[line_id] = ReportedUnits(int(units), int(by_others))
    return found


def raised(
    facts: str,
    source: Status,
    whole: Bar | None,
    counts: Mapping[str, MarketplaceCounts],
    reported: Mapping[str, ReportedUnits],
) -> Raised:
    """An order as readers see it.

    Args:
        facts: The marketplace's facts, as `documents.facts` renders them, or as an earlier call has left them.
        source: The marketplace's state in our words.
        whole: Why nothing of the order may be shipped, for a reason that is not one of its lines.
        counts: What the marketplace says, by line id.
        reported: Our shipments by line id.
    """
    members = orjson.loads("{" + facts + "}")
    units: dict[str, tuple[int | None, int | None]] = {}
    left: dict[str, int] = {}
    bars: list[tuple[Bar | None, int | None]] = []
    for line in members["lines"]:
        own_id, ordered, cancelled = line["id"], line["quantity_ordered"], line["quantity_cancelled"]
        shown, bar = counts[own_id]
        shipped, beyond = shipped_units(shown, ordered, cancelled, reported.get(own_id))
        remaining = remaining_units(ordered, shipped, cancelled)
        bar = line_bar(bar, remaining, line.get("quantity_refunded"))
        units[own_id] = (shipped, remaining)
        bars.append((bar, remaining))
        if beyond:
            left[own_id] = beyond
        bar = whole or bar
        line["quantity_shipped"], line["quantity_remaining_to_ship"] = shipped, remaining
        line["may_ship"], line["may_not_ship_reason"] = bar is None, bar
    bar = order_bar(whole, bars)
    members["may_ship"], members["may_not_ship_reason"] = bar is None, bar
    is_raised = any(units[own_id][0] for own_id in reported if own_id in units)
    status = effective_status(source, [remaining for _, remaining in units.values()]) if is_raised else source
    return Raised(orjson.dumps(members).decode()[1:-1], status, bar, units, left)


@lru_cache(maxsize=256)
def overall(states: frozenset[str]) -> ConfirmationStatus:
    """The confirmation status of an order from those of its shipments.

    >>> overall(frozenset({"verified", "rejected"})).value, overall(frozenset()).value
    ('rejected', 'none')
    """
    return next((each for each in _WORST_FIRST if each.value in states), ConfirmationStatus.NONE)


class OwnShipments(NamedTuple):
    """What there is of an order's shipments.

    Attributes:
        reported: Our units, by line id.
        states: The packages' states.
        counts: What the marketplace says, by line id.
        are_new: Whether all of them were reported in this transaction: nothing was noted about them yet.
    """

    reported: Mapping[str, ReportedUnits]
    states: frozenset[str]
    counts: Mapping[str, MarketplaceCounts]
    are_new: bool = False


def restate(
    transaction: Transaction,
    order_ids: Iterable[str],
    now: datetime,
    known: Mapping[str, OwnShipments] = MappingProxyType({}),
) -> None:
    """Bring orders in line with their shipments; each that a reader sees differently gets a revision and a position.

    Args:
        transaction: A write transaction that holds `orders.lock_book`.
        order_ids: Orders whose shipments have changed.
        now: When it is recorded.
        known: Shipments of some of them, where the caller knows all of an order's as they are now.
    """
    chosen = sorted(set(order_ids))
    unread = [each for each in chosen if each not in known]
    found = {**(_read_shipments(transaction, unread) if unread else {}), **known}
    news: list[_News] = []
    quiet: list[dict[str, str]] = []
    left: dict[str, Mapping[str, int]] = {}
    found_rows = _ROWS.rows(transaction, {"ids": chosen})
    counted = {each[0]: (kind_of(each[_WIDTH + 1 :]), each[_WIDTH]) for each in found_rows}
    rows = _with_facts(transaction, [_Row._make(each[:_WIDTH]) for each in found_rows])
    for row in rows:  # in the order of their ids, and so are the positions
        source = Status(row.source_status or row.status)
        own = found[row.id]
        seen = raised(row.facts, source, _whole_bar(row), own.counts, own.reported)
        if seen.may_have_left or not own.are_new:
            left[row.id] = seen.may_have_left
        confirmation = overall(own.states).value
        changed = _changed(row, seen.facts, seen.status, confirmation)
        if changed:
            news.append(_News(row, seen, source.value, confirmation, changed))
        else:
            quiet.append({"own_id": row.id, "confirmation": confirmation})
    if quiet:
        _write_quiet(transaction, quiet)
    if news:
        _write_news(transaction, news, counted, now)
    shipped_despite.note(transaction, left, now)


class _Row(NamedTuple):
    """The columns of `orders` that are read; each says there what it means."""

    id: str
    key: int
    status: str
    source_status: str | None
    confirmation_status: str
    revision: int
    marketplace_updated_at: datetime
    raw_seq: int
    facts: str
    may_not_ship_reason: str | None
    closed_at: datetime | None


def _with_facts(transaction: Transaction, rows: list[_Row]) -> list[_Row]:
    retired = facts_of(transaction, [row.id for row in rows if row.facts == NO_FACTS])
    return [row._replace(facts=retired[row.id]) if row.id in retired else row for row in rows] if retired else rows


_WIDTH = len(_Row._fields)
_ROWS = Prepared(
    sa.select(*columns_of(_Row, orders), orders.c.received_at, *order_counts.COUNTED_BY)
    .where(orders.c.id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(orders.c.id)
    .with_for_update()
)
"""Locked, so that nobody else changes what they are counted by meanwhile."""


class _News(NamedTuple):
    """An order that readers see differently now: as it was, as it is, and what of it has changed."""

    row: _Row
    seen: Raised
    source: str
    confirmation: str
    changed: list[str]


def _counted(each: _News, kind: order_counts.CountedKind, received_at: datetime) -> order_counts.Counted:
    """What an order is counted by once it is written, given what it was."""
    return kind._replace(status=each.seen.status.value, may_ship=each.seen.bar is None), received_at


def _whole_bar(row: _Row) -> Bar | None:
    """Why nothing of the order may be shipped, for a reason that is not one of its lines."""
    reason = row.may_not_ship_reason
    return None if reason in {None, Bar.NO_LINE_MAY_SHIP.value} else Bar(reason)


def _changed(row: _Row, facts: str, status: Status, confirmation: str) -> list[str]:
    """Names of the members that a reader sees differently."""
    changed = ["status"] if row.status != status.value else []
    if row.facts != facts:
        changed.append("lines")
    if row.confirmation_status != confirmation and not {row.confirmation_status, confirmation} <= _UNDER_WAY:
        changed.append("confirmation_status")
    return changed


def _read_shipments(transaction: Transaction, order_ids: Sequence[str]) -> dict[str, OwnShipments]:
    reported = reported_units(transaction, order_ids)
    states = _confirmation_states(transaction, order_ids)
    counts = _marketplace_counts(transaction, order_ids)
    return {
        each: OwnShipments(reported.get(each, {}), frozenset(states.get(each, ())), counts.get(each, {}))
        for each in order_ids
    }


def _marketplace_counts(transaction: Transaction, order_ids: Sequence[str]) -> dict[str, dict[str, MarketplaceCounts]]:
    """Order id → line id → what the marketplace says of it."""
    columns = (order_lines.c.order_id, order_lines.c.id, order_lines.c.marketplace_quantity_shipped, order_lines.c.bar)
    found: dict[str, dict[str, MarketplaceCounts]] = {}
    rows = transaction.execute(sa.select(*columns).where(order_lines.c.order_key.in_(order_keys(order_ids)))).all()
    for order_id, line_id, shipped, bar in rows:
        found.setdefault(order_id, {})[line_id] = MarketplaceCounts(shipped, Bar(bar) if bar else None)
    return found


def _confirmation_states(transaction: Transaction, order_ids: Sequence[str]) -> dict[str, set[str]]:
    query = sa.select(shipments.c.order_id, shipments.c.status).where(shipments.c.order_id.in_(order_ids))
    found: dict[str, set[str]] = {}
    for order_id, status in transaction.execute(query).all():
        found.setdefault(order_id, set()).add(status)
    return found


def _write_quiet(transaction: Transaction, rows: Sequence[Mapping[str, str]]) -> None:
    update = (
        sa.update(orders)
        .where(orders.c.id == sa.bindparam("own_id"), orders.c.confirmation_status != sa.bindparam("confirmation"))
        .values(confirmation_status=sa.bindparam("confirmation"))
    )
    transaction.execute(update, rows)


def _write_news(
    transaction: Transaction, news: Sequence[_News], counted: Mapping[str, order_counts.Counted], now: datetime
) -> None:
    first = next_values(transaction, POSITION, len(news))
    order_counts.changing(
        transaction, {each.row.id: (counted[each.row.id], _counted(each, *counted[each.row.id])) for each in news}
    )
    written, versions = [], []
    for position, each in enumerate(news, first):
        row, status = each.row, each.seen.status.value
        written.append(
            {
                "status": status,
                "source_status": each.source,
                "confirmation_status": each.confirmation,
                "facts": each.seen.facts,
                "may_not_ship_reason": None if each.seen.bar is None else each.seen.bar.value,
                "revision": row.revision + 1,
                "position": position,
                "closed_at": (row.closed_at or now) if status in CLOSED_STATUSES else None,
                "id": row.id,
            }
        )
        versions.append(
            {
                "position": position,
                "order_id": row.id,
                "order_key": row.key,
                "revision": row.revision + 1,
                "status": status,
                "marketplace_updated_at": row.marketplace_updated_at,
                "recorded_at": now,
                "raw_seq": row.raw_seq,
                "changed": orjson.dumps(each.changed).decode(),
            }
        )
    keep_facts(transaction, [each.row.id for each in news if each.row.facts != each.seen.facts])
    change_rows(transaction, orders, written)
    add_rows(transaction, order_versions, versions)
    units = [
        {"quantity_shipped": shipped, "quantity_remaining": remaining, "id": own_id}
        for each in news
        for own_id, (shipped, remaining) in each.seen.lines.items()
    ]
    change_rows(transaction, order_lines, units)
