"""A list of orders in the words of the order tables: what `orders sql` is asked to find the same orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.clock import iso

if TYPE_CHECKING:
    from warehouse.ledger.book.order_queries import OrderFilter


def select_orders(wanted: OrderFilter) -> str:
    """The statement; what its reader may see at all is no part of it, for the tables have no such gate."""
    conditions = [*_sets(wanted), *_flags(wanted), *_ranges(wanted)]
    where = f" where {' and '.join(conditions)}" if conditions else ""
    return f"select * from orders{where} order by purchased_at desc, id desc"  # noqa: S608 - every value is quoted


def _sets(wanted: OrderFilter) -> list[str]:
    sets = (
        ("status", wanted.statuses),
        ("channel", wanted.channels),
        ("marketplace", wanted.marketplaces),
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


def _quoted(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
