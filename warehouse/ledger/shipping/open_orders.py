"""Orders of which shipments are reported: what the marketplace tells of their lines, and the packages that are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from warehouse.ledger.base.prepared import Prepared
from warehouse.ledger.base.rows import read_rows
from warehouse.ledger.base.schema import channels, order_lines, orders, shipment_lines, shipments
from warehouse.ledger.book.fulfilment import (
    MarketplaceCounts,
    OwnShipments,
    ReportedUnits,
    remaining_units,
    shipped_units,
)
from warehouse.ledger.book.order_ids import order_keys
from warehouse.ledger.book.retired_orders import NO_FACTS, facts_of
from warehouse.ledger.shipping.records import SHIPMENT_COLUMNS, StoredShipment
from warehouse.order_states import Bar, Status
from warehouse.shipment_reports import Item, Sender, ShipmentReport, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.settings.carriers import Carriers


@dataclass(slots=True)
class OpenLine:
    """A line while shipments are taken in: the marketplace's quantities, and our units so far."""

    id: str
    original_id: str
    sku: str | None
    ordered: int | None
    shown: int | None
    cancelled: int | None
    refunded: int
    bar: str | None
    reported: ReportedUnits | None

    def remaining(self) -> int | None:
        """Units not shipped; what the marketplace leaves out counts as none shipped, none cancelled."""
        shipped, _ = shipped_units(self.shown, self.ordered, self.cancelled, self.reported)
        return remaining_units(self.ordered, shipped or 0, self.cancelled or 0)

    def shippable(self) -> int | None:
        """Units of the remaining ones that may be shipped."""
        left = self.remaining()
        if left is None:
            return None
        return 0 if self.bar is not None else max(0, left - self.refunded)

    def add(self, units: int) -> int:
        """Take units up; returns how many others are known to have shipped."""
        ours = self.reported.units if self.reported else 0
        known = self.reported.by_others if self.reported else 0
        by_others = max(known, (self.shown or 0) - ours)
        self.reported = ReportedUnits(ours + units, by_others)
        return by_others

    def count(self, units: int, by_others: int) -> None:
        """Add units of a package that is known; `by_others` are those that others had shipped when it was reported."""
        known = self.reported or ReportedUnits(0, by_others)
        self.reported = ReportedUnits(known.units + units, max(known.by_others, by_others))

    def take_back(self, units: int) -> None:
        """Give units up again, of a package whose content is being corrected."""
        if self.reported is not None:
            self.reported = self.reported._replace(units=self.reported.units - units)


@dataclass(slots=True)
class OpenOrder:
    """An order while shipments are taken in."""

    id: str
    channel: str
    status: Status
    source_status: Status
    fulfilled_by: str | None
    bar: Bar | None
    purchased_at: datetime
    lines: dict[str, OpenLine]
    packages: dict[str, StoredShipment]

    def counts(self) -> dict[str, ReportedUnits | None]:
        """Our units so far, by line id."""
        return {each.id: each.reported for each in self.lines.values()}

    def shipments(self, *, are_new: bool) -> OwnShipments:
        """Everything that was reported of it, with what the marketplace says of its lines; `are_new`: all of it just now."""
        lines = self.lines.values()
        return OwnShipments(
            reported={each.id: each.reported for each in lines if each.reported is not None},
            states=frozenset(each.status for each in self.packages.values()),
            counts={each.id: MarketplaceCounts(each.shown, Bar(each.bar) if each.bar else None) for each in lines},
            are_new=are_new,
        )

    def restore(self, counts: Mapping[str, ReportedUnits | None]) -> None:
        """Go back to what `counts` gave: of a report that changes nothing no unit is counted."""
        for line_id, reported in counts.items():
            self.lines[line_id].reported = reported

    def lines_of_sku(self, item: Item, field: str) -> list[OpenLine]:
        """The lines of the SKU that an item names, in their order."""
        found = [each for each in self.lines.values() if each.sku is not None and each.sku == item.item_sku]
        if not found:
            raise refusal("unknown_line", f"{field}/item_sku", "The order has no line of this SKU.", self.id)
        return found

    def line(self, item: Item, field: str) -> OpenLine:
        """The line that an item names."""
        named = [
            each
            for each in self.lines.values()
            if item.item_id in {None, each.id} and item.item_original_id in {None, each.original_id}
        ]
        if (item.item_id is None and item.item_original_id is None) or len(named) != 1:
            name = "item_id" if item.item_id is not None or item.item_original_id is None else "item_original_id"
            raise refusal("unknown_line", f"{field}/{name}", "The order has no such line.", self.id)
        return named[0]


_CODES = Prepared(sa.select(channels.c.code))
_IDS: sa.BindParameter[Any] = sa.bindparam("ids", expanding=True)
_OPEN_ORDER = sa.select(
    *(orders.c[name] for name in ("id", "original_id", "channel", "status", "source_status", "fulfilled_by")),
    *(orders.c[name] for name in ("may_not_ship_reason", "purchased_at")),
)
# The index on original ids begins with the channel; beside an id the channel must lead no index, and in one condition with it
# PostgreSQL would read every order.
_BY_ID = Prepared(_OPEN_ORDER.where(orders.c.id.in_(_IDS)))
_BY_ORIGINAL = Prepared(
    _OPEN_ORDER.where(orders.c.channel.in_(sa.bindparam("codes", expanding=True)), orders.c.original_id.in_(_IDS))
)


