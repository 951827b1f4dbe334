"""A list of orders in the words of the order tables: what `orders sql` is asked to find the same orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.clock import iso
from warehouse.ledger.book.order_filter import ShipBy, TakenOver

if TYPE_CHECKING:
    from warehouse.ledger.book.order_filter import Acknowledged, OrderFilter


def select_orders(wanted: OrderFilter) -> str:
    """The statement; what its reader may see at all is no part of it, for the tables have no such gate."""
    conditions = [*_sets(wanted), *_flags(wanted), *_ranges(wanted), *_waiting(wanted)]
    where = f" where {' and '.join(conditions)}" if conditions else ""
    return f"select * from orders{where} order by purchased_at desc, id desc"  # noqa: S608 - every value is quoted


def _sets(wanted: OrderFilter) -> list[str]:
    sets = (
        ("status", wanted.statuses),
        ("channel", wanted.channels),
        ("marketplace", wanted.marketplaces),
        ("shipping_country_code", wanted.countries),
        ("confirmation_status", wanted.confirmations),
        ("id", wanted.ids),
        ("id", None if wanted.id is None else (wanted.id,)),
        ("original_id", None if wanted.original_id is None else (wanted.original_id,)),
    )
    found = [f"{name} in ({', '.join(map(_quoted, sorted(values)))})" for name, values in sets if values]
    if wanted.ids == ():
        found.append("false")
    return found


def _flags(wanted: OrderFilter) -> list[str]:
    flags = (
        ("has_errors", wanted.has_errors),
        ("has_cancellation_request", wanted.cancellation_requested),
        ("may_ship", wanted.may_ship),
        ("is_historical", wanted.historical),
    )
    found = [name if asked else f"not {name}" for name, asked in flags if asked is not None]
    if wanted.fulfilled_by is not None:
        is_none = wanted.fulfilled_by == "none"
        found.append("fulfilled_by is null" if is_none else f"fulfilled_by = {_quoted(wanted.fulfilled_by)}")
    return found


def _ranges(wanted: OrderFilter) -> list[str]:
    ranges = (
        ("purchased_at", wanted.purchased_after, wanted.purchased_before),
        ("received_at", wanted.received_after, wanted.received_before),
        ("marketplace_updated_at", wanted.updated_after, wanted.updated_before),
    )
    found = [f"{name} >= timestamptz '{iso(first)}'" for name, first, _ in ranges if first is not None]
    return found + [f"{name} < timestamptz '{iso(end)}'" for name, _, end in ranges if end is not None]


def _waiting(wanted: OrderFilter) -> list[str]:
    """What orders wait for: shipment, a consumer, a decision."""
    found = []
    if wanted.ship_by:
        end = "now() + interval 24 hours" if ShipBy.NEXT_24_HOURS in wanted.ship_by else "now()"
        since = "" if ShipBy.OVERDUE in wanted.ship_by else " and ship_by >= now()"
        found.append(f"status in ('PARTIALLY_SHIPPED', 'WAITING_FOR_SHIPMENT') and ship_by < {end}{since}")
    if wanted.personal_data_purged is not None:
        found.append(f"pii_state {'=' if wanted.personal_data_purged else '<>'} 'expired'")
    if wanted.acknowledged is not None:
        found.append(_taken_over(wanted.acknowledged))
    if wanted.awaits_acceptance is not None:
        pairs = ", ".join(f"({_quoted(each.channel)}, {_quoted(each.word)})" for each in wanted.acceptance_states)
        waits = f"(status = 'PENDING' and (channel, marketplace_status) in ({pairs}))" if pairs else "false"
        found.append(waits if wanted.awaits_acceptance else f"not {waits}")
    return found


def _taken_over(asked: Acknowledged) -> str:
    answer = {TakenOver.YES: " and outcome = 'ok'", TakenOver.NO: "", TakenOver.ERROR: " and outcome = 'error'"}
    whose = f"consumer = {_quoted(asked.consumer)}{answer[asked.answer]}"
    way = "not in" if asked.answer is TakenOver.NO else "in"
    return f"id {way} (select order_id from acknowledgements where {whose})"  # noqa: S608 - as above


def _quoted(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
