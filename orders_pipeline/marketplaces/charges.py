"""Names for people of what an order costs beside goods and shipping. What a payload's amounts mean is each marketplace's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.order_parts import Charge

if TYPE_CHECKING:
    from decimal import Decimal

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
