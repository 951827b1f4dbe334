"""A line of an order: what it is of, how many of it, at what price, and what of it may ship."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from msgspec import Struct
from msgspec.structs import replace

from warehouse.ids import line_id
from warehouse.members import Member
from warehouse.order_parts import Cancellation, Gift, Tax
from warehouse.order_rules import line_bar, rounded, share
from warehouse.order_states import Bar

_LINE_ID = "9d1f3f4a-50c1-5a6e-8f0e-0a6a2f0b7c11"
"""An example."""


class Line(Struct, frozen=True, kw_only=True):
    """One line of an order. Its quantities conserve: ordered = shipped + cancelled + remaining.

    Attributes:
        quantity_priced: Units that `line_total` is for; None: those that are not cancelled.
        bar: What the marketplace has against shipping this line, beside refunded units.

    Raises:
        ValueError: The quantities do not conserve; `conserved` settles what a marketplace says.
    """

    id: Annotated[str, Member("Internal id of the line, the same after every rebuild.", _LINE_ID)] = ""
    """Given by the order that it belongs to."""
    original_id: Annotated[str, Member("The marketplace's id of the line.", "05015851154158")]
    number: Annotated[int, Member("Place in the order, from 1.", 1)]
    sku: Annotated[str | None, Member("The seller's article number.", "LAMP-12")] = None
    marketplace_sku: Annotated[
        str | None, Member("The marketplace's own article number, such as an ASIN.", "B0TEST0012")
    ] = None
    gtin: Annotated[
        str | None, Member("Global trade item number (EAN, UPC), as the marketplace sends it.", "03453120000011")
    ] = None
    title: Annotated[str | None, Member("What the marketplace calls the article.", "Desk lamp, brass")] = None
    product_url: Annotated[str | None, Member("Where the article is shown.", "https://shop.example/lamp-12")] = None
    condition: Annotated[str | None, Member("Condition of the article, in the marketplace's words.", "NEW")] = None
    quantity_ordered: Annotated[
        int | None, Member("Units ordered, cancelled ones included; null: the marketplace does not say.", 3)
    ] = None
    quantity_shipped: Annotated[
        int | None,
        Member("Units shipped, as the marketplace or a shipment here tells; null: the marketplace does not say.", 1),
    ] = None
    quantity_cancelled: Annotated[int | None, Member("Units cancelled; null: the marketplace does not say.", 0)] = None
    quantity_refunded: Annotated[
        int | None,
        Member(
            "Units refunded, or being refunded: as many of the remaining ones may not ship; null: the marketplace does "
            "not say.",
            0,
        ),
    ] = None
    source_unit_price: Annotated[
        Decimal | None, Member("The marketplace's own price of one unit, in the order's currency.", "39.90")
    ] = None
    line_total: Annotated[
        Decimal | None,
        Member(
            "Price as the marketplace states it, with taxes and without shipping, in the order's currency; null while "
            "there is none.",
            "119.7",
        ),
    ] = None
    quantity_priced: int | None = None
    refunded_total: Annotated[
        Decimal | None,
        Member(
            "What of `line_total` was refunded, or is being refunded, in the order's currency; null: the marketplace "
            "does not say.",
            "0",
        ),
    ] = None
    taxes: Annotated[
        tuple[Tax, ...],
        Member(
            "Taxes of the line, as the marketplace states them.", [{"code": "VAT", "amount": "19.95", "rate": "20"}]
        ),
    ] = ()
    marketplace_status: Annotated[
        str | None, Member("State of the line in the marketplace's own word.", "SHIPPING")
    ] = None
    cancellation: Annotated[Cancellation | None, Member("Cancellation of this line.", None)] = None
    gift: Annotated[
        Gift | None,
        Member("How it is to be packed as a gift; null: it is none.", {"message": None, "wrap": "Classic"}),
    ] = None
    is_customised: Annotated[bool, Member("Whether the article is made for the buyer.", False)] = False
    customisation_url: Annotated[
        str | None,
        Member(
            "Where the buyer's wishes are to be fetched; null when there are none or redacted. Personal data.",
            None,
            is_personal=True,
        ),
    ] = None
    ship_from: Annotated[
        str | None, Member("The warehouse it is to be shipped from, in the marketplace's words.", "WH-2")
    ] = None
    is_replacement: Annotated[
        bool | None,
        Member("Whether it replaces an article of the related order; null: the marketplace does not say.", False),
    ] = None
    bar: Bar | None = None

    def __post_init__(self) -> None:
        accounted = (self.quantity_shipped or 0) + (self.quantity_cancelled or 0)
        if self.quantity_ordered is not None and self.quantity_ordered < accounted:
            raise ValueError("more units shipped and cancelled than ordered")

    @property
    def quantity_remaining_to_ship(
        self,
    ) -> Annotated[
        int | None,
        Member(
            "Units still to ship: ordered − shipped − cancelled; null when one of these is unknown.",
            2,
            before="quantity_refunded",
        ),
    ]:
        """Units still to be shipped: ordered − shipped − cancelled; None when a part is unknown."""
        if self.quantity_ordered is None or self.quantity_shipped is None or self.quantity_cancelled is None:
            return None
        return self.quantity_ordered - self.quantity_shipped - self.quantity_cancelled

    @property
    def quantity_kept(self) -> int | None:
        """Units ordered and not cancelled; None when a part is unknown."""
        if self.quantity_ordered is None or self.quantity_cancelled is None:
            return None
        return self.quantity_ordered - self.quantity_cancelled

    @property
    def may_ship(
        self,
    ) -> Annotated[bool, Member("Whether what remains of the line may be shipped.", True, before="source_unit_price")]:
        """Whether what remains of the line may be shipped, as far as the line itself tells."""
        return self.may_not_ship_reason is None

    @property
    def may_not_ship_reason(
        self,
    ) -> Annotated[
        Bar | None,
        Member("Why nothing of the line may be shipped; null: it may.", None, before="source_unit_price"),
    ]:
        """Why nothing of the line may be shipped, though some of it may remain; None when it may."""
        return line_bar(self.bar, self.quantity_remaining_to_ship, self.quantity_refunded)

    @property
    def unit_price(
        self,
    ) -> Annotated[
        Decimal | None,
        Member(
            "`line_total` by the units that it is for, at most six decimals; null while there is no price.",
            "39.9",
            before="source_unit_price",
        ),
    ]:
        """`line_total` by the units that it is for, at most six decimals; 0 when these are none, None without a price.

        >>> Line(original_id="1", number=1, quantity_ordered=3, quantity_cancelled=0, line_total=Decimal("119.7")).unit_price
        Decimal('39.9')
        """
        units = self._priced
        if units == 0:
            return Decimal(0)
        if self.line_total is None or units is None:
            return None
        return rounded(self.line_total / units)

    @property
    def kept_total(
        self,
    ) -> Annotated[
        Decimal | None,
        Member(
            "`line_total` without the units that are cancelled, in the order's currency; null when that cannot be told.",
            "119.7",
            before="refunded_total",
        ),
    ]:
        """`line_total` without the units that are cancelled: what there is to earn. None when it cannot be told.

        >>> told = {"quantity_ordered": 3, "quantity_cancelled": 1, "line_total": Decimal("30.00")}
        >>> Line(original_id="1", number=1, quantity_priced=3, **told).kept_total
        Decimal('20.00')
        >>> Line(original_id="1", number=1, **told).kept_total
        Decimal('30.00')
        """
        units, kept = self._priced, self.quantity_kept
        if kept == 0 and self.quantity_cancelled:
            return Decimal(0)
        if self.line_total is None or kept is None or units is None:
            return None
        return self.line_total if units == kept else share(self.line_total, kept, units)

    @property
    def _priced(self) -> int | None:
        if self.quantity_priced is not None:
            return self.quantity_priced
        return self.quantity_ordered if self.quantity_cancelled is None else self.quantity_kept


def with_id(order: str, line: Line) -> Line:
    """The line with its id."""
    own = line_id(order, line.original_id)
    return line if line.id == own else replace(line, id=own)
