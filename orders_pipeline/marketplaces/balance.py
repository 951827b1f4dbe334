"""Whether the amounts of an order add up, asked of every order of every marketplace.

What the amounts of a payload mean is each marketplace's knowledge; that lines, shipping and charges make up the total is not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from warehouse.orders import Charge, Problem, unexplained

if TYPE_CHECKING:
    from decimal import Decimal

    from warehouse.orders import Order

LABELS = {
    "COD_FEE": "Cash on delivery",
    "DELIVERY_TIP": "Delivery tip",
    "GIFT_WRAP": "Gift wrap",
    "OTHER": "Other",
}


def charge(code: str, amount: Decimal, tax: Decimal | None = None) -> Charge:
    """A charge with a label for people.

    >>> charge("GIFT_WRAP", 5).label, charge("eco-fee", 1).label
    ('Gift wrap', 'Eco fee')
    """
    label = LABELS.get(code) or code.replace("_", " ").replace("-", " ").capitalize()
    return Charge(code=code, label=label, amount=amount, tax=tax)


def checked(order: Order, path: str) -> Order:
    """The same order; with a `total_mismatch` at `path`, which tells the difference, when its amounts do not balance."""
    difference = unexplained(order)
    if not difference:
        return order
    unpriced = sum(line.line_total is None for line in order.lines)
    without = f", {unpriced} of {len(order.lines)} lines without a price" if unpriced else ""
    message = f"the total of {order.total} is {difference:+f} from lines, shipping and charges{without}"
    return replace(order, problems=(*order.problems, Problem(code="total_mismatch", path=path, message=message)))
