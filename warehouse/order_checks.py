"""What is asked of every order of every marketplace once it is read: amounts that add up, numbers with a right check digit.

What does not hold is a problem of the order; its values stay as they were sent.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec.structs import replace

from warehouse.check_digits import is_gtin, is_vat_id
from warehouse.order_parts import OrderProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warehouse.orders import Order


def check(order: Order, total_path: str, vat_id_path: str = "$", gtin_path: str = "$") -> Order:
    """The same order with its problems: `total_mismatch`, `vat_id_invalid`, `gtin_invalid`.

    Args:
        order: As it was read.
        total_path: Where the payload has the order's total.
        vat_id_path: Where it has the buyer's tax number.
        gtin_path: Where it has the lines' GTINs.
    """
    found = (*_balance(order, total_path), *_vat_id(order, vat_id_path), *_gtins(order, gtin_path))
    return replace(order, problems=(*order.problems, *found)) if found else order


def _balance(order: Order, path: str) -> Iterator[OrderProblem]:
    difference = unexplained(order)
    if difference:
        unpriced = sum(line.line_total is None for line in order.lines)
        without = f", {unpriced} of {len(order.lines)} lines without a price" if unpriced else ""
        message = f"the total of {order.total} is {difference:+f} from lines, shipping and charges{without}"
        yield OrderProblem(code="total_mismatch", path=path, message=message)


def _vat_id(order: Order, path: str) -> Iterator[OrderProblem]:
    country = order.billing_address.country_code or order.shipping_address.country_code
    number = order.references.vat_id
    if number is not None and is_vat_id(number, country) is False:
        yield OrderProblem(
            code="vat_id_invalid", path=path, message="the buyer's tax number is no VAT number of its country"
        )


def _gtins(order: Order, path: str) -> Iterator[OrderProblem]:
    for line in order.lines:
        if line.gtin is not None and not is_gtin(line.gtin):
            message = f"the GTIN of line {line.original_id} has the wrong length or check digit"
            yield OrderProblem(code="gtin_invalid", path=path, message=message)


def unexplained(order: Order) -> Decimal | None:
    """The order's total less its lines, shipping and charges; 0 when the amounts balance, None without a total.

    A part that is unknown counts for nothing, so that it shows as a difference unless it is nothing indeed.
    """
    if order.total is None:
        return None
    parts = [line.line_total for line in order.lines] + [order.shipping_total] + [each.amount for each in order.charges]
    return order.total - sum((part for part in parts if part is not None), Decimal(0))
