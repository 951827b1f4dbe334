"""Amounts of an eBay order: goods, taxes of the seller and of eBay, fees, discounts, shipping.

eBay collects some taxes and remits them itself. Whether an order's total holds these depends on how it was asked for, and
is nowhere said: the order's own sum decides (`EbayAmounts.settled`).
"""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from orders_pipeline.marketplaces.charges import charge
from orders_pipeline.marketplaces.reading import JsonObject, amount, currency_code, objects, section, text
from warehouse.order_parts import Charge, OrderProblem, Tax

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

COLLECTED = "EBAY_COLLECTED_"
"""Before the name of a tax that eBay collects and remits: the seller owes it to nobody."""
FEE = "_FEE"


class EbayLineAmounts(NamedTuple):
    """What one line says of money.

    Attributes:
        goods: After discounts, without what is added; None when there is no price.
        shipping: Shipping and handling less its discount; None when nothing is said of it.
        taxes: Added by the seller; fees that eBay lists among taxes, such as for recycling, are with them.
        collected: Collected and remitted by eBay.
        is_broken_down: The seller's taxes repeat those that eBay collects: then totals hold them.
    """

    goods: Decimal | None
    shipping: Decimal | None
    taxes: tuple[Tax, ...]
    collected: tuple[Tax, ...]
    is_broken_down: bool


class EbayTotals(NamedTuple):
    """What an order comes to, and which taxes are part of it."""

    total: Decimal | None
    shipping: Decimal | None
    charges: tuple[Charge, ...]
    holds_taxes: bool
    holds_collected: bool

    def line_total(self, of: EbayLineAmounts) -> Decimal | None:
        """What a line costs with the taxes that the order's total holds."""
        return (
            None
            if of.goods is None
            else of.goods + sum((tax.amount or Decimal(0) for tax in self._added(of)), Decimal(0))
        )

    def taxes(self, of: EbayLineAmounts) -> tuple[Tax, ...]:
        """The taxes of a line: the seller's, and those collected by eBay where the total holds them."""
        return (*of.taxes, *of.collected) if self.holds_collected else of.taxes

    def tax_total(self, lines: Iterable[EbayLineAmounts]) -> Decimal | None:
        """All taxes of the order that its total holds; None when none is stated."""
        return total_of(tax.amount for each in lines for tax in self.taxes(each))

    def _added(self, of: EbayLineAmounts) -> tuple[Tax, ...]:
        return (*(of.taxes if self.holds_taxes else ()), *(of.collected if self.holds_collected else ()))


