"""The arithmetic that holds for the orders of every marketplace: quantities, what may ship, shares of amounts, states."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

from warehouse.order_states import Bar, Status

_UNIT_PRICE_PLACES = Decimal("0.000001")


_WIDE = Context(prec=60)
"""Room for the largest amount that a payload may hold, by the largest number of units."""


@dataclass(frozen=True, slots=True)
class Quantities:
    """Units of a line that conserve. `is_contradictory`: the marketplace's own numbers did not."""

    ordered: int | None
    shipped: int | None
    cancelled: int | None
    is_contradictory: bool = False


def conserved(ordered: int | None, shipped: int | None, cancelled: int | None) -> Quantities:
    """What a marketplace says of a line's units, settled so that they conserve: where it contradicts itself, shipped wins.

    >>> conserved(3, 2, 2)
    Quantities(ordered=3, shipped=2, cancelled=1, is_contradictory=True)
    >>> conserved(1, 2, 0)
    Quantities(ordered=2, shipped=2, cancelled=0, is_contradictory=True)
    """
    if ordered is None or (shipped or 0) + (cancelled or 0) <= ordered:
        return Quantities(ordered, shipped, cancelled)
    enough = max(ordered, shipped or 0)
    return Quantities(enough, shipped, None if cancelled is None else enough - (shipped or 0), is_contradictory=True)


def line_bar(own: Bar | None, remaining: int | None, refunded: int | None) -> Bar | None:
    """Why nothing of a line may be shipped.

    Args:
        own: What the marketplace has against the line itself.
        remaining: Units still to ship.
        refunded: Units refunded, or being refunded.
    """
    if own is None and remaining and refunded and refunded >= remaining:
        return Bar.REFUNDED
    return own


def order_bar(whole: Bar | None, lines: Iterable[tuple[Bar | None, int | None]]) -> Bar | None:
    """Why nothing of an order may be shipped: for a reason of its own, or because no line may be.

    Args:
        whole: What is against the order as a whole.
        lines: Of each line, what is against it, and the units still to ship.

    >>> order_bar(None, [(Bar.REFUNDED, 2), (None, 0)]), order_bar(None, [(Bar.REFUNDED, 2), (None, 1)])
    (<Bar.NO_LINE_MAY_SHIP: 'no_line_may_ship'>, None)
    """
    if whole is not None:
        return whole
    bars = list(lines)
    unfinished = [bar for bar, remaining in bars if remaining != 0] or [bar for bar, _ in bars]
    return Bar.NO_LINE_MAY_SHIP if unfinished and None not in unfinished else None


def share(total: Decimal, units: int, of: int) -> Decimal:
    """The part of an amount that falls to some of its units, rounded as the amount is, but at least to hundredths.

    >>> share(Decimal("10"), 1, 3), share(Decimal("30.00"), 2, 3)
    (Decimal('3.33'), Decimal('20.00'))
    """
    exponent = total.as_tuple().exponent
    places = min(exponent, -2) if isinstance(exponent, int) else -2
    exact = _WIDE.divide(_WIDE.multiply(total, Decimal(units)), Decimal(of))
    return exact.quantize(Decimal(1).scaleb(places), ROUND_HALF_UP, _WIDE)


def effective_status(status: Status, remaining: Iterable[int | None]) -> Status:
    """The state of an order with shipments of ours, of which the marketplace may not know yet.

    Args:
        status: The marketplace's state in our words.
        remaining: Units still to ship of each line, our shipments taken off; None where a part is unknown.

    >>> effective_status(Status.WAITING_FOR_SHIPMENT, [0, 1]), effective_status(Status.CANCELED, [0])
    (<Status.PARTIALLY_SHIPPED: 'PARTIALLY_SHIPPED'>, <Status.CANCELED: 'CANCELED'>)
    """
    match status:
        case Status.SHIPPED | Status.REFUSED | Status.CANCELED:
            return status
        case Status.PENDING | Status.WAITING_FOR_SHIPMENT | Status.PARTIALLY_SHIPPED | Status.UNKNOWN:
            return Status.SHIPPED if all(each == 0 for each in remaining) else Status.PARTIALLY_SHIPPED


def rounded(exact: Decimal) -> Decimal:
    """A price of one unit with six decimals, or fewer where it has no more."""
    rounded = exact.quantize(_UNIT_PRICE_PLACES, ROUND_HALF_UP)
    return exact if exact == rounded else rounded
