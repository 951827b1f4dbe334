"""The amounts of an OTTO order: prices of units, delivery fees, and discounts at the checkout. All are gross.

OTTO tells no total of an order, and of taxes the rate alone: neither is made up here.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from orders_pipeline.marketplaces.charges import charge
from orders_pipeline.marketplaces.reading import JsonObject, amount, currency_code, objects, section, text, texts
from warehouse.order_parts import Charge, OrderProblem

if TYPE_CHECKING:
    from collections.abc import Collection


class OttoUnitAmounts(NamedTuple):
    """What one unit costs: the price on the page, and what is paid for it; None where OTTO does not say."""

    gross: Decimal | None
    total: Decimal | None
    is_reduced: bool


class OttoAmounts:
    """The amounts of one order while it is read, and its currency: the first that is met."""

    def __init__(self, problems: list[OrderProblem]) -> None:
        self._problems = problems
        self.currency: str | None = None

    def of_unit(self, item: JsonObject, path: str) -> OttoUnitAmounts:
        """The prices of one unit: the reduced one counts where there is one.

        Raises:
            Unreadable: A member has the wrong type, or an amount cannot be right.
        """
        gross = self._money(item, "itemValueGrossPrice", path)
        reduced = self._money(item, "itemValueReducedGrossPrice", path)
        self._money(item, "itemValueDiscount", path)
        if gross is None and reduced is None:
            self._problem("amount_missing", f"{path}.itemValueGrossPrice", "the unit has no price")
        return OttoUnitAmounts(gross, gross if reduced is None else reduced, reduced is not None)

    def delivery_fees(self, order: JsonObject) -> Decimal | None:
        """What delivery costs; None when the order has no list of fees."""
        total = None if order.get("initialDeliveryFees") is None else Decimal(0)
        for at, sent in enumerate(objects(order, "initialDeliveryFees", "$")):
            path = f"$.initialDeliveryFees[{at}]"
            fee = self._money(sent, "deliveryFeeAmount", path)
            if fee is None:
                self._problem("amount_missing", f"{path}.deliveryFeeAmount", "a fee was sent without an amount")
                return None
            total = (total or Decimal(0)) + fee
        return total

    def discounts(self, order: JsonObject, reduced: Collection[str]) -> tuple[Charge, ...]:
        """Discounts that no unit's price holds yet, as negative charges.

        Args:
            order: As sent.
            reduced: Ids of the units with a reduced price: a discount that names only such units is in their prices.
        """
        found = []
        for at, sent in enumerate(objects(order, "initialDiscounts", "$")):
            path = f"$.initialDiscounts[{at}]"
            value = self._money(sent, "discountAmount", path)
            names = texts(sent, "positionItemIds", path)
            if value is None:
                self._problem("amount_missing", f"{path}.discountAmount", "a discount was sent without an amount")
            elif value and not (names and set(names) <= set(reduced)):
                code = text(sent, "name", path) or "DISCOUNT"
                label = text(sent, "discountName", path)
                made = charge(code, -abs(value))
                found.append(made if label is None else Charge(code=code, label=label, amount=made.amount))
        return tuple(found)

    def _money(self, of: JsonObject, key: str, path: str) -> Decimal | None:
        sent, here = section(of, key, path), f"{path}.{key}"
        value = amount(sent, "amount", here)
        if value is not None and not (self.currency is not None and sent.get("currency") == self.currency):
            code = currency_code(sent, "currency", here, self._problems)
            if code is not None and self.currency is None:
                self.currency = code
            elif code is not None and code != self.currency:
                self._problem("mixed_currencies", f"{here}.currency", f"{code} in an order in {self.currency}")
        return value

    def _problem(self, code: str, path: str, message: str) -> None:
        if all(each.code != code for each in self._problems):
            self._problems.append(OrderProblem(code=code, path=path, message=message))
