"""Amazon's amounts, read: an order's currency, its shipping and tax, and what the goods of a line cost.

Nothing is recomputed: amounts are carried as sent, and arithmetic only decides what Amazon's breakdowns mean. The rest
of an order is in `normalise`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from orders_pipeline.marketplaces.reading import JsonObject, amount, objects, section, text
from warehouse.orders import Problem, Tax

_ORDER_SUMS = frozenset({"SHIPPING", "TAX"})
# The tax on a discount is stated as a subtype of its own, negative; it belongs to the goods as the discount does.
_GOODS_TAXES = frozenset({"ITEM", "DISCOUNT", "TAX"})
_ZERO = Decimal(0)
_CURRENCY_LETTERS = 3


class ItemAmounts(NamedTuple):
    """An item's subtotals by kind, the price of its goods (tax included, all units), and its taxes as stated."""

    subtotals: dict[str, Decimal]
    line_total: Decimal | None
    taxes: tuple[Tax, ...]


class _Meaning(NamedTuple):
    """How breakdowns are meant: is TAX on top of ITEM or within it, is DISCOUNT to be added (1) or taken off (-1)."""

    is_tax_additive: bool
    discount_sign: int


_NOTHING = ItemAmounts({}, None, ())
_AS_SENT = _Meaning(is_tax_additive=False, discount_sign=1)


