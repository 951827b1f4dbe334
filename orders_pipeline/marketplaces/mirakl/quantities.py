"""Units of a Mirakl line: ordered, cancelled, refunded, from what one line says of quantity, price, cancellations and refunds.

Mirakl does not document whether a line's quantity falls when some of its units are cancelled; the price falls, and tells
which: it is the price of the units that are left. What was shipped is in shipments and states, which `normalise` reads.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from orders_pipeline.marketplaces.reading import JsonObject, amount, count, objects

CLOSENESS = Decimal("0.02")
"""How far a line's price may be from units × unit price, in units of the currency, to be called the same."""


class Ordered(NamedTuple):
    """Units of a line as far as orders and cancellations go.

    Attributes:
        ordered: Units ordered, cancelled ones included; None when the line has no quantity.
        cancelled: Units listed as cancelled.
        priced: Units that the price is for; None: those that are not cancelled.
        is_unclear: Whether quantity, price and cancellations do not fit together.
    """

    ordered: int | None
    cancelled: int
    priced: int | None = None
    is_unclear: bool = False


class Refunded(NamedTuple):
    """What of a line was refunded, or is being refunded: units, and the amount with taxes where they are on top."""

    units: int | None
    total: Decimal | None


def read_ordered(of: JsonObject, path: str, *, is_void: bool) -> Ordered:
    """Read quantity and cancellations of a line.

    Args:
        of: The line.
        path: Its JSON path.
        is_void: Whether its state, or the order's, says that nothing of it is left.
    """
    quantity = count(of, "quantity", path)
    listed = objects(of, "cancelations", path)
    cancelled = sum(count(each, "quantity", f"{path}.cancelations[{at}]") or 0 for at, each in enumerate(listed))
    price, unit = amount(of, "price", path), amount(of, "price_unit", path)
    if quantity is None or not (listed or is_void):
        return Ordered(quantity, cancelled)
    is_for_all = _fits(price, unit, quantity)
    if is_void:
        ordered = quantity + cancelled if is_for_all and 0 < cancelled < quantity else max(quantity, cancelled)
        return Ordered(ordered, ordered, quantity if is_for_all and price else None)
    if is_for_all and (unit or not cancelled):
        return Ordered(quantity + cancelled, cancelled)
    if cancelled and cancelled <= quantity and _fits(price, unit, quantity - cancelled) and unit:
        return Ordered(quantity, cancelled)
    return Ordered(quantity, min(cancelled, quantity), is_unclear=True)


def read_refunded(of: JsonObject, path: str, *, adds_tax: bool | None) -> Refunded:
    """Read the refunds of a line. An amount without units that is not less than the line's price is for all of them.

    Where nothing decides whether taxes are on top (`adds_tax` is None), refunded taxes leave the total unknown.
    """
    if of.get("refunds") is None:
        return Refunded(None, None)
    units, total, taxes = 0, Decimal(0), Decimal(0)
    for at, each in enumerate(objects(of, "refunds", path)):
        here = f"{path}.refunds[{at}]"
        units += count(each, "quantity", here) or 0
        total += amount(each, "amount", here) or 0
        taxes += sum(
            amount(tax, "amount", f"{here}.taxes[{place}]") or 0
            for place, tax in enumerate(objects(each, "taxes", here))
        )
    price = amount(of, "price", path)
    if not units and price and total + (taxes if adds_tax else 0) >= price:
        units = count(of, "quantity", path) or 0
    if adds_tax is None and taxes:
        return Refunded(units, None)
    return Refunded(units, total + taxes if adds_tax else total)


def _fits(price: Decimal | None, unit: Decimal | None, units: int) -> bool:
    return price is not None and unit is not None and abs(price - unit * units) <= CLOSENESS