class EbayAmounts:
    """The amounts of one order while it is read, and its currency: the first that is met."""

    def __init__(self, problems: list[OrderProblem]) -> None:
        self._problems = problems
        self.currency: str | None = None

    def of_line(self, line: JsonObject, path: str) -> EbayLineAmounts:
        """Read one line.

        Raises:
            Unreadable: A member has the wrong type, or an amount cannot be right.
        """
        discounted = self._money(line, "discountedLineItemCost", path)
        full = self._money(line, "lineItemCost", path)
        goods = full if discounted is None else discounted
        if goods is None:
            self._problem("amount_missing", f"{path}.lineItemCost", "the line has no price")
        delivery, here = section(line, "deliveryCost", path), f"{path}.deliveryCost"
        off = self._money(delivery, "discountAmount", here)
        shipping = [
            self._money(delivery, "shippingCost", here),
            self._money(delivery, "handlingCost", here),
            None if off is None else -abs(off),
        ]
        stated = list(self._stated(line, "taxes", path))
        collected = list(self._stated(line, "ebayCollectAndRemitTaxes", path))
        by_ebay = _by_name(collected)
        taxes = []
        for name, value in _by_name(stated).items():
            # eBay's own taxes are named here too when they are broken down; without a name it is the whole of them.
            same = by_ebay.get(name) if name is not None else total_of(by_ebay.values())
            own = value if same is None or (name is None and same != value) else max(value - same, Decimal(0))
            if own or same is None:
                taxes.append(Tax(code=name, amount=own))
        return EbayLineAmounts(
            goods=goods,
            shipping=total_of(shipping),
            taxes=tuple(taxes),
            collected=tuple(Tax(code=f"{COLLECTED}{each.code or 'TAX'}", amount=each.amount) for each in collected),
            is_broken_down=bool({each.code for each in stated} & by_ebay.keys())
            or (bool(collected) and total_of(each.amount for each in stated) == total_of(by_ebay.values())),
        )

    def refunded(self, line: JsonObject, path: str) -> Decimal | None:
        """What was refunded of a line, without what eBay collects; None when nothing is said of a refund."""
        sent = objects(line, "refunds", path)
        return total_of(self._money(each, "amount", f"{path}.refunds[{at}]") for at, each in enumerate(sent))

    def settled(self, order: JsonObject, lines: Sequence[EbayLineAmounts]) -> EbayTotals:
        """What the order comes to. Of the taxes, discounts and adjustments that it states, those count with which it adds up.

        Where nothing adds up, the seller's taxes count, and eBay's where they are broken down: the order then shows a problem.

        Raises:
            Unreadable: A member has the wrong type, or an amount cannot be right.
        """
        of, path = section(order, "pricingSummary", "$"), "$.pricingSummary"
        total = self._money(of, "total", path)
        shipping = self._shipping(of, path, lines)
        fees = self._fees(of, path, lines)
        discount = self._further_discount(of, path, lines)
        adjustment = self._money(of, "adjustment", path) or Decimal(0)
        own = sum((tax.amount or Decimal(0) for each in lines for tax in each.taxes), Decimal(0))
        collected = sum((tax.amount or Decimal(0) for each in lines for tax in each.collected), Decimal(0))
        base = sum((each.goods or Decimal(0) for each in lines), shipping or Decimal(0))
        base += sum((each.amount for each in fees), Decimal(0))
        is_broken_down = any(each.is_broken_down for each in lines)
        ways = list(
            product(
                (True, False),
                (is_broken_down, not is_broken_down),
                (discount, Decimal(0)),
                (adjustment, -adjustment, Decimal(0)),
            )
        )
        fitting = (
            way
            for way in ways
            if total == base + (own if way[0] else 0) + (collected if way[1] else 0) + way[2] + way[3]
        )
        holds_taxes, holds_collected, less, changed = next(fitting, ways[0])
        others = (("DISCOUNT", less), ("ADJUSTMENT", changed))
        charges = (*fees, *(charge(code, value) for code, value in others if value))
        return EbayTotals(total, shipping, charges, holds_taxes, holds_collected)

    def _shipping(self, of: JsonObject, path: str, lines: Sequence[EbayLineAmounts]) -> Decimal | None:
        cost, off = self._money(of, "deliveryCost", path), self._money(of, "deliveryDiscount", path)
        if cost is None:
            return total_of(each.shipping for each in lines)
        return cost if off is None else cost - abs(off)

    def _fees(self, of: JsonObject, path: str, lines: Sequence[EbayLineAmounts]) -> tuple[Charge, ...]:
        whole = self._money(of, "fee", path)
        of_lines = total_of(tax.amount for each in lines for tax in (*each.taxes, *each.collected) if _is_fee(tax))
        return () if not whole or whole == of_lines else (charge("FEE", whole),)

    def _further_discount(self, of: JsonObject, path: str, lines: Sequence[EbayLineAmounts]) -> Decimal:
        """What the order is cheaper by than its lines together; 0 when that is nothing, or cannot be told."""
        subtotal, off = self._money(of, "priceSubtotal", path), self._money(of, "priceDiscount", path)
        if subtotal is None or off is None or any(each.goods is None for each in lines):
            return Decimal(0)
        return min(subtotal - abs(off) - sum((each.goods or Decimal(0) for each in lines), Decimal(0)), Decimal(0))

    def _stated(self, line: JsonObject, key: str, path: str) -> Iterator[Tax]:
        for at, each in enumerate(objects(line, key, path)):
            here = f"{path}.{key}[{at}]"
            value = self._money(each, "amount", here)
            if value is not None:
                yield Tax(code=text(each, "taxType", here), amount=value)

    def _money(self, of: JsonObject, key: str, path: str) -> Decimal | None:
        sent, here = section(of, key, path), f"{path}.{key}"
        value = amount(sent, "value", here)
        if value is not None and sent.get("currency") != self.currency:
            self._note_currency(sent, here)
        return value

    def _note_currency(self, sent: JsonObject, path: str) -> None:
        code = currency_code(sent, "currency", path, self._problems)
        if code is None:
            return
        if self.currency is None:
            self.currency = code
        elif code != self.currency:
            self._problem("mixed_currencies", f"{path}.currency", f"{code} in an order in {self.currency}")

    def _problem(self, code: str, path: str, message: str) -> None:
        if all(each.code != code for each in self._problems):
            self._problems.append(OrderProblem(code=code, path=path, message=message))


def total_of(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """The sum of what was sent; None when nothing was."""
    sent = [each for each in amounts if each is not None]
    return sum(sent, Decimal(0)) if sent else None


def _by_name(taxes: Iterable[Tax]) -> dict[str | None, Decimal]:
    found: dict[str | None, Decimal] = {}
    for each in taxes:
        found[each.code] = found.get(each.code, Decimal(0)) + (each.amount or Decimal(0))
    return found


def _is_fee(tax: Tax) -> bool:
    return tax.code is not None and tax.code.upper().endswith(FEE)
