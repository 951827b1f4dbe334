"""Amazon's amounts, read: an order's currency, its shipping and tax, and what the goods of a line cost.

Nothing is recomputed: amounts are carried as sent, and arithmetic only decides what Amazon's breakdowns mean. The rest
of an order is in `normalise`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from orders_pipeline.marketplaces.charges import charge
from orders_pipeline.marketplaces.reading import JsonObject, amount, currency_code, objects, section, text
from warehouse.order_parts import Charge, OrderProblem, Tax

_ITEM, _SHIPPING, _TAX, _DISCOUNT = "ITEM", "SHIPPING", "TAX", "DISCOUNT"
_ADJUSTING = frozenset({_TAX, _DISCOUNT})
_ZERO = Decimal(0)


class ItemAmounts(NamedTuple):
    """An item's amounts, all in one tax mode and after discounts.

    Attributes:
        line_total: Price of its goods, all units, tax included.
        stated_price: The same as Amazon breaks it down, before discounts and tax on top.
        parts: The same by kind (ITEM, SHIPPING, GIFT_WRAP…); empty where nothing tells them apart.
        part_taxes: The tax within each part, where Amazon details it.
        taxes: As stated.
        tax: Their sum, None when none was stated.
    """

    line_total: Decimal | None
    stated_price: Decimal | None
    parts: dict[str, Decimal]
    part_taxes: dict[str, Decimal]
    taxes: tuple[Tax, ...]
    tax: Decimal | None


class _Meaning(NamedTuple):
    """How breakdowns are meant: is TAX on top of ITEM or within it, is DISCOUNT to be added (1) or taken off (-1)."""

    is_tax_additive: bool
    discount_sign: int


class _Sent(NamedTuple):
    """An item's breakdowns as sent: subtotals by kind, and what of TAX and of DISCOUNT belongs to which kind."""

    subtotals: dict[str, Decimal]
    tax_of: dict[str, Decimal]
    discount_of: dict[str, Decimal]
    taxes: list[Tax]

    @property
    def is_open(self) -> bool:
        """Whether what the breakdowns mean changes any amount."""
        return bool(self.subtotals.get(_TAX)) or self.subtotals.get(_DISCOUNT, _ZERO) > 0

    def parts(self, meaning: _Meaning) -> dict[str, Decimal]:
        """What each kind costs the buyer: after discounts, and with the tax on top."""
        found = {kind: value for kind, value in self.subtotals.items() if kind not in _ADJUSTING}
        for kind, value in self.discount_of.items():
            _add(found, kind, meaning.discount_sign * value)
        if meaning.is_tax_additive:
            for kind, value in self.tax_of.items():
                _add(found, kind, value)
        return found

    def line_total(self, meaning: _Meaning) -> Decimal | None:
        """What the goods cost, None when no breakdown is theirs."""
        return self.parts(meaning)[_ITEM] if _ITEM in self.subtotals else None


_NOTHING = ItemAmounts(None, None, {}, {}, (), None)
_AMBIGUOUS = "the breakdowns do not add up to proceedsTotal, neither with the tax nor without it"
_AS_SENT = _Meaning(is_tax_additive=False, discount_sign=1)


