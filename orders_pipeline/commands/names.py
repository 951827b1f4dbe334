"""Which order or shipment a person means: any id will do that somebody knows it by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orders_pipeline.commands.output import Exit, fail
from warehouse.ledger.book.order_ids import orders_named
from warehouse.ledger.shipping.shipment_queries import shipments_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection as Transaction

ORDER_HELP = "The order: its internal id, the marketplace's, a tracking number, or the ERP's number."
SHIPMENT_HELP = "The shipment: its id, tracking number or package id, or any id of its order."


def the_order(transaction: Transaction, name: str) -> str:
    """The internal id of the one order that is meant.

    Raises:
        typer.Exit: There is none, or more than one.
    """
    return _only("order", name, orders_named(transaction, name))


def the_shipment(transaction: Transaction, name: str) -> str:
    """The id of the one shipment that is meant.

    Raises:
        typer.Exit: There is none, or more than one.
    """
    return _only("shipment", name, shipments_named(transaction, name))


def _only(what: str, name: str, found: Sequence[str]) -> str:
    if not found:
        raise fail(f"there is no {what} {name!r}", Exit.USAGE)
    if len(found) > 1:
        raise fail(f"{name!r} means {len(found)} {what}s, name one of them: {', '.join(found)}", Exit.USAGE)
    return found[0]