class Amounts:
    """The amounts of one order while it is read.

    Attributes:
        currency: The first currency met; the order's total is read first.
        is_unpriced: The order has no price yet: a 0 in it is an absence, not an amount.
    """

    __slots__ = ("_problems", "_unlabelled_path", "currency", "is_unpriced")

    def __init__(self, problems: list[Problem]) -> None:
        self.currency: str | None = None
        self.is_unpriced = False
        self._problems = problems
        self._unlabelled_path: str | None = None

    def money(self, of: JsonObject, key: str, path: str) -> Decimal | None:
        """An amount with its currency; None when nothing was sent, or when 0 was sent for an unpriced order."""
        sent = of.get(key)
        if sent is None:
            return None
        here = f"{path}.{key}"
        if not isinstance(sent, dict):
            sent = section(of, key, path)
        code = sent.get("currencyCode")
        if code is None or code != self.currency:
            self._read_currency(sent, here)
        value = amount(sent, "amount", here)
        return None if self.is_unpriced and not value else value

    def order_sums(self, proceeds: JsonObject) -> tuple[Decimal | None, Decimal | None]:
        """Shipping and tax of the whole order, each None when the order's own breakdowns do not name it."""
        sums: dict[str, Decimal] = {}
        for index, each in enumerate(objects(proceeds, "breakdowns", "$.proceeds")):
            here = f"$.proceeds.breakdowns[{index}]"
            kind = text(each, "type", here)
            if kind in _ORDER_SUMS:
                value = self.money(each, "subtotal", here)
                if value is not None:
                    sums[kind] = sums[kind] + value if kind in sums else value
        return sums.get("SHIPPING"), sums.get("TAX")

    def of_item(self, item: JsonObject, path: str) -> ItemAmounts:
        """An item's amounts.

        Amazon documents neither whether ITEM includes the tax nor the sign of DISCOUNT
        (https://developer-docs.amazon.com/sp-api/docs/orders-api), so the item's own total decides.
        """
        proceeds = section(item, "proceeds", path)
        if not proceeds:
            return _NOTHING
        path = f"{path}.proceeds"
        total = self.money(proceeds, "proceedsTotal", path)
        breakdowns = objects(proceeds, "breakdowns", path)
        if not breakdowns:
            return ItemAmounts({}, total, ())
        subtotals: dict[str, Decimal] = {}
        taxes: list[Tax] = []
        tax_of_goods = discount_of_goods = _ZERO
        for index, each in enumerate(breakdowns):
            here = f"{path}.breakdowns[{index}]"
            kind = text(each, "type", here) or "OTHER"
            value = self.money(each, "subtotal", here)
            if value is None:
                continue
            subtotals[kind] = subtotals[kind] + value if kind in subtotals else value
            if kind == "TAX":
                tax_of_goods += self._taxes(each, here, value, taxes)
            elif kind == "DISCOUNT":
                discount_of_goods += self._discount_of_goods(each, here, value)
        goods = subtotals.get("ITEM")
        if goods is None:
            return ItemAmounts(subtotals, None, tuple(taxes))
        meaning = _meaning_of(subtotals, total) or self._ambiguous(path)
        if meaning.is_tax_additive:
            goods += tax_of_goods
        return ItemAmounts(subtotals, goods + meaning.discount_sign * discount_of_goods, tuple(taxes))

    def finish(self) -> None:
        """Report amounts that nothing in the order gives a currency."""
        if self.currency is None and self._unlabelled_path is not None:
            self._report_once("currency_missing", self._unlabelled_path, "an amount was sent without a currency")

    def _taxes(self, breakdown: JsonObject, path: str, whole: Decimal, taxes: list[Tax]) -> Decimal:
        """Add a TAX breakdown's taxes to `taxes`; returns the part of it that is the goods' own."""
        of_goods = _ZERO
        for code, part in self._details(breakdown, path) or (("TAX", whole),):
            taxes.append(Tax(code=code, amount=part))
            if code in _GOODS_TAXES:
                of_goods += part
        return of_goods

    def _discount_of_goods(self, breakdown: JsonObject, path: str, whole: Decimal) -> Decimal:
        details = self._details(breakdown, path)
        return sum((part for code, part in details if code == "ITEM"), _ZERO) if details else whole

    def _details(self, breakdown: JsonObject, path: str) -> list[tuple[str, Decimal]]:
        found: list[tuple[str, Decimal]] = []
        for index, each in enumerate(objects(breakdown, "detailedBreakdowns", path)):
            here = f"{path}.detailedBreakdowns[{index}]"
            value = self.money(each, "value", here)
            if value is not None:
                found.append((text(each, "subtype", here) or "OTHER", value))
        return found

    def _ambiguous(self, path: str) -> _Meaning:
        reason = "the breakdowns do not add up to proceedsTotal, neither with the tax nor without it"
        self._problems.append(Problem(code="amount_ambiguous", path=path, message=reason))
        return _AS_SENT

    def _read_currency(self, sent: JsonObject, path: str) -> None:
        code = text(sent, "currencyCode", path)
        if code is None:
            self._unlabelled_path = self._unlabelled_path or f"{path}.currencyCode"
            return
        code = code.upper()
        if len(code) != _CURRENCY_LETTERS or not code.isascii() or not code.isalpha():
            self._report_once("currency_unknown", f"{path}.currencyCode", "not an ISO 4217 currency code")
        elif self.currency is None:
            self.currency = code
        elif code != self.currency:
            self._report_once("mixed_currencies", f"{path}.currencyCode", f"{code} in an order in {self.currency}")

    def _report_once(self, code: str, path: str, message: str) -> None:
        if all(each.code != code for each in self._problems):
            self._problems.append(Problem(code=code, path=path, message=message))


def _meaning_of(subtotals: dict[str, Decimal], total: Decimal | None) -> _Meaning | None:
    """Find how the breakdowns make up the item's total; None when no reading of them does."""
    tax = subtotals.get("TAX", _ZERO)
    if total is None:
        return None if tax else _AS_SENT
    everything = sum(subtotals.values(), _ZERO)
    if everything == total:
        return _Meaning(is_tax_additive=bool(tax), discount_sign=1)
    if everything - tax == total:
        return _AS_SENT
    discount = subtotals.get("DISCOUNT", _ZERO)
    if discount > 0:
        if everything - 2 * discount == total:
            return _Meaning(is_tax_additive=bool(tax), discount_sign=-1)
        if everything - 2 * discount - tax == total:
            return _Meaning(is_tax_additive=False, discount_sign=-1)
    return None