def read_orders(
    transaction: Transaction, sender: Sender, given: Sequence[ShipmentReport]
) -> dict[str, tuple[str, OpenOrder]]:
    """Internal id → (original id, order) of every order that the reports name and the sender may see."""
    ids = sorted({each.id for each in given if each.id is not None})
    originals = sorted({each.original_id for each in given if each.id is None and each.original_id is not None})
    codes = _CODES.rows(transaction, {})
    visible = [each for (each,) in codes if sender.visible_channels is None or each in sender.visible_channels]
    rows = [
        *(_BY_ID.rows(transaction, {"ids": ids}) if ids else ()),
        *(_BY_ORIGINAL.rows(transaction, {"codes": visible, "ids": originals}) if originals else ()),
    ]
    read = {
        own_id: (
            original_id,
            OpenOrder(
                id=own_id,
                channel=channel,
                status=Status(status),
                source_status=Status(source_status or status),
                fulfilled_by=fulfilled_by,
                bar=Bar(bar) if bar else None,
                purchased_at=purchased_at,
                lines={},
                packages={},
            ),
        )
        for own_id, original_id, channel, status, source_status, fulfilled_by, bar, purchased_at in rows
        if channel in visible
    }
    _read_lines(transaction, read)
    return read


def confirmed_by_marketplace(
    transaction: Transaction, read: Mapping[str, tuple[str, OpenOrder]], carriers: Carriers
) -> frozenset[str]:
    """Orders of a programme of which the marketplace is told nothing, by internal id."""
    programs = {order.channel: _unconfirmed_programs(carriers, order.channel) for _, order in read.values()}
    asked = [order.id for _, order in read.values() if programs[order.channel]]
    if not asked:
        return frozenset()
    query = sa.select(orders.c.id, orders.c.channel, orders.c.facts).where(orders.c.id.in_(asked))
    rows = transaction.execute(query).all()
    retired = facts_of(transaction, [row.id for row in rows if row.facts == NO_FACTS])
    return frozenset(
        row.id
        for row in rows
        if not programs[row.channel].isdisjoint(orjson.loads(f"{{{row.facts or retired[row.id]}}}")["programs"])
    )


def _unconfirmed_programs(carriers: Carriers, channel: str) -> frozenset[str]:
    needs = carriers.requirements(channel)
    return frozenset(needs.unconfirmed_programs) if needs is not None else frozenset()


def _read_lines(transaction: Transaction, read: Mapping[str, tuple[str, OpenOrder]]) -> None:
    rows = _LINES.rows(transaction, {"ids": list(read)})
    for order_id, own_id, original_id, sku, ordered, shown, cancelled, refunded, bar in rows:
        read[order_id][1].lines[own_id] = OpenLine(
            own_id, original_id, sku, ordered, shown, cancelled, refunded or 0, bar, None
        )


_LINES = Prepared(
    sa.select(
        *(order_lines.c[name] for name in ("order_id", "id", "original_id", "sku", "quantity_ordered")),
        *(order_lines.c[name] for name in ("marketplace_quantity_shipped", "quantity_cancelled", "quantity_refunded")),
        order_lines.c.bar,
    )
    .where(order_lines.c.order_key.in_(order_keys(_IDS)))
    .order_by(order_lines.c.number)
)
_PACKAGES = Prepared(
    sa.select(*SHIPMENT_COLUMNS)
    .where(shipments.c.order_id.in_(_IDS))
    .order_by(shipments.c.order_id, shipments.c.package_id)
)
_CONTENTS = Prepared(
    sa.select(*(shipment_lines.c[name] for name in ("shipment_id", "line_id", "quantity", "shipped_by_others")))
    .join_from(shipments, shipment_lines)
    .where(shipments.c.order_id.in_(_IDS))
)


def read_packages(
    transaction: Transaction, read: Mapping[str, tuple[str, OpenOrder]]
) -> dict[str, dict[str, tuple[int, int]]]:
    """Give each order its packages and their units, and return these: shipment id → line id → (units, shipped by others)."""
    ids = list(read)
    holders: dict[str, OpenOrder] = {}
    for package in read_rows(transaction, StoredShipment, _PACKAGES, {"ids": ids}):
        holders[package.id] = order = read[package.order_id][1]
        order.packages[package.package_id] = package
    found: dict[str, dict[str, tuple[int, int]]] = {}
    if not holders:
        return found
    for shipment_id, line_id, quantity, by_others in _CONTENTS.rows(transaction, {"ids": ids}):
        found.setdefault(shipment_id, {})[line_id] = (quantity, by_others)
        line = holders[shipment_id].lines.get(line_id)
        if line is not None:
            line.count(quantity, by_others)
    return found
