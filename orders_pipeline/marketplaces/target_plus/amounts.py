"""The amounts of a Target order. They are without tax: Target collects it and tells none of it."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.charges import charge
from orders_pipeline.marketplaces.protocol import Unreadable
from orders_pipeline.marketplaces.reading import JsonObject, amount, objects, tolerated
from warehouse.order_parts import Charge, OrderProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CHARGES = {
    "total_handling_price": "HANDLING",
    "total_gift_option_price": "GIFT_WRAP",
    "other_fees": "OTHER",
}
"""Members of a line that are neither goods nor shipping, and what each is called."""

DISCOUNT_AMOUNTS = ("amount", "discount_amount", "total_discount", "value")
"""Members of a discount that may hold its amount: which of them does is not public."""


def line_total(line: JsonObject, ordered: int | None, path: str) -> Decimal | None:
    """What the goods of a line cost: their price less the discounts. None when a part of that cannot be told.

    >>> line_total({"total_price": "30.00", "total_item_discount": "2.50"}, 3, "$")
    Decimal('27.50')

    Raises:
        Unreadable: An amount cannot be right, or a discount has none.
    """
    price = amount(line, "total_price", path)
    if price is None:
        unit = amount(line, "unit_price", path)
        price = None if unit is None or ordered is None else unit * ordered
    return None if price is None else price - _discount(line, path)


def shipping_total(lines: Sequence[JsonObject], paths: Sequence[str]) -> Decimal | None:
    """The price of shipping of all lines, less what is off it; None when none of them tells one.

    Raises:
        Unreadable: An amount cannot be right.
    """
    found: list[Decimal] = []
    for line, path in zip(lines, paths, strict=True):
        price = amount(line, "total_shipping_price", path)
        if price is not None:
            found.append(price - abs(amount(line, "total_shipping_discount", path) or Decimal(0)))
    return sum(found, Decimal(0)) if found else None


def charges(lines: Iterable[JsonObject], paths: Iterable[str], problems: list[OrderProblem]) -> tuple[Charge, ...]:
    """What is neither goods nor shipping; nothing where a line says 0."""
    found: list[Charge] = []
    for line, path in zip(lines, paths, strict=True):
        for name, word in CHARGES.items():
            value = tolerated(problems, partial(_of_one_or_list, line, name, path), None)
            if value:
                found.append(charge(word, value))
    return tuple(found)


def _discount(line: JsonObject, path: str) -> Decimal:
    """Of a line as a whole: its sum where it is told, else that of the single ones. Off the price, whatever its sign."""
    whole = amount(line, "total_item_discount", path)
    if whole is None:
        whole = _of_one_or_list(line, "discounts", path)
    return abs(whole or Decimal(0))


def _of_one_or_list(of: JsonObject, key: str, path: str) -> Decimal | None:
    """An amount, or the sum of a list of objects that each have one.

    Raises:
        Unreadable: It is neither.
    """
    if not isinstance(of.get(key), list):
        return amount(of, key, path)
    found = []
    for at, each in enumerate(objects(of, key, path)):
        here = f"{path}.{key}[{at}]"
        value = next((sent for name in DISCOUNT_AMOUNTS if (sent := amount(each, name, here)) is not None), None)
        if value is None:
            raise Unreadable("missing", here, "expected an object with an amount")
        found.append(value)
    return sum(found, Decimal(0)) if found else None
