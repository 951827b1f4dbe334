"""Mirakl's amounts, read: whether taxes lie on top of prices, what lines, shipping and fees cost, and the order's total.

Amounts are carried as sent; only tax that lies on top is added, because the buyer pays it. The rest of an order is in
`normalise`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from orders_pipeline.marketplaces.charges import charge
from orders_pipeline.marketplaces.reading import JsonObject, amount, count, objects, section, text
from warehouse.order_parts import Charge, OrderProblem, Tax

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TAX_EXCLUDED = "TAX_EXCLUDED"
TAX_INCLUDED = "TAX_INCLUDED"
ORDER_TAX = "ORDER_TAX"
CENT = Decimal("0.01")

_ZERO = Decimal(0)


class LineAmounts(NamedTuple):
    """What a line costs the buyer, taxes included; None where that is unknown."""

    line_total: Decimal | None
    shipping: Decimal | None
    taxes: tuple[Tax, ...]
    tax: Decimal | None
    charges: tuple[Charge, ...]


class _Taxes(NamedTuple):
    """Taxes as sent and their sum, None when none was sent; `is_known` is false when one has no amount."""

    each: tuple[Tax, ...]
    sum: Decimal | None
    is_known: bool


_NO_TAXES = _Taxes((), None, is_known=True)


class MiraklAmounts:
    """The amounts of one order while it is read.

    Attributes:
        adds_tax: Whether taxes lie on top of prices; None when nothing decides it.
    """

    __slots__ = (
        *("_fee_sum", "_fees", "_lines", "_of", "_order_sums", "_order_tax", "_problems", "_tax_sum", "_taxes"),
        "adds_tax",
    )

    def __init__(self, order: JsonObject, lines: Iterable[JsonObject], problems: list[OrderProblem]) -> None:
        self._of = order
        self._order_sums: tuple[Decimal | None, Decimal | None, Decimal | None] | None = None
        self._problems = problems
        self._lines = [(line, f"$.order_lines[{index}]") for index, line in enumerate(lines)]
        self._taxes = [
            (self._read_taxes(line, path, "taxes"), self._read_taxes(line, path, "shipping_taxes"))
            for line, path in self._lines
        ]
        self._fees = [_fees(line, path) for line, path in self._lines]
        self._order_tax = None if any(each for pair in self._taxes for each, _, _ in pair) else self._read_order_tax()
        self._tax_sum = _sum([*(each.sum for pair in self._taxes for each in pair), self._order_tax])
        self._fee_sum = sum((each.amount for fees in self._fees for each in fees), _ZERO)
        self.adds_tax = self._decide()

    @property
    def has_order_tax(self) -> bool:
        """Whether taxes on top belong to no line, so that no part of the order has a total of its own."""
        return bool(self._order_tax) and self.adds_tax is not False

    @property
    def tax_total(self) -> Decimal | None:
        """All taxes; None when none was sent, or one without its amount."""
        return self._tax_sum if self._is_known() else None

    def of_line(self, index: int) -> LineAmounts:
        """What the line at a place costs."""
        line, path = self._lines[index]
        taxes, shipping_taxes = self._taxes[index]
        price = amount(line, "price", path)
        if price is None:
            self._problem("price_missing", f"{path}.price", "the line has no price")
        return LineAmounts(
            line_total=self._with_tax(price, taxes),
            shipping=self._with_tax(amount(line, "shipping_price", path), shipping_taxes),
            taxes=taxes.each,
            tax=_sum([taxes.sum, shipping_taxes.sum]) if taxes.is_known and shipping_taxes.is_known else None,
            charges=self._fees[index] if self._counts_fees() else (),
        )

    def shipping(self) -> Decimal | None:
        """What shipping costs, in the lines' tax mode."""
        return self._with_tax(amount(self._of, "shipping_price", "$"), _joined([pair[1] for pair in self._taxes]))

    def charges(self) -> tuple[Charge, ...]:
        """The operator's fees by their code, and taxes on top that belong to no line."""
        fees = gathered(each for fees in self._fees for each in fees) if self._counts_fees() else ()
        return (*fees, charge(ORDER_TAX, self._order_tax)) if self._order_tax and self.adds_tax else fees

    def total(self) -> Decimal | None:
        """What the buyer pays for the order, tax and shipping included.

        `total_price` includes shipping and fees by the description and excludes them on old instances; arithmetic tells
        which. Where taxes lie on top it is before tax, so they are added unless it has them already.
        """
        price, shipping, sent = self._sums()
        fees = self._fee_sum
        if sent is None:
            if price is None or shipping is None:
                self._problem("total_missing", "$.total_price", "neither the total nor both of its parts were sent")
                return None
            return self._with_all_taxes(price + shipping + fees)
        if price is None or shipping is None:
            return self._with_all_taxes(sent)
        if sent in {price, price + fees} and sent not in {price + shipping, price + shipping + fees}:
            return self._with_all_taxes(sent + shipping)
        taxes = self._tax_sum or _ZERO
        if self.adds_tax and taxes and sent in {price + shipping + taxes, price + shipping + fees + taxes}:
            return sent
        return self._with_all_taxes(sent)

    # -- taxes

    def _decide(self) -> bool | None:
        mode = text(self._of, "order_tax_mode", "$")
        if mode == TAX_EXCLUDED:
            return True
        if mode == TAX_INCLUDED:
            return False
        found = set(self._evidence())
        decided = found.pop() if len(found) == 1 else None
        if mode is not None:
            self._problem("tax_mode_unknown", "$.order_tax_mode", f"unknown tax mode {mode[:40]!r}")
        if not self._is_taxed():
            return False
        if decided is None and mode is None:
            self._problem(
                "tax_mode_unknown",
                "$.order_tax_mode",
                "not sent, and no breakdown or sum tells whether taxes are on top",
            )
        return decided

    def _evidence(self) -> Iterator[bool]:
        """What tells whether taxes are on top, piece by piece: the order's total, breakdowns of prices, rates."""
        price, shipping, sent = self._sums()
        taxes = self._tax_sum
        if taxes and self._is_known() and None not in {price, shipping, sent}:
            net = (price or _ZERO) + (shipping or _ZERO)
            if sent in {net + taxes, net + taxes + self._fee_sum}:
                yield True
        for (line, path), (taxes_of_goods, taxes_of_shipping) in zip(self._lines, self._taxes, strict=True):
            for key, of_part in (("price", taxes_of_goods), ("shipping_price", taxes_of_shipping)):
                base = amount(line, key, path)
                if base is None or not of_part.sum or not of_part.is_known:
                    continue
                parts = [
                    amount(part, "amount", f"{path}.{key}_amount_breakdown.parts[{place}]")
                    for place, part in enumerate(
                        objects(
                            section(line, f"{key}_amount_breakdown", path), "parts", f"{path}.{key}_amount_breakdown"
                        )
                    )
                ]
                yield from _by_breakdown(base, parts, of_part)
                yield from _by_rate(base, of_part, count(line, "quantity", path) or 1)

    def _read_taxes(self, of: JsonObject, path: str, key: str) -> _Taxes:
        if not of.get(key):
            return _NO_TAXES
        taxes: list[Tax] = []
        for index, each in enumerate(objects(of, key, path)):
            here = f"{path}.{key}[{index}]"
            tax = Tax(
                code=text(each, "code", here), amount=amount(each, "amount", here), rate=amount(each, "rate", here)
            )
            if tax.amount is None:
                self._problem("tax_amount_missing", f"{here}.amount", "a tax was sent without its amount")
            taxes.append(tax)
        return _Taxes(
            tuple(taxes), _sum(tax.amount for tax in taxes), is_known=all(t.amount is not None for t in taxes)
        )

    def _read_order_tax(self) -> Decimal | None:
        """Taxes that an operator calculates for the order as a whole; only where lines have none of their own."""
        return _sum(
            amount(each, "total_amount", f"$.order_taxes[{index}]")
            for index, each in enumerate(objects(self._of, "order_taxes", "$"))
        )

    def _is_known(self) -> bool:
        return all(each.is_known for pair in self._taxes for each in pair)

    def _is_taxed(self) -> bool:
        return bool(self._order_tax) or any(each.sum or not each.is_known for pair in self._taxes for each in pair)

    def _with_tax(self, net: Decimal | None, taxes: _Taxes) -> Decimal | None:
        """An amount as the buyer pays it; None where its tax, or the tax mode, is unknown."""
        if net is None or self.adds_tax is False or not taxes.each:
            return net
        if not taxes.is_known or (self.adds_tax is None and taxes.sum):
            return None
        return net + (taxes.sum or _ZERO)

    def _with_all_taxes(self, net: Decimal) -> Decimal | None:
        if self.adds_tax is False:
            return net
        if not self._is_known() or self.adds_tax is None:
            return None
        return net + (self._tax_sum or _ZERO)

    # -- sums

    def _sums(self) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
        if self._order_sums is None:
            self._order_sums = (
                amount(self._of, "price", "$"),
                amount(self._of, "shipping_price", "$"),
                amount(self._of, "total_price", "$"),
            )
        return self._order_sums

    def _counts_fees(self) -> bool:
        """Whether fees are in the order's total: they are by the description, unless the total adds up without them."""
        price, shipping, sent = self._sums()
        fees = self._fee_sum
        if not fees or sent is None or price is None or shipping is None:
            return bool(fees)
        without = {price, price + shipping, price + shipping + (self._tax_sum or _ZERO)}
        return sent not in without

    def _problem(self, code: str, path: str, message: str) -> None:
        self._problems.append(OrderProblem(code=code, path=path, message=message))


