"""Reports in one batch come to the same as one after the other, and the orders to the same as when everything is read anew."""

from __future__ import annotations

import random

import pytest
import sqlalchemy as sa

from tests.ledger.test_shipments import NOW, Shop, a_line, an_order
from warehouse.ledger.base import schema
from warehouse.ledger.base.database import Ledger
from warehouse.ledger.book.fulfilment import restate
from warehouse.ledger.book.orders import lock_book
from warehouse.order_parts import Cancellation
from warehouse.order_states import FulfilledBy, Status
from warehouse.privacy import open_key_ring
from warehouse.shipment_reports import Item, ShipmentReport

ORDERS = 40
TABLES = (schema.shipments, schema.shipment_lines)
SEEN = ("id", "status", "confirmation_status", "facts", "may_not_ship_reason", "closed_at")
"""What readers see of an order, but for how often it has changed."""


@pytest.fixture
def shop(any_ledger, any_settings) -> Shop:
    return Shop(any_ledger, open_key_ring(any_settings))


@pytest.fixture
def alone(settings, open_new_ledger, tmp_path):
    """Another one on SQLite, where each report comes by itself."""
    own = settings.model_copy(update={"home": tmp_path / "alone"})
    ledger = open_new_ledger(own)
    yield Shop(ledger, open_key_ring(own))
    ledger.close()


def orders(chance: random.Random):
    """Orders of which most may ship."""
    for number in range(ORDERS):
        cancelled = chance.choice([0, 0, 1])
        lines = (a_line("L1", 1, 3), a_line("L2", 2, 2, shipped=chance.choice([0, 0, 1]), cancelled=cancelled))
        status = chance.choices([Status.WAITING_FOR_SHIPMENT, Status.CANCELED, Status.PENDING], [8, 1, 1])[0]
        by = chance.choices([FulfilledBy.MERCHANT, FulfilledBy.MARKETPLACE], [9, 1])[0]
        asked = Cancellation(requested_by="BUYER") if chance.random() < 0.2 else None
        yield an_order(number, lines=lines, status=status, fulfilled_by=by, cancellation=asked)


def reports(chance: random.Random):
    """Reports about some of them, over and over: right, known, corrected, too many, unknown."""
    for _ in range(4 * ORDERS):
        number = chance.randrange(ORDERS + 2)
        units = chance.choice([None, 1, 1, 2, 3, 9])
        item = Item(item_original_id=chance.choice(["L1", "L1", "L2", "L3"]), item_quantity_shipped=units)
        yield ShipmentReport(
            original_id=f"402-{number}",
            package_id=chance.choice(["A", "B", None]),
            tracking_number=chance.choice([f"T{number}", f"T{number}-2", None]),
            carrier_code="UPS",
            items=chance.choice([(), (item,)]),
        )


def rows(ledger: Ledger, table: sa.Table, names=()) -> list[tuple]:
    with ledger.read() as transaction:
        columns = [table.c[name] for name in names] or list(table.c)
        return sorted((tuple(row) for row in transaction.execute(sa.select(*columns))), key=str)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_batch_is_as_one_after_the_other(shop, alone, seed) -> None:
    made, given = list(orders(random.Random(seed))), list(reports(random.Random(seed)))
    shop.put(*made)
    alone.put(*made)
    together = [answer for part in (given[:60], given[60:]) for answer in shop.ship(*part)]
    assert together == [alone.ship(each)[0] for each in given]
    for table in TABLES:
        assert rows(shop.ledger, table) == rows(alone.ledger, table)
    assert rows(shop.ledger, schema.orders, SEEN) == rows(alone.ledger, schema.orders, SEEN)

    before = rows(shop.ledger, schema.orders)
    with shop.ledger.write() as transaction:
        lock_book(transaction)
        restate(transaction, [each.id for each in made], NOW)
    assert rows(shop.ledger, schema.orders) == before