class AmazonAmounts:
    """The amounts of one order while it is read.

    Attributes:
        currency: The first currency met; the order's total is read first.
        is_unpriced: The order has no price yet: a 0 in it is an absence, not an amount.
    """

    __slots__ = (
        "_is_single",
        "_is_undecided",
        "_items",
        "_meaning",
        "_problems",
        "_sums",
        "_unlabelled_path",
        "currency",
        "is_unpriced",
    )

    def __init__(self, problems: list[OrderProblem]) -> None:
        self.currency: str | None = None
        self.is_unpriced = False
        self._problems = problems
        self._unlabelled_path: str | None = None
        self._sums: dict[str, Decimal] = {}
        self._meaning: _Meaning | None = None
        self._items: list[ItemAmounts] = []
        self._is_single = False
        self._is_undecided = False

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

    def read_order(self, proceeds: JsonObject, total: Decimal | None, items: int) -> None:
        """Read the order's own breakdowns: they stand for what its items, so many, do not tell."""
        self._is_single = items == 1
        for index, each in enumerate(objects(proceeds, "breakdowns", "$.proceeds")):
            here = f"$.proceeds.breakdowns[{index}]"
            value = self.money(each, "subtotal", here)
            if value is not None:
                _add(self._sums, text(each, "type", here) or "OTHER", value)
        self._meaning = _meaning_of(self._sums, total) if self._sums and total is not None else None

    def shipping(self) -> Decimal | None:
        """What shipping costs the buyer: of all items, else of the order; None when not told, or not in which tax mode."""
        shipping = [each.parts[_SHIPPING] for each in self._items if _SHIPPING in each.parts]
        if self._is_undecided:
            return None
        return sum(shipping, _ZERO) if shipping else self._sums.get(_SHIPPING)

    def tax_total(self) -> Decimal | None:
        """All taxes as the order states them, else those of its items; None when neither names any."""
        if _TAX in self._sums:
            return self._sums[_TAX]
        taxes = [each.tax for each in self._items if each.tax is not None]
        return sum(taxes, _ZERO) if taxes else None

    def charges(self, total: Decimal | None) -> tuple[Charge, ...]:
        """What the buyer pays beside goods and shipping; what only the order names counts when the total needs it."""
        amounts: dict[str, Decimal] = {}
        taxes: dict[str, Decimal] = {}
        for item in self._items:
            for kind, value in item.parts.items():
                if kind not in {_ITEM, _SHIPPING}:
                    _add(amounts, kind, value)
                    if kind in item.part_taxes:
                        _add(taxes, kind, item.part_taxes[kind])
        more = {
            kind: value
            for kind, value in self._sums.items()
            if kind not in {_ITEM, _SHIPPING, _TAX, _DISCOUNT} and all(kind not in item.parts for item in self._items)
        }
        if more and total is not None and not self._is_undecided:
            goods = sum((each.line_total for each in self._items if each.line_total is not None), _ZERO)
            known = goods + (self.shipping() or _ZERO) + sum(amounts.values(), _ZERO)
            if known + sum(more.values(), _ZERO) == total:
                amounts |= more
        return tuple(charge(kind, value, taxes.get(kind)) for kind, value in amounts.items() if value)

    def of_item(self, item: JsonObject, path: str) -> ItemAmounts:
        """An item's amounts.

        Amazon documents neither whether ITEM includes the tax nor the sign of DISCOUNT
        (https://developer-docs.amazon.com/sp-api/docs/orders-api), so the item's own total decides, else the order's. Where
        no reading adds up, an item with tax has no price.
        """
        found = self._read_item(section(item, "proceeds", path), f"{path}.proceeds")
        self._items.append(found)
        return found

    def _read_item(self, proceeds: JsonObject, path: str) -> ItemAmounts:
        if not proceeds:
            return _NOTHING
        total = self.money(proceeds, "proceedsTotal", path)
        sent = self._breakdowns(proceeds, path)
        if not sent.subtotals and self._has_more_than_goods and total is not None:
            # Only the order tells what of the item's total is shipping: of a single item that is enough.
            sent = _whole(self._sums) if self._is_single else sent
            meaning = _meaning_of(sent.subtotals, total)
        elif not sent.subtotals:
            return ItemAmounts(total, None, {}, {}, (), None)
        else:
            meaning = self._order_meaning(sent) if total is None else _meaning_of(sent.subtotals, total)
        tax, stated = sent.subtotals.get(_TAX), sent.subtotals.get(_ITEM)
        if meaning is None:
            self._problems.append(OrderProblem(code="amount_ambiguous", path=path, message=_AMBIGUOUS))
            if sent.is_open or not sent.subtotals:
                self._is_undecided = True
                return ItemAmounts(None, stated, {}, {}, tuple(sent.taxes), tax)
            meaning = _AS_SENT
        return ItemAmounts(sent.line_total(meaning), stated, sent.parts(meaning), sent.tax_of, tuple(sent.taxes), tax)

    def _breakdowns(self, proceeds: JsonObject, path: str) -> _Sent:
        sent = _Sent({}, {}, {}, [])
        for index, each in enumerate(objects(proceeds, "breakdowns", path)):
            here = f"{path}.breakdowns[{index}]"
            kind = text(each, "type", here) or "OTHER"
            value = self.money(each, "subtotal", here)
            if value is None:
                continue
            _add(sent.subtotals, kind, value)
            if kind == _TAX:
                for code, part in self._details(each, here) or [(_TAX, value)]:
                    sent.taxes.append(Tax(code=code, amount=part))
                    _add(sent.tax_of, _ITEM if code == _TAX else code, part)
            elif kind == _DISCOUNT:
                for code, part in self._details(each, here) or [(_ITEM, value)]:
                    _add(sent.discount_of, code, part)
        if _DISCOUNT in sent.tax_of:
            # The tax on a discount, negative, is a subtype of its own; it belongs where the discount does.
            discounted = next(iter(sent.discount_of)) if len(sent.discount_of) == 1 else _ITEM
            _add(sent.tax_of, discounted, sent.tax_of.pop(_DISCOUNT))
        return sent

    def finish(self) -> None:
        """Report amounts that nothing in the order gives a currency."""
        if self.currency is None and self._unlabelled_path is not None:
            self._report_once("currency_missing", self._unlabelled_path, "an amount was sent without a currency")

    def _order_meaning(self, sent: _Sent) -> _Meaning | None:
        """What the order's own breakdowns mean stands for an item without a total; one without tax needs no meaning."""
        return self._meaning if sent.is_open else _AS_SENT

    @property
    def _has_more_than_goods(self) -> bool:
        return any(value for kind, value in self._sums.items() if kind not in {_ITEM, _TAX})

    def _details(self, breakdown: JsonObject, path: str) -> list[tuple[str, Decimal]]:
        found: list[tuple[str, Decimal]] = []
        for index, each in enumerate(objects(breakdown, "detailedBreakdowns", path)):
            here = f"{path}.detailedBreakdowns[{index}]"
            value = self.money(each, "value", here)
            if value is not None:
                found.append((text(each, "subtype", here) or "OTHER", value))
        return found

    def _read_currency(self, sent: JsonObject, path: str) -> None:
        if text(sent, "currencyCode", path) is None:
            self._unlabelled_path = self._unlabelled_path or f"{path}.currencyCode"
            return
        code = currency_code(sent, "currencyCode", path, self._problems)
        if code is None:
            return
        if self.currency is None:
            self.currency = code
        elif code != self.currency:
            self._report_once("mixed_currencies", f"{path}.currencyCode", f"{code} in an order in {self.currency}")

    def _report_once(self, code: str, path: str, message: str) -> None:
        if all(each.code != code for each in self._problems):
            self._problems.append(OrderProblem(code=code, path=path, message=message))


