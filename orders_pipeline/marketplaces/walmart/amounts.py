"""The amounts of a Walmart order: charges of the lines, each with the tax that Walmart collects on it.

A charge's amount is without its tax. Product charges make the line's total, shipping charges the order's shipping, and all
others are charges of the order.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from orders_pipeline.marketplaces.charges import charge
from orders_pipeline.marketplaces.reading import JsonObject, amount, currency_code, objects, section, text
from warehouse.order_parts import Charge, OrderProblem, Tax

PRODUCT, SHIPPING = "PRODUCT", "SHIPPING"


class WalmartLineAmounts(NamedTuple):
    """What the charges of one line say; None where there is none of a kind."""

    total: Decimal | None
    shipping: Decimal | None
    tax: Decimal | None
    taxes: tuple[Tax, ...]
    others: tuple[Charge, ...]


class WalmartAmounts:
    """The amounts of one order while it is read, and its currency: the first that is met."""

    def __init__(self, problems: list[OrderProblem]) -> None:
        self._problems = problems
        self.currency: str | None = None

    def of_line(self, line: JsonObject, path: str) -> WalmartLineAmounts:
        """Add up the charges of one line.

        Raises:
            Unreadable: A member has the wrong type, or an amount cannot be right.
        """
        totals: dict[str, Decimal] = {}
        taxes: list[Tax] = []
        others: list[Charge] = []
        here = f"{path}.charges"
        for index, sent in enumerate(objects(section(line, "charges", path), "charge", here)):
            place = f"{here}.charge[{index}]"
            value = self._money(section(sent, "chargeAmount", place), f"{place}.chargeAmount")
            tax = self._tax(section(sent, "tax", place), f"{place}.tax")
            if tax is not None:
                taxes.append(tax)
            tax_amount = tax.amount if tax is not None else None
            if value is None:
                self._problem("amount_missing", f"{place}.chargeAmount", "a charge was sent without an amount")
                continue
            whole = value + (tax_amount or 0)
            kind = (text(sent, "chargeType", place) or "OTHER").upper()
            if kind in {PRODUCT, SHIPPING}:
                totals[kind] = totals.get(kind, Decimal(0)) + whole
            else:
                others.append(charge(kind, whole, tax_amount))
        return WalmartLineAmounts(
            total=totals.get(PRODUCT),
            shipping=totals.get(SHIPPING),
            tax=total_of(each.amount for each in taxes),
            taxes=tuple(taxes),
            others=tuple(others),
        )

    def refunded(self, line: JsonObject, path: str) -> Decimal | None:
        """What was refunded of the goods of a line, with tax; None when nothing is said of a refund."""
        sent = section(line, "refund", path)
        here = f"{path}.refund.refundCharges"
        parts = []
        charges = objects(section(sent, "refundCharges", f"{path}.refund"), "refundCharge", here)
        for index, each in enumerate(charges):
            place = f"{here}.refundCharge[{index}].charge"
            of = section(each, "charge", f"{here}.refundCharge[{index}]")
            if (text(of, "chargeType", place) or PRODUCT).upper() == PRODUCT:
                parts.append(self._money(section(of, "chargeAmount", place), f"{place}.chargeAmount"))
                tax = self._tax(section(of, "tax", place), f"{place}.tax")
                parts.append(tax.amount if tax is not None else None)
        total = total_of(parts)
        return None if total is None else abs(total)

    def order_total(self, order: JsonObject, lines: Iterable[WalmartLineAmounts]) -> Decimal | None:
        """The total of the order's summary, with taxes; None when Walmart tells none.

        The summary counts the taxes that Walmart collects in some answers and not in others: the lines decide which it is.
        """
        here = "$.orderSummary.totalAmount"
        sent = section(section(order, "orderSummary", "$"), "totalAmount", "$.orderSummary")
        total = amount(sent, "currencyAmount", here)
        if total is None:
            return None
        self._note_currency(sent, "currencyUnit", here)
        whole, tax = Decimal(0), Decimal(0)
        for each in lines:
            whole += (each.total or 0) + (each.shipping or 0) + sum(other.amount for other in each.others)
            tax += each.tax or 0
        return whole if total == whole - tax else total

    def _money(self, sent: JsonObject, path: str) -> Decimal | None:
        value = amount(sent, "amount", path)
        if value is not None:
            self._note_currency(sent, "currency", path)
        return value

    def _note_currency(self, sent: JsonObject, key: str, path: str) -> None:
        if self.currency is not None and sent.get(key) == self.currency:
            return
        code = currency_code(sent, key, path, self._problems)
        if code is None:
            return
        if self.currency is None:
            self.currency = code
        elif code != self.currency:
            self._problem("mixed_currencies", f"{path}.{key}", f"{code} in an order in {self.currency}")

    def _tax(self, sent: JsonObject, path: str) -> Tax | None:
        value = self._money(section(sent, "taxAmount", path), f"{path}.taxAmount")
        return None if value is None else Tax(code=text(sent, "taxName", path), amount=value)

    def _problem(self, code: str, path: str, message: str) -> None:
        if all(each.code != code for each in self._problems):
            self._problems.append(OrderProblem(code=code, path=path, message=message))


def total_of(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """The sum of what was sent; None when nothing was."""
    sent = [each for each in amounts if each is not None]
    return sum(sent, Decimal(0)) if sent else None