def gathered(charges: Iterable[Charge]) -> tuple[Charge, ...]:
    """One charge per code."""
    sums: dict[str, Decimal] = {}
    for each in charges:
        sums[each.code] = sums.get(each.code, _ZERO) + each.amount
    return tuple(charge(code, value) for code, value in sums.items() if value)


def _fees(line: JsonObject, path: str) -> tuple[Charge, ...]:
    found = []
    for index, fee in enumerate(objects(line, "fees", path)):
        here = f"{path}.fees[{index}]"
        value = amount(fee, "amount", here)
        if value:
            found.append(charge(text(fee, "code", here) or "FEE", value))
    return tuple(found)


def _by_breakdown(base: Decimal, parts: list[Decimal | None], taxes: _Taxes) -> Iterator[bool]:
    """Parts that make up the price without a part for the tax: then the tax is beside it."""
    if parts and None not in parts and _sum(parts) == base:
        has_tax_part = len(parts) > 1 and (taxes.sum in parts or all(tax.amount in parts for tax in taxes.each))
        yield not has_tax_part


def _by_rate(base: Decimal, taxes: _Taxes, units: int) -> Iterator[bool]:
    """Whether the rates fit the price as a net or as a gross one, within the rounding of each unit; both: no evidence."""
    rates = [tax.rate for tax in taxes.each if tax.amount]
    rate = _sum(rates)
    if None in rates or not rate or taxes.sum is None or rate <= 0:
        return
    allowance = CENT * (len(rates) + units)
    fits_net = abs(base * rate / 100 - taxes.sum) <= allowance
    fits_gross = abs(base * rate / (100 + rate) - taxes.sum) <= allowance
    if fits_net != fits_gross:
        yield fits_net


def _joined(taxes: list[_Taxes]) -> _Taxes:
    return _Taxes(
        tuple(tax for each in taxes for tax in each.each),
        _sum(each.sum for each in taxes),
        is_known=all(each.is_known for each in taxes),
    )


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """The sum of what was sent; None when nothing was."""
    known = [each for each in amounts if each is not None]
    return sum(known, _ZERO) if known else None