def _whole(subtotals: dict[str, Decimal]) -> _Sent:
    """An order's breakdowns, which have no details, as those of its only item."""
    taxes = [Tax(code=_TAX, amount=subtotals[_TAX])] if _TAX in subtotals else []
    tax_of, discount_of = ({_ITEM: subtotals[kind]} if kind in subtotals else {} for kind in (_TAX, _DISCOUNT))
    return _Sent(subtotals, tax_of, discount_of, taxes)


def _add(sums: dict[str, Decimal], kind: str, value: Decimal) -> None:
    sums[kind] = sums[kind] + value if kind in sums else value


def _meaning_of(subtotals: dict[str, Decimal], total: Decimal) -> _Meaning | None:
    """Find how the breakdowns make up the total; None when no reading of them does."""
    tax = subtotals.get(_TAX, _ZERO)
    everything = sum(subtotals.values(), _ZERO)
    if everything == total:
        return _Meaning(is_tax_additive=bool(tax), discount_sign=1)
    if everything - tax == total:
        return _AS_SENT
    discount = subtotals.get(_DISCOUNT, _ZERO)
    if discount > 0:
        if everything - 2 * discount == total:
            return _Meaning(is_tax_additive=bool(tax), discount_sign=-1)
        if everything - 2 * discount - tax == total:
            return _Meaning(is_tax_additive=False, discount_sign=-1)
    return None
